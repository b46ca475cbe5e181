//! Kimi Code, with a login or an API key.

use crate::model::{
    AccountFacts, Amounts, Limit, Name, QuotaAnswer, Reading, Scope, Unit, UnixNanos, Window,
    WindowRole,
};
use crate::quota::flow::{Flow, Page, Pause};
use crate::quota::json::{Node, number};
use crate::quota::provider::parsed;
use crate::quota::{AccountRef, Ask, ParseError, Provider, Request};

const URL: &str = "https://api.kimi.com/coding/v1/usages";
/// Maximum rounding difference: counts are integers, ratios are not.
const ROUNDING: f64 = 0.02;

#[derive(Debug)]
pub(super) struct Kimi;

impl Provider for Kimi {
    fn id(&self) -> &'static str {
        "kimi"
    }

    fn serves(&self, account: &AccountRef) -> bool {
        account.is_oauth("kimi") || account.is_at("api.kimi.com")
    }

    fn run(&self, _: &Ask<'_>, flow: &mut Flow<'_>) -> Result<QuotaAnswer, Pause> {
        let page = flow.call(Request::get(URL))??;
        Ok(read(&page)?)
    }
}

fn read(page: &Page) -> Result<QuotaAnswer, ParseError> {
    let root = page.root();
    let counted = counted_rows(root);
    let mut readings: Vec<Reading> = ratio_rows(root)
        .map(|row| match counted.iter().find(|old| is_same(old, &row)) {
            Some(old) => completed(row, old),
            None => row,
        })
        .collect();
    // The first reading of a window is used.
    readings.extend(counted);
    let level = root.pointer("/user/membership/level").text();
    let facts = AccountFacts::of_plan(level.and_then(plan));
    parsed(readings, facts)
}

/// The older form: `usage` and the list `limits`, in counts.
fn counted_rows(root: Node<'_>) -> Vec<Reading> {
    // The values at the top level are those of the week, though unlabelled.
    let mut readings: Vec<Reading> = counted(root.get("usage"), root.get("usage"))
        .map(|figures| figures.row(Limit::main(), Window::days(7)))
        .into_iter()
        .collect();
    for item in root.get("limits").items() {
        let figures = counted(item.get("detail"), item);
        let Some((figures, window)) = figures.zip(window(item.get("window"))) else {
            continue;
        };
        let name = item.any(&["title", "name"]).name();
        let is_taken = |row: &Reading| row.window().label() == window.label();
        let limit = if readings.iter().any(is_taken) {
            name.as_ref().and_then(|name| Limit::new(name.as_str()))
        } else {
            Some(Limit::main())
        };
        readings.extend(limit.map(|limit| figures.row(limit, window).with_name(name)));
    }
    readings
}

/// The newer form: a map `usages` of `limit_…`, each with a ratio and mostly without counts.
fn ratio_rows(root: Node<'_>) -> impl Iterator<Item = Reading> {
    let places = [
        root.get("usages"),
        root.get("usage"),
        root.get("limits"),
        root,
    ];
    let maps = places.into_iter().flat_map(|node| {
        let listed = node.items().collect::<Vec<_>>();
        std::iter::once(node).chain(listed)
    });
    maps.flat_map(Node::entries).filter_map(|(key, node)| {
        let (limit, window, scope) = limit_of_key(key)?;
        let left = || {
            Some(
                1.0 - node
                    .any(&["remaining_ratio", "remainingRatio"])
                    .fraction()?,
            )
        };
        let ratio = node.any(&["used_ratio", "usedRatio"]).fraction();
        let amounts = counted(node, node).and_then(|figures| figures.amounts());
        let row = Reading::new(limit, window, scope)
            .with_ratio(ratio.or_else(left))
            .with_amounts(amounts)
            .with_reset(end(node));
        // Without a ratio, the older form may have more data of the window.
        row.used_ratio().is_some().then_some(row)
    })
}

/// `limit_5h`, `limit_month_total`, `limit_month_code`: a window and its subject. A word that is
/// not a window is a limit of unknown length.
fn limit_of_key(key: &str) -> Option<(Limit, Window, Scope)> {
    let words = key.strip_prefix("limit_")?.split('_').collect::<Vec<_>>();
    let window = words.iter().find_map(|word| window_of_word(word));
    let is_name =
        |word: &&&str| window_of_word(word).is_none() && !["total", "all"].contains(*word);
    let name = words.iter().filter(is_name).copied().collect::<Vec<_>>();
    if name.is_empty() && window.is_some() {
        return Some((Limit::main(), window?, Scope::Account));
    }
    let limit = Limit::new(&name.join("_"))?;
    Some((limit, window.unwrap_or(Window::UNKNOWN), Scope::Feature))
}

/// `5h`, `7d`, `month`.
fn window_of_word(word: &str) -> Option<Window> {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let count = word.strip_suffix(unit).unwrap_or_default();
    let is_one = count.is_empty() || count == "1";
    match unit {
        "month" | "monthly" | "mo" if is_one => return Some(Window::MONTH),
        "s" | "m" | "h" | "d" | "w" if count.is_empty() => return None,
        "daily" => return Some(Window::days(1)),
        "weekly" => return Some(Window::days(7)),
        _ => {}
    }
    let count = if count.is_empty() {
        1.0
    } else {
        number(count)?
    };
    let window = Window::of_seconds(Some(count * seconds_of(unit)?), WindowRole::Unknown)?;
    window.seconds().is_some().then_some(window)
}

fn is_same(one: &Reading, other: &Reading) -> bool {
    one.limit() == other.limit() && one.window().label() == other.window().label()
}

/// Adds the counts of the older form to the ratio of the newer one, if both agree.
fn completed(row: Reading, old: &Reading) -> Reading {
    let agrees = row
        .used_ratio()
        .zip(old.used_ratio())
        .is_some_and(|(new, old)| (new - old).abs() <= ROUNDING);
    let amounts = row.amounts().or_else(|| old.amounts().filter(|_| agrees));
    let reset = row.reset_at().or(old.reset_at());
    row.with_amounts(amounts).with_reset(reset)
}

/// `LEVEL_INTERMEDIATE` → `intermediate`.
fn plan(level: &str) -> Option<Name> {
    let short = level.strip_prefix("LEVEL_").unwrap_or(level);
    Name::new(&short.to_ascii_lowercase())
}

struct Figures {
    amounts: Amounts,
    reset: Option<UnixNanos>,
}

/// The values of `inner`; missing ones come from `outer`.
fn counted(inner: Node<'_>, outer: Node<'_>) -> Option<Figures> {
    let number = |key: &str| inner.get(key).or(outer.get(key)).number();
    let (used, limit, remaining) = (number("used"), number("limit"), number("remaining"));
    let amounts = Amounts::new(Unit::Requests, used, limit, remaining)?;
    Some(Figures {
        amounts,
        reset: end(inner).or_else(|| end(outer)),
    })
}

fn end(node: Node<'_>) -> Option<UnixNanos> {
    let fixed = ["resetTime", "resetAt", "reset_at", "reset_time"];
    node.end(&fixed, &["reset_in", "resetIn", "ttl"])
}

impl Figures {
    fn row(&self, limit: Limit, window: Window) -> Reading {
        Reading::new(limit, window, Scope::Account)
            .with_ratio(self.amounts.ratio())
            .with_amounts(self.amounts())
            .with_reset(self.reset)
    }

    /// Current plans count percent: their limit is always 100.
    fn amounts(&self) -> Option<Amounts> {
        let limit = self.amounts.limit();
        let is_percent = limit.is_some_and(|limit| (limit - 100.0).abs() < 1e-9);
        (!is_percent).then_some(self.amounts)
    }
}

fn window(node: Node<'_>) -> Option<Window> {
    let unit = node.get("timeUnit").or(node.get("time_unit")).text();
    let unit = unit.unwrap_or_default().to_ascii_lowercase();
    let unit = unit.strip_prefix("time_unit_").unwrap_or(&unit);
    match seconds_of(unit) {
        Some(unit) => node.get("duration").window(unit, WindowRole::Unknown),
        None => Some(Window::UNKNOWN),
    }
}

/// Seconds of a time unit, singular or plural.
fn seconds_of(unit: &str) -> Option<f64> {
    Some(
        match unit
            .strip_suffix('s')
            .filter(|one| !one.is_empty())
            .unwrap_or(unit)
        {
            "second" | "sec" | "s" => 1.0,
            "minute" | "min" | "m" => 60.0,
            "hour" | "hr" | "h" => 3600.0,
            "day" | "d" => 86_400.0,
            "week" | "w" => 604_800.0,
            _ => return None,
        },
    )
}
