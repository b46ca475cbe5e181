//! The file of `limits.file`: quotas, budgets and combos that the exporter counts itself.

use std::{collections::BTreeSet, time::Duration};

use jiff::{
    civil::{Time, Weekday},
    fmt::temporal::DateTimeParser,
    tz::TimeZone,
};

use super::{
    key::Key,
    raw::Raw,
    resolve::{Field, Placed, Resolver},
    section::section,
    value::{Patterns, Value, text, words},
};
use crate::budget::{
    Anomaly, BudgetRule, Calendar, ComboRule, Every, Globs, Measure, Period, QuotaRule, Rules,
    Selector, Split,
};
use crate::model::{Limit, Name, Unit};

const NANOS: f64 = 1e9;
const HOUR: f64 = 3600.0;
/// Largest limit in its unit: exact as a float, and within 64 bits when summed.
const LARGEST: f64 = 9e15;
const LARGEST_AMOUNT: f64 = 9e18;
/// Maximum length of a rolling window.
const LONGEST: Duration = Duration::from_hours(24 * 366);
const SHORTEST: Duration = Duration::from_mins(1);

section! {
    struct File {
        zone: TimeZone = "UTC",
        anomaly: Unusual,
        quotas(quota): Vec<Placed<Quota>>,
        budgets(budget): Vec<Placed<Budget>>,
        combos(combo): Vec<Placed<Combo>>,
    }
}

section! {
    struct Unusual {
        minimum_days: u8 = "3" in "1" to "7",
        floor_usd: Number = "0.1",
        floor_tokens: Number = "1000",
    }
}

section! {
    struct Quota {
        name: Limit,
        measure: Measure,
        length: Option<Duration>,
        limit: Option<Number>,
        per: Split = "account",
        ..selected: Selected,
        ..start: Start,
    }
}

section! {
    struct Budget {
        name: Name,
        usd: Number,
        value: Worth = "cost",
        thresholds: Shares = "0.5,0.8,1.0",
        ..selected: Selected,
        ..start: Start,
    }
}

section! {
    struct Combo {
        name: Name,
        models: Option<Patterns>,
        aliases: Option<Patterns>,
    }
}

section! {
    /// The events that a rule counts.
    struct Selected {
        provider: Option<Patterns>,
        account: Option<Patterns>,
        client: Option<Patterns>,
        model: Option<Patterns>,
    }
}

section! {
    /// The window of a rule, and its start.
    struct Start {
        window: WindowName,
        at: Option<Time>,
        zone: Option<TimeZone>,
        weekday: Option<Weekday>,
        day: Option<DayOfMonth>,
    }
}

words! {
    enum WindowName { Daily = "daily", Weekly = "weekly", Monthly = "monthly", Rolling = "rolling" }
}
words! {
    enum Worth { Cost = "cost", ListValue = "list_value" }
}
words! {
    Measure {
        Tokens = "tokens",
        BillableTokens = "billable_tokens",
        NoCacheTokens = "no_cache_tokens",
        Requests = "requests",
        Attempts = "attempts",
        Use = "hours",
        Cost = "usd",
        ListValue = "list_value_usd",
    }
}
words! {
    Split { Account = "account", None = "all" }
}
words! {
    Weekday {
        Monday = "monday",
        Tuesday = "tuesday",
        Wednesday = "wednesday",
        Thursday = "thursday",
        Friday = "friday",
        Saturday = "saturday",
        Sunday = "sunday",
    }
}

/// The rules of the file; none without a file.
impl Field for Rules {
    const VALUE_NAME: &'static str = "FILE";

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        resolver.file(key, rules)
    }
}

fn rules(resolver: &mut Resolver<'_>, file: File) -> Rules {
    let zone = file.zone;
    let quotas = resolver.each(file.quotas, |_, it, seen| {
        let rule = quota(it, &zone)?;
        let is_new = seen.insert(format!("{} {}", rule.name, rule.period.window().label()));
        is_new
            .then_some(rule)
            .ok_or("another one has this name and window")
    });
    let budgets = resolver.each(file.budgets, |_, it, seen| {
        let rule = budget(it, &zone)?;
        unique(seen, &rule.name)?;
        Ok(rule)
    });
    let combos = resolver.each(file.combos, |_, it, seen| {
        let rule = combo(&it)?;
        unique(seen, &rule.name)?;
        Ok(rule)
    });
    Rules {
        zone,
        quotas,
        budgets,
        combos,
        anomaly: Anomaly {
            minimum_days: file.anomaly.minimum_days,
            floor_cost: file.anomaly.floor_usd.times(NANOS),
            floor_tokens: file.anomaly.floor_tokens.times(1.0),
        },
    }
}

pub(super) fn unique(seen: &mut BTreeSet<String>, name: &str) -> Result<(), &'static str> {
    let is_new = seen.insert(name.to_owned());
    is_new.then_some(()).ok_or("another one has this name")
}

fn quota(it: Quota, default: &TimeZone) -> Result<QuotaRule, &'static str> {
    let period = match (it.start.window, it.length) {
        (WindowName::Rolling, Some(length)) => it.start.rolling(length)?,
        (WindowName::Rolling, None) => return Err("a rolling window needs a length"),
        (_, Some(_)) => return Err("only rolling windows have a length"),
        (_, None) => Period::Calendar(it.start.calendar(default)?),
    };
    let limit = it.limit.map(|limit| limit.amount(it.measure)).transpose()?;
    Ok(QuotaRule {
        name: it.name,
        selector: it.selected.selector(),
        measure: it.measure,
        period,
        split: it.per,
        limit,
    })
}

fn budget(it: Budget, default: &TimeZone) -> Result<BudgetRule, &'static str> {
    let period = match it.start.window {
        WindowName::Daily => "daily",
        WindowName::Weekly => "weekly",
        WindowName::Monthly => "monthly",
        WindowName::Rolling => return Err("a budget's window is daily, weekly or monthly"),
    };
    Ok(BudgetRule {
        name: it.name.as_str().to_owned(),
        period: period.to_owned(),
        scope: it.selected.scope(),
        calendar: it.start.calendar(default)?,
        selector: it.selected.selector(),
        list_value: it.value == Worth::ListValue,
        limit: it.usd.amount(Measure::Cost)?,
        thresholds: it.thresholds.0,
    })
}

fn combo(it: &Combo) -> Result<ComboRule, &'static str> {
    if it.models.is_none() && it.aliases.is_none() {
        return Err("give models or aliases");
    }
    Ok(ComboRule {
        name: it.name.as_str().to_owned(),
        models: globs(it.models.as_ref()),
        aliases: globs(it.aliases.as_ref()),
    })
}

impl Start {
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
            (WindowName::Weekly, weekday, None) => Every::Week(weekday.unwrap_or(Weekday::Monday)),
            (WindowName::Monthly, None, day) => Every::Month(day.map_or(1, |day| day.0)),
            _ => return Err("weekday belongs to weekly windows and day to monthly ones"),
        };
        let at = self.at.unwrap_or(Time::midnight());
        let zone = self.zone.as_ref().unwrap_or(default);
        Ok(Calendar::new(every, at, zone.clone()))
    }
}

impl Selected {
    fn selector(&self) -> Selector {
        Selector {
            providers: globs(self.provider.as_ref()),
            accounts: globs(self.account.as_ref()),
            clients: globs(self.client.as_ref()),
            models: globs(self.model.as_ref()),
        }
    }

    /// Description for display. A pattern that could be a key or an address is hidden.
    fn scope(&self) -> String {
        let all = [
            ("provider", &self.provider),
            ("account", &self.account),
            ("client", &self.client),
            ("model", &self.model),
        ];
        let parts = all.into_iter().filter_map(|(what, patterns)| {
            let shown = patterns.as_ref()?.0.iter().map(|text| {
                Name::new(text).map_or_else(|| "(hidden)".to_owned(), |name| name.to_string())
            });
            let shown: Vec<String> = shown.collect();
            Some(format!("{what} {}", shown.join(" or ")))
        });
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() {
            "everything".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

fn globs(patterns: Option<&Patterns>) -> Globs {
    let texts = patterns.into_iter().flat_map(|patterns| &patterns.0);
    Globs::new(&texts.map(String::as_str).collect::<Vec<&str>>())
}

/// A number of a limit, in its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Number(f64);

impl Value for Number {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let number = raw
            .number()
            .filter(|number| (0.0..=LARGEST).contains(number));
        number
            .map(Self)
            .ok_or_else(|| "a number from 0 on, at most 9e15".to_owned())
    }
}

impl Number {
    /// In the unit of the sums: tokens, requests, nano-dollars, nanoseconds.
    fn amount(self, measure: Measure) -> Result<u64, &'static str> {
        let scale = match measure.unit() {
            Unit::Usd => NANOS,
            Unit::Seconds => HOUR * NANOS,
            Unit::Tokens | Unit::Requests | Unit::Credits => 1.0,
        };
        if self.0 * scale > LARGEST_AMOUNT {
            return Err("the limit is too large to be summed in 64 bits");
        }
        Ok(self.times(scale))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and rounded; a float beyond 64 bits becomes the largest integer"
    )]
    fn times(self, scale: f64) -> u64 {
        (self.0 * scale).round() as u64
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct DayOfMonth(u8);

impl Value for DayOfMonth {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a day of the month, 1 to 31";
        let day = u8::parse(raw).ok().filter(|day| (1..=31).contains(day));
        day.map(Self).ok_or_else(|| EXPECTED.to_owned())
    }
}

/// Shares of a budget.
#[derive(Clone, Debug, PartialEq)]
struct Shares(Vec<f64>);

impl Value for Shares {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let shares = raw.list(Raw::number);
        let shares = shares.filter(|all| all.iter().all(|share| (0.0..=10.0).contains(share)));
        shares
            .map(Self)
            .ok_or_else(|| "a list of shares like 0.8, at most 10".to_owned())
    }
}

impl Value for Time {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a time like \"10:00\"";
        let clock = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let is_number = |t: &str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
            let both = is_number(hour) && is_number(minute);
            let time = Self::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0);
            time.ok().filter(|_| both)
        };
        clock(text(raw, EXPECTED)?).ok_or_else(|| EXPECTED.to_owned())
    }
}

impl Value for TimeZone {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a name like \"Europe/Berlin\" or an offset like \"+08:00\"";
        let text = text(raw, EXPECTED)?;
        // Stricter than the parser: as a POSIX zone, `hunter2` is valid.
        let found = if text.starts_with(['+', '-']) {
            DateTimeParser::new().parse_time_zone(text)
        } else {
            Self::get(text)
        };
        found.map_err(|_quotes_the_text| EXPECTED.to_owned())
    }
}

#[cfg(test)]
mod tests;
