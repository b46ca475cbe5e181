//! Kimi Code, with a login or an API key.

use crate::json::{Node, number};
use crate::model::{
    AccountFacts, Amounts, Limit, Name, QuotaAnswer, Reading, Scope, Unit, UnixNanos, Window,
    WindowRole,
};
use crate::quota::built_in::BuiltIn;
use crate::quota::built_in::parsed;
use crate::quota::session::{Page, Session};
use crate::quota::{Failure, ParseError, Request};

const URL: &str = "https://api.kimi.com/coding/v1/usages";
/// Maximum rounding difference: counts are integers, ratios are not.
const ROUNDING: f64 = 0.02;
/// A larger number under `used_ratio` is a percentage: Kimi refuses requests beyond a limit.
const LARGEST_RATIO: f64 = 2.0;
const USED_RATIO: &[&str] = &["used_ratio", "usedRatio"];

pub(super) static PROVIDER: BuiltIn = BuiltIn::new(
    "kimi",
    |account| account.is_oauth("kimi") || account.is_at("api.kimi.com"),
    |session| Box::pin(fetch(session)),
);

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    let page = session.call(Request::get(URL)).await?;
    Ok(read(&page)?)
}

fn read(page: &Page) -> Result<QuotaAnswer, ParseError> {
    let root = page.root();
    let parts = parts(root);
    let is_in_percent = has_percentage(root);
    let counted = counted_rows(&parts, is_in_percent);
    let mut readings: Vec<Reading> = ratio_rows(&parts, is_in_percent)
        .map(|row| match counted.iter().find(|old| is_same(old, &row)) {
            Some(old) => completed(row, old),
            None => row,
        })
        .collect();
    // The first reading of a window is used.
    readings.extend(counted);
    let level = parts
        .iter()
        .find_map(|part| part.pointer("/user/membership/level").text());
    let facts = AccountFacts::of_plan(level.and_then(plan));
    parsed(readings, facts)
}

/// The objects that can contain usage: the response, its `data`, and the entries of a list in
/// place of either or of their `usages`.
fn parts(root: Node<'_>) -> Vec<Node<'_>> {
    let pages = [root, root.get("data")];
    let lists = pages.map(|page| page.get("usages").or(page));
    let entries = lists.into_iter().flat_map(Node::items);
    let all = pages.into_iter().chain(entries);
    all.filter(|part| part.is_object()).collect()
}

/// The older form: `usage` (in an entry of a list, `detail`) and the list `limits`, in counts.
fn counted_rows(parts: &[Node<'_>], is_in_percent: bool) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    for part in parts {
        let is_item = part.get("window").is_object();
        if !is_item {
            // The values at the top level are those of the week, though unlabelled.
            let week = part.any(&["usage", "detail"]);
            let figures = Figures::of(week, week, is_in_percent);
            readings.extend(figures.map(|f| f.row(Limit::main(), Window::days(7), Scope::Account)));
        }
        let itself = is_item.then_some(*part);
        for item in part.get("limits").items().chain(itself) {
            let figures = Figures::of(item.get("detail"), item, is_in_percent);
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
            let row = limit.map(|limit| figures.row(limit, window, Scope::Account));
            readings.extend(row.map(|row| row.with_name(name)));
        }
    }
    readings
}

/// The newer form: a map `usages` of `limit_…`, each with a ratio and mostly without counts. In a
/// list, the key is among the values.
fn ratio_rows(parts: &[Node<'_>], is_in_percent: bool) -> impl Iterator<Item = Reading> {
    let places = parts.iter().flat_map(|part| {
        let places = [
            part.get("usages"),
            part.get("usage"),
            part.get("limits"),
            *part,
        ];
        places.into_iter().flat_map(|place| {
            let listed = place.items().collect::<Vec<_>>();
            std::iter::once(place).chain(listed)
        })
    });
    let entries = places.flat_map(|place| {
        let key = place.any(&["key", "name", "type", "id"]).text();
        place.entries().chain(key.map(|key| (key, place)))
    });
    entries.filter_map(move |(key, node)| {
        let (limit, window, scope) = limit_of_key(key)?;
        let row = Figures::of(node, node, is_in_percent)?.row(limit, window, scope);
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
    ratio: Option<f64>,
    amounts: Option<Amounts>,
    reset: Option<UnixNanos>,
}

impl Figures {
    /// The values of `inner`; missing ones come from `outer`.
    fn of(inner: Node<'_>, outer: Node<'_>, is_in_percent: bool) -> Option<Self> {
        let number = |key: &str| inner.get(key).or(outer.get(key)).number();
        let (used, limit, remaining) = (number("used"), number("limit"), number("remaining"));
        let amounts = Amounts::new(Unit::Requests, used, limit, remaining);
        let ratio = [inner, outer]
            .into_iter()
            .find_map(|node| used_ratio(node, is_in_percent));
        let is_known = ratio.is_some() || amounts.is_some();
        is_known.then(|| Self {
            ratio: ratio.or_else(|| amounts?.ratio()),
            // Current plans count percent: their limit is always 100.
            amounts: amounts.filter(|amounts| {
                !amounts
                    .limit()
                    .is_some_and(|limit| (limit - 100.0).abs() < 1e-9)
            }),
            reset: end(inner).or_else(|| end(outer)),
        })
    }

    fn row(&self, limit: Limit, window: Window, scope: Scope) -> Reading {
        Reading::new(limit, window, scope)
            .with_ratio(self.ratio)
            .with_amounts(self.amounts)
            .with_reset(self.reset)
    }
}

fn used_ratio(node: Node<'_>, is_in_percent: bool) -> Option<f64> {
    let as_ratio = |number: f64, is_in_percent: bool| {
        // A number up to 1 is a ratio among percentages, too.
        let divisor = if is_in_percent && number > 1.0 {
            100.0
        } else {
            1.0
        };
        number / divisor
    };
    let used = node.any(USED_RATIO).fraction();
    let left = || node.any(&["remaining_ratio", "remainingRatio"]).fraction();
    used.map(|used| as_ratio(used, is_in_percent))
        .or_else(|| Some(1.0 - as_ratio(left()?, true)))
}

/// Whether a used ratio anywhere in the response is a percentage.
fn has_percentage(node: Node<'_>) -> bool {
    node.any(USED_RATIO)
        .number()
        .is_some_and(|ratio| ratio > LARGEST_RATIO)
        || node.entries().any(|(_, inner)| has_percentage(inner))
        || node.items().any(has_percentage)
}

fn end(node: Node<'_>) -> Option<UnixNanos> {
    let fixed = ["resetTime", "resetAt", "reset_at", "reset_time"];
    node.end(&fixed, &["reset_in", "resetIn", "ttl"])
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
