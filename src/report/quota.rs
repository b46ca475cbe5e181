//! The quotas of accounts: a table, JSON, or CSV.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::Style;
use super::csv::Csv;
use super::grid::{Align, Cell, Layout, Paint, Step};
use super::text::{age, cut, line, moment, number, span};
use crate::api::{AccountQuota, QuotaWindow};

/// Percent that remain, from which on a limit is shown as low and as nearly gone.
const LOW: f64 = 30.0;
const GONE: f64 = 10.0;
/// Cells of a whole bar.
const BAR: usize = 10;
const MISSING: &str = "-";
const MAIN: &str = "main";

const CSV_HEAD: [&str; 23] = [
    "provider",
    "account",
    "plan",
    "state",
    "limit",
    "window",
    "scope",
    "name",
    "used_ratio",
    "unit",
    "used",
    "total",
    "remaining",
    "unlimited",
    "exhausted",
    "reset",
    "source",
    "observed",
    "no_reading",
    "no_reading_since",
    "no_reading_next_try",
    "window_tokens",
    "window_list_value_usd",
];

const HEADS: [(&str, Align); 12] = [
    ("LIMIT", Align::Left),
    ("WINDOW", Align::Left),
    ("", Align::Left),
    ("LEFT", Align::Right),
    ("USED", Align::Right),
    ("AMOUNT", Align::Left),
    ("TOKENS", Align::Right),
    ("VALUE", Align::Right),
    ("RESETS", Align::Left),
    ("IN", Align::Right),
    ("SOURCE", Align::Left),
    ("AGE", Align::Right),
];
/// How the table gets narrower: first what is said elsewhere in the row, last what tells rows
/// apart.
const STEPS: [Step; 12] = [
    Step::Shrink(0, 24),
    Step::Shrink(2, BAR / 2),
    Step::Drop(5),
    Step::Shrink(0, 14),
    Step::Drop(10),
    Step::Drop(11),
    Step::Drop(8),
    Step::Drop(6),
    Step::Drop(7),
    Step::Drop(4),
    Step::Drop(2),
    Step::Shrink(0, 8),
];

/// When and where the reader is.
#[derive(Clone, Debug)]
pub struct Here {
    pub now: Timestamp,
    pub zone: TimeZone,
}

impl Here {
    fn local(&self, seconds: Option<f64>) -> Option<Zoned> {
        Some(moment(seconds?)?.to_zoned(self.zone.clone()))
    }

    /// Seconds from now until then.
    fn until(&self, seconds: Option<f64>) -> Option<i64> {
        Some(moment(seconds?)?.duration_since(self.now).as_secs())
    }

    /// Figures whose window has ended meanwhile say nothing any more.
    fn current<'a>(&self, account: &'a AccountQuota) -> Vec<&'a QuotaWindow> {
        let limits = account.limits.iter();
        let over = |limit: &QuotaWindow| {
            let end = limit.reset.and_then(moment);
            end.is_some_and(|end| end <= self.now)
        };
        let mut limits: Vec<_> = limits.filter(|limit| !over(limit)).collect();
        limits.sort_by_key(|limit| limit.limit != MAIN);
        limits
    }
}

/// The array `accounts` of the API.
pub fn json(accounts: &[AccountQuota]) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(accounts)? + "\n")
}

/// A row for each limit, and one for each account without any.
pub fn csv(accounts: &[AccountQuota], here: &Here) -> String {
    let mut csv = Csv::with_head(&CSV_HEAD);
    for account in accounts {
        let limits = here.current(account);
        for limit in &limits {
            csv.row(&csv_row(account, Some(limit), here));
        }
        if limits.is_empty() {
            csv.row(&csv_row(account, None, here));
        }
    }
    csv.into_text()
}

/// As in [`CSV_HEAD`].
fn csv_row(account: &AccountQuota, limit: Option<&QuotaWindow>, here: &Here) -> [String; 23] {
    let text = |of: fn(&QuotaWindow) -> Option<&str>| {
        let text = limit.and_then(of);
        text.unwrap_or_default().to_owned()
    };
    let figure = |of: fn(&QuotaWindow) -> Option<f64>| {
        let figure = limit.and_then(of);
        figure.map_or_else(String::new, |figure| figure.to_string())
    };
    let truth = |of: fn(&QuotaWindow) -> Option<bool>| {
        let truth = limit.and_then(of);
        truth.map_or_else(String::new, |truth| truth.to_string())
    };
    let time = |of: fn(&QuotaWindow) -> Option<f64>| csv_time(limit.and_then(of), here);
    let tokens = limit.and_then(|limit| limit.window_tokens);
    let why = account.no_reading.as_ref();
    [
        account.provider.clone(),
        account.account.clone(),
        account.plan.clone().unwrap_or_default(),
        account.state.clone(),
        text(|limit| Some(&limit.limit)),
        text(|limit| Some(&limit.window)),
        text(|limit| Some(&limit.scope)),
        text(|limit| limit.name.as_deref()),
        figure(|limit| limit.used_ratio),
        text(|limit| limit.unit.as_deref()),
        figure(|limit| limit.used),
        figure(|limit| limit.amount),
        figure(|limit| limit.remaining),
        truth(|limit| Some(limit.unlimited)),
        truth(|limit| limit.exhausted),
        time(|limit| limit.reset),
        text(|limit| Some(&limit.source)),
        time(|limit| Some(limit.observed)),
        why.map(|why| why.reason.clone()).unwrap_or_default(),
        csv_time(why.and_then(|why| why.since), here),
        csv_time(why.and_then(|why| why.next_try), here),
        tokens.map_or_else(String::new, |tokens| tokens.to_string()),
        figure(|limit| limit.window_list_value_usd),
    ]
}

/// RFC 3339 with the offset of the zone, or nothing.
fn csv_time(seconds: Option<f64>, here: &Here) -> String {
    let time = here.local(seconds);
    time.map_or_else(String::new, |at| {
        at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    })
}

/// A block for each account, the limits below its name.
pub fn table(accounts: &[AccountQuota], here: &Here, style: &Style) -> String {
    let blocks: Vec<_> = accounts
        .iter()
        .map(|account| (account, here.current(account)))
        .collect();
    let limits = blocks.iter().flat_map(|(_, limits)| limits);
    let rows: Vec<_> = limits.map(|limit| row(limit, here, BAR)).collect();
    let layout = Layout::fit(&HEADS, &rows, &STEPS, style);
    let bar = layout.width_of(2).map_or(BAR, |cells| cells.min(BAR));
    let mut lines = Vec::new();
    if !rows.is_empty() {
        let heads: Vec<Cell> = HEADS.iter().map(|(head, _)| Cell::plain(*head)).collect();
        lines.push(layout.line(&heads, style));
    }
    for (account, limits) in blocks {
        lines.push(title(account, here, limits.is_empty(), style));
        let rows = limits.into_iter().map(|limit| row(limit, here, bar));
        lines.extend(rows.map(|row| layout.line(&row, style)));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Who it is, and what is known besides the limits.
fn title(account: &AccountQuota, here: &Here, is_bare: bool, style: &Style) -> String {
    let name = line(&format!("{} {}", account.provider, account.account));
    let mut facts = vec![
        format!("plan {}", account.plan.as_deref().unwrap_or(MISSING)),
        account.state.clone(),
    ];
    let credits = account.credits.iter();
    facts.extend(credits.map(|c| format!("{} {} left", number(c.balance), c.unit)));
    let stock = account.reset_credits.map(number);
    facts.extend(stock.map(|count| format!("{count} resets in stock")));
    for spend in &account.spend {
        let used = spend.used_usd.map_or_else(|| MISSING.to_owned(), number);
        let most = spend.limit_usd.map(|most| format!("/{}", number(most)));
        let most = most.unwrap_or_default();
        facts.push(format!("{} {used}{most} usd", spend.limit));
    }
    facts.extend(no_reading(account, here, is_bare));
    let whole = cut(&line(&format!("{name}  {}", facts.join("  "))), style.width);
    match whole.strip_prefix(&name) {
        Some(rest) => format!("{}{rest}", Paint::Bold.on(&name, style)),
        None => Paint::Bold.on(&whole, style),
    }
}

/// `no readings: unauthorized since 2026-05-09 08:00, next try in 2h`.
fn no_reading(account: &AccountQuota, here: &Here, is_bare: bool) -> Option<String> {
    let head = if is_bare {
        "no readings"
    } else {
        "no newer reading"
    };
    let Some(why) = &account.no_reading else {
        return is_bare.then(|| head.to_owned());
    };
    let since = here.local(why.since);
    let since = since.map(|at| format!(" since {}", at.strftime("%Y-%m-%d %H:%M")));
    let next = here.until(why.next_try);
    let next = next.map(|wait| format!(", next try in {}", span(wait)));
    let (since, next) = (since.unwrap_or_default(), next.unwrap_or_default());
    Some(line(&format!("{head}: {}{since}{next}", why.reason)))
}

fn row(limit: &QuotaWindow, here: &Here, cells: usize) -> Vec<Cell> {
    let paint = paint(limit);
    let painted = |text: String| Cell { text, paint };
    let or_missing = |text: Option<String>| text.unwrap_or_else(|| MISSING.to_owned());
    let reset = here.local(limit.reset);
    let until = here.until(limit.reset);
    let old = here.until(Some(limit.observed)).map(|until| age(-until));
    vec![
        Cell::plain(line(&limit.limit)),
        Cell::plain(line(&limit.window)),
        painted(bar(limit, cells)),
        painted(or_missing(left(limit))),
        Cell::plain(or_missing(used(limit))),
        Cell::plain(amount(limit)),
        Cell::plain(tokens(limit)),
        Cell::plain(value(limit)),
        Cell::plain(or_missing(
            reset.map(|at| at.strftime("%Y-%m-%d %H:%M").to_string()),
        )),
        Cell::plain(or_missing(until.map(span))),
        Cell::plain(line(&limit.source)),
        Cell::plain(or_missing(old)),
    ]
}

/// What remains in percent, nothing at the least.
fn remaining_percent(limit: &QuotaWindow) -> Option<f64> {
    let percent = (1.0 - limit.used_ratio?).max(0.0) * 100.0;
    // 1 - 0.7 is a hair more than 0.3.
    Some((percent * 1e6).round() / 1e6)
}

fn paint(limit: &QuotaWindow) -> Paint {
    match remaining_percent(limit) {
        _ if limit.exhausted == Some(true) => Paint::Gone,
        _ if limit.unlimited => Paint::Good,
        Some(percent) if percent <= GONE => Paint::Gone,
        Some(percent) if percent <= LOW => Paint::Low,
        Some(_) => Paint::Good,
        None => Paint::Plain,
    }
}

/// Rounded up, so that the figure never looks lower than its colour, and 0 means nothing.
fn left(limit: &QuotaWindow) -> Option<String> {
    if limit.unlimited {
        return Some("unlimited".to_owned());
    }
    match remaining_percent(limit) {
        Some(percent) => Some(format!("{:.0}%", percent.ceil())),
        None if limit.exhausted == Some(true) => Some("none".to_owned()),
        None => limit.remaining.map(number),
    }
}

/// Rounded down: with what is left it makes 100.
fn used(limit: &QuotaWindow) -> Option<String> {
    match (remaining_percent(limit), limit.used_ratio) {
        (Some(left), Some(ratio)) if ratio <= 1.0 => Some(format!("{:.0}%", 100.0 - left.ceil())),
        (_, Some(ratio)) => Some(format!("{:.0}%", ratio * 100.0)),
        (_, None) => limit.used.map(number),
    }
}

fn amount(limit: &QuotaWindow) -> String {
    let unit = limit.unit.as_deref().unwrap_or_default();
    let text = match (limit.used, limit.amount, limit.remaining) {
        (Some(used), Some(all), _) => format!("{}/{} {unit}", number(used), number(all)),
        (Some(used), None, _) => format!("{} {unit} used", number(used)),
        (None, Some(all), _) => format!("{} {unit} in all", number(all)),
        (None, None, Some(left)) => format!("{} {unit} left", number(left)),
        (None, None, None) => return String::new(),
    };
    line(&text)
}

/// `1.25M`: tokens used since the start of the window.
fn tokens(limit: &QuotaWindow) -> String {
    let tokens = limit.window_tokens;
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    tokens.map_or_else(String::new, |tokens| number(tokens as f64))
}

fn value(limit: &QuotaWindow) -> String {
    let value = limit.window_list_value_usd;
    value.map_or_else(String::new, |usd| format!("${usd:.2}"))
}

/// Full = all of it remains.
fn bar(limit: &QuotaWindow, cells: usize) -> String {
    let full = match remaining_percent(limit) {
        _ if limit.unlimited => cells,
        Some(percent) => filled(percent, cells),
        None if limit.exhausted == Some(true) => 0,
        None => return String::new(),
    };
    let mut bar = "█".repeat(full);
    bar.extend(std::iter::repeat_n('░', cells - full));
    bar
}

/// Something that remains is always seen.
fn filled(percent: f64, cells: usize) -> usize {
    let cells = u16::try_from(cells).unwrap_or(u16::MAX);
    let from = |cell: &u16| f64::from(*cell) * 100.0 / f64::from(cells);
    (0..cells).filter(|cell| from(cell) < percent).count()
}

#[cfg(test)]
mod tests;
