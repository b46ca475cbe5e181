//! Quotas that a plugin of CPA reads for its credentials: `quota/fetch`, if the server has it.
//!
//! Known from CPA's source only: early v8, and v7 since 7.3.17.

use crate::json::Node;
use crate::model::{AccountFacts, Limit, QuotaAnswer, Reading, Scope, Window, WindowRole};
use crate::quota::built_in::BuiltIn;
use crate::quota::built_in::parsed;
use crate::quota::session::{Page, Session};
use crate::quota::{Auth, Failure, ParseError, Request};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

/// The request goes to CPA instead of a provider; its URL is not used.
pub(super) static PROVIDER: BuiltIn = BuiltIn {
    auth: Auth::Plugin,
    ..BuiltIn::new(
        "plugin",
        |account| account.has_plugin,
        |session| Box::pin(fetch(session)),
    )
};

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    let page = session
        .call(Request::get("https://cpa.invalid/quota/fetch"))
        .await?;
    Ok(read(&page)?)
}

fn read(page: &Page) -> Result<QuotaAnswer, ParseError> {
    let root = page.root();
    let readings: Vec<Reading> = root.get("groups").items().flat_map(group).collect();
    let facts = AccountFacts::of_plan(root.pointer("/subscription/plan").name());
    parsed(readings, facts)
}

fn group(group: Node<'_>) -> impl Iterator<Item = Reading> {
    let name = group.get("displayName").name();
    let named = name.as_ref().and_then(|name| Limit::new(name.as_str()));
    let limit = named.unwrap_or_else(Limit::main);
    group.get("buckets").items().filter_map(move |bucket| {
        let left = bucket.get("remainingFraction").fraction();
        let window = window(bucket.get("window"))?;
        let row = Reading::new(limit.clone(), window, Scope::Account)
            .with_name(name.clone())
            .with_ratio(left.map(|left| 1.0 - left))
            .with_reset(bucket.get("resetTime").time());
        Some(row)
    })
}

/// A word like `weekly`, or a length like `5h`.
fn window(node: Node<'_>) -> Option<Window> {
    let text = node.text().unwrap_or_default().trim();
    let role = match text.to_ascii_lowercase().as_str() {
        "daily" | "day" => WindowRole::Daily,
        "weekly" | "week" => WindowRole::Weekly,
        "monthly" | "month" => WindowRole::Monthly,
        _ => WindowRole::Unknown,
    };
    let length = text.char_indices().next_back().and_then(|(at, unit)| {
        let unit = match unit {
            'm' => MINUTE,
            'h' => HOUR,
            'd' => DAY,
            _ => return None,
        };
        Some(text.get(..at)?.parse::<f64>().ok()? * unit)
    });
    let length = match role {
        WindowRole::Daily => Some(DAY),
        WindowRole::Weekly => Some(7.0 * DAY),
        WindowRole::Monthly | WindowRole::Unknown | WindowRole::Primary | WindowRole::Secondary => {
            length
        }
    };
    Window::of_seconds(length, role)
}
