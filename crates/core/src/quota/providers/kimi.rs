//! Kimi Code, with a login or a key of its own.

use crate::model::{
    AccountFacts, Amounts, Limit, Name, QuotaAnswer, Reading, Scope, Unit, UnixNanos, Window,
    WindowRole,
};
use crate::quota::flow::{Flow, Page, Pause};
use crate::quota::json::Node;
use crate::quota::provider::told;
use crate::quota::{AccountRef, Ask, ParseError, Provider, Request};

const URL: &str = "https://api.kimi.com/coding/v1/usages";

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
    // The figures at the top are the week's, without saying so.
    let mut readings: Vec<Reading> = counted(root.get("usage"), root.get("usage"))
        .map(|figures| figures.row(Limit::main(), Window::days(7)))
        .into_iter()
        .collect();
    for item in root.get("limits").items() {
        let Some(figures) = counted(item.get("detail"), item) else {
            continue;
        };
        let window = window(item.get("window"));
        let name = item.any(&["title", "name"]).name();
        let is_taken = |row: &Reading| row.window().label() == window.label();
        let limit = if readings.iter().any(is_taken) {
            name.as_ref().and_then(|name| Limit::new(name.as_str()))
        } else {
            Some(Limit::main())
        };
        readings.extend(limit.map(|limit| figures.row(limit, window).with_name(name)));
    }
    let level = root.pointer("/user/membership/level").text();
    let facts = AccountFacts::of_plan(level.and_then(plan));
    told(readings, facts)
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

/// The figures of `inner`, and what it lacks from `outer`.
fn counted(inner: Node<'_>, outer: Node<'_>) -> Option<Figures> {
    let number = |key: &str| inner.get(key).or(outer.get(key)).number();
    let (used, limit, remaining) = (number("used"), number("limit"), number("remaining"));
    let amounts = Amounts::new(Unit::Requests, used, limit, remaining)?;
    let fixed = ["resetTime", "resetAt", "reset_at", "reset_time"];
    let relative = ["reset_in", "resetIn", "ttl"];
    let end = |node: Node<'_>| node.end(&fixed, &relative);
    Some(Figures {
        amounts,
        reset: end(inner).or_else(|| end(outer)),
    })
}

impl Figures {
    fn row(&self, limit: Limit, window: Window) -> Reading {
        // Today's plans count percent: their limit is always 100.
        let is_percent = self
            .amounts
            .limit()
            .is_some_and(|limit| (limit - 100.0).abs() < 1e-9);
        Reading::new(limit, window, Scope::Account)
            .with_ratio(self.amounts.ratio())
            .with_amounts((!is_percent).then_some(self.amounts))
            .with_reset(self.reset)
    }
}

fn window(node: Node<'_>) -> Window {
    let unit = node.get("timeUnit").or(node.get("time_unit")).text();
    let unit = unit.unwrap_or_default().to_ascii_uppercase();
    let unit = unit.strip_prefix("TIME_UNIT_").unwrap_or(&unit);
    let seconds = match unit.trim_end_matches('S') {
        "SECOND" | "SEC" => Some(1.0),
        "MINUTE" | "MIN" | "M" => Some(60.0),
        "HOUR" | "HR" | "H" => Some(3600.0),
        "DAY" | "D" => Some(86_400.0),
        "WEEK" | "W" => Some(604_800.0),
        _ => None,
    };
    let length = node.get("duration").number().zip(seconds);
    Window::of_seconds(
        length.map(|(count, unit)| count * unit),
        WindowRole::Unknown,
    )
}
