//! The file of `limits.file`: quotas, budgets and combos that the exporter counts itself.

mod written;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::civil::Time;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

use self::written::{Budget, Combo, Day, File, Patterns, Per, Quota, Unusual, WindowName, Worth};
use super::user_file::{self, FileError, Place};
use crate::budget::{
    Anomaly, BudgetRule, Calendar, ComboRule, Every, Globs, Measure, Period, QuotaRule, Rules,
    Selector, Split,
};
use crate::config::Limits;
use crate::model::{Limit, Name, Unit};

const NANOS: f64 = 1e9;
const HOUR: f64 = 3600.0;
/// Largest limit in its unit: exact as a float, and within 64 bits when summed.
const LARGEST: f64 = 9e15;
const LARGEST_AMOUNT: f64 = 9e18;
/// Maximum length of a rolling window.
const LONGEST: Duration = Duration::from_hours(24 * 366);
const SHORTEST: Duration = Duration::from_mins(1);

/// Start of a calendar window, as written in the file.
struct Start<'a> {
    window: WindowName,
    at: Option<&'a str>,
    zone: Option<&'a str>,
    weekday: Option<Day>,
    day: Option<u8>,
}

/// The configured rules; none without a file.
pub(crate) fn load(limits: &Limits) -> anyhow::Result<Rules> {
    match &limits.file {
        Some(path) => Ok(read(path)?),
        None => Ok(Rules::default()),
    }
}

fn read(path: &Path) -> Result<Rules, FileError> {
    let file: File = user_file::read(path)?;
    let mut rules = Rules {
        zone: zone(file.zone.as_deref(), &TimeZone::UTC)
            .map_err(|message| Place::top(path, "zone").wrong(message))?,
        anomaly: anomaly(&file.anomaly)
            .map_err(|message| Place::top(path, "anomaly").wrong(message))?,
        ..Rules::default()
    };
    let mut seen = BTreeSet::new();
    for written in file.quotas {
        let place = Place::new(path, "quota", &written.name);
        let rule = quota(&written, &rules.zone).map_err(|message| place.wrong(message))?;
        let key = format!("{} {}", rule.name, rule.period.window().label());
        if !seen.insert(key) {
            return Err(place.wrong("another one has this name and window"));
        }
        rules.quotas.push(rule);
    }
    seen.clear();
    for written in file.budgets {
        let place = Place::new(path, "budget", &written.name);
        let rule = budget(written, &rules.zone).map_err(|message| place.wrong(message))?;
        if !seen.insert(rule.name.clone()) {
            return Err(place.wrong("another one has this name"));
        }
        rules.budgets.push(rule);
    }
    seen.clear();
    for written in file.combos {
        let place = Place::new(path, "combo", &written.name);
        let rule = combo(&written).map_err(|message| place.wrong(message))?;
        if !seen.insert(rule.name.clone()) {
            return Err(place.wrong("another one has this name"));
        }
        rules.combos.push(rule);
    }
    Ok(rules)
}

fn quota(it: &Quota, default: &TimeZone) -> Result<QuotaRule, &'static str> {
    let start = Start {
        window: it.window,
        at: it.at.as_deref(),
        zone: it.zone.as_deref(),
        weekday: it.weekday,
        day: it.day,
    };
    let period = match (it.window, it.length) {
        (WindowName::Rolling, Some(length)) => start.rolling(length)?,
        (WindowName::Rolling, None) => return Err("a rolling window needs a length"),
        (_, Some(_)) => return Err("only rolling windows have a length"),
        (_, None) => Period::Calendar(start.calendar(default)?),
    };
    let measure = it.measure.into();
    let limit = it.limit.map(|limit| amount(measure, limit)).transpose()?;
    Ok(QuotaRule {
        name: Limit::new(&it.name).ok_or("the name looks like an id or an address")?,
        selector: selector([&it.provider, &it.account, &it.client, &it.model])?,
        measure,
        period,
        split: match it.per {
            Per::Account => Split::Account,
            Per::All => Split::None,
        },
        limit,
    })
}

fn budget(it: Budget, default: &TimeZone) -> Result<BudgetRule, &'static str> {
    let start = Start {
        window: it.window,
        at: it.at.as_deref(),
        zone: it.zone.as_deref(),
        weekday: it.weekday,
        day: it.day,
    };
    let is_share = |share: &f64| (0.0..=10.0).contains(share);
    if !it.thresholds.iter().all(is_share) {
        return Err("thresholds are shares like 0.8");
    }
    let selected = [&it.provider, &it.account, &it.client, &it.model];
    Ok(BudgetRule {
        name: name(&it.name)?,
        period: match it.window {
            WindowName::Daily => "daily".to_owned(),
            WindowName::Weekly => "weekly".to_owned(),
            WindowName::Monthly => "monthly".to_owned(),
            WindowName::Rolling => return Err("a budget's window is daily, weekly or monthly"),
        },
        scope: scope(selected),
        calendar: start.calendar(default)?,
        selector: selector(selected)?,
        list_value: it.value == Worth::ListValue,
        limit: amount(Measure::Cost, it.usd)?,
        thresholds: it.thresholds,
    })
}

fn combo(it: &Combo) -> Result<ComboRule, &'static str> {
    if it.models.is_none() && it.aliases.is_none() {
        return Err("give models or aliases");
    }
    Ok(ComboRule {
        name: name(&it.name)?,
        models: globs(it.models.as_ref())?,
        aliases: globs(it.aliases.as_ref())?,
    })
}

impl Start<'_> {
    fn rolling(&self, length: Duration) -> Result<Period, &'static str> {
        if self.at.is_some() || self.zone.is_some() || self.day.is_some() || self.weekday.is_some()
        {
            return Err("a rolling window has no start");
        }
        if !(SHORTEST..=LONGEST).contains(&length) || length.subsec_nanos() > 0 {
            return Err("a rolling window lasts one minute to 366 days, in whole seconds");
        }
        Period::rolling(length).ok_or("a rolling window needs a length")
    }

    fn calendar(&self, default: &TimeZone) -> Result<Calendar, &'static str> {
        let every = match (self.window, self.weekday, self.day) {
            (WindowName::Daily, None, None) => Every::Day,
            (WindowName::Weekly, weekday, None) => {
                Every::Week(weekday.unwrap_or(Day::Monday).into())
            }
            (WindowName::Monthly, None, day) => match day.unwrap_or(1) {
                day @ 1..=31 => Every::Month(day),
                _ => return Err("a day of the month is 1 to 31"),
            },
            _ => return Err("weekday belongs to weekly windows and day to monthly ones"),
        };
        let at = match self.at {
            Some(text) => clock(text).ok_or("at is a time like 10:00")?,
            None => Time::midnight(),
        };
        Ok(Calendar::new(every, at, zone(self.zone, default)?))
    }
}

/// A name that becomes a label value.
fn name(text: &str) -> Result<String, &'static str> {
    let name = Name::new(text).ok_or("the name looks like an id or an address")?;
    Ok(name.as_str().to_owned())
}

fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let both = [hour, minute];
    let digits = |t: &&str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
    let all = both.iter().all(digits);
    let time = Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0);
    time.ok().filter(|_| all)
}

fn zone(text: Option<&str>, default: &TimeZone) -> Result<TimeZone, &'static str> {
    let Some(text) = text else {
        return Ok(default.clone());
    };
    // Stricter than the parser: as a POSIX zone, `hunter2` is valid.
    let found = if text.starts_with(['+', '-']) {
        DateTimeParser::new().parse_time_zone(text)
    } else {
        TimeZone::get(text)
    };
    found.map_err(|_quotes_the_text| "zone is a name like Europe/Berlin or an offset like +08:00")
}

/// Selects by provider, account, client and model.
fn selector(selected: [&Option<Patterns>; 4]) -> Result<Selector, &'static str> {
    let [providers, accounts, clients, models] = selected.map(|written| globs(written.as_ref()));
    Ok(Selector {
        providers: providers?,
        accounts: accounts?,
        clients: clients?,
        models: models?,
    })
}

fn globs(patterns: Option<&Patterns>) -> Result<Globs, &'static str> {
    let texts = texts(patterns);
    if patterns.is_some() && (texts.is_empty() || texts.iter().any(|text| text.is_empty())) {
        return Err("a pattern is empty");
    }
    Ok(Globs::new(&texts))
}

fn texts(patterns: Option<&Patterns>) -> Vec<&str> {
    match patterns {
        None => Vec::new(),
        Some(Patterns::One(text)) => vec![text],
        Some(Patterns::Many(texts)) => texts.iter().map(String::as_str).collect(),
    }
}

/// Description of a budget's scope. A pattern that could be a key or an address is hidden.
fn scope(selected: [&Option<Patterns>; 4]) -> String {
    let names = ["provider", "account", "client", "model"];
    let parts = names
        .into_iter()
        .zip(selected)
        .filter_map(|(what, patterns)| {
            let shown = texts(patterns.as_ref()).into_iter().map(|text| {
                Name::new(text).map_or_else(|| "(hidden)".to_owned(), |name| name.to_string())
            });
            let shown: Vec<String> = shown.collect();
            (!shown.is_empty()).then(|| format!("{what} {}", shown.join(" or ")))
        });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        "everything".to_owned()
    } else {
        parts.join(", ")
    }
}

fn anomaly(it: &Unusual) -> Result<Anomaly, &'static str> {
    let default = Anomaly::default();
    let minimum_days = it.minimum_days.unwrap_or(default.minimum_days);
    if !(1..=7).contains(&minimum_days) {
        return Err("minimum_days is 1 to 7");
    }
    let floor = |measure, written: Option<f64>, default| {
        written.map_or(Ok(default), |number| amount(measure, number))
    };
    Ok(Anomaly {
        minimum_days,
        floor_cost: floor(Measure::Cost, it.floor_usd, default.floor_cost)?,
        floor_tokens: floor(Measure::Tokens, it.floor_tokens, default.floor_tokens)?,
    })
}

/// Converts to the unit of the sums: tokens, requests, nano-dollars, nanoseconds.
fn amount(measure: Measure, number: f64) -> Result<u64, &'static str> {
    let whole = match measure.unit() {
        Unit::Usd => number * NANOS,
        Unit::Seconds => number * HOUR * NANOS,
        Unit::Tokens | Unit::Requests | Unit::Credits => number,
    };
    if !(0.0..=LARGEST_AMOUNT).contains(&whole) || number > LARGEST {
        return Err("a limit is a number from 0 on, and small enough to be summed in 64 bits");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within bounds, and rounded"
    )]
    let amount = whole.round() as u64;
    Ok(amount)
}

#[cfg(test)]
mod tests;
