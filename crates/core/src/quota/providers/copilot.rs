//! GitHub Copilot. CPA does not support it, so the GitHub token comes from a configured file.

use crate::json::Node;
use crate::model::{
    AccountFacts, Amounts, Limit, QuotaAnswer, Reading, Scope, Unit, UnixNanos, Window,
};
use crate::quota::built_in::BuiltIn;
use crate::quota::built_in::parsed;
use crate::quota::session::{Page, Session};
use crate::quota::{Auth, Failure, ParseError, Request, TOKEN};

const URL: &str = "https://api.github.com/copilot_internal/user";

pub(super) static PROVIDER: BuiltIn = BuiltIn {
    auth: Auth::OwnToken,
    ..BuiltIn::new(
        "copilot",
        |account| account.is_named(&["copilot", "github-copilot"]),
        |session| Box::pin(fetch(session)),
    )
};

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    let request = Request::get(URL)
        .with_header("Authorization", format!("token {TOKEN}"))
        .header("Accept", "application/json")
        .header("X-GitHub-Api-Version", "2022-11-28")
        .header("User-Agent", "GitHubCopilotChat/0.26.7")
        .header("Editor-Version", "vscode/1.100.0")
        .header("Editor-Plugin-Version", "copilot-chat/0.26.7");
    let page = session.call(request).await?;
    Ok(read(&page)?)
}

fn read(page: &Page) -> Result<QuotaAnswer, ParseError> {
    let root = page.root();
    let reset = [
        "quota_reset_date_utc",
        "quota_reset_date",
        "limited_user_reset_date",
    ];
    let reset = root.any(&reset).time();
    let mut readings: Vec<Reading> = root
        .get("quota_snapshots")
        .entries()
        .filter_map(|(id, node)| snapshot(id, node, reset))
        .collect();
    // A free account reports the remaining monthly amounts, not the used ones.
    let monthly = root.get("monthly_quotas");
    for (id, left) in root.get("limited_user_quotas").entries() {
        let amounts = Amounts::new(
            Unit::Requests,
            None,
            monthly.get(id).number(),
            left.number(),
        );
        readings.extend(row(id, reset).map(|row| row.with_amounts(amounts)));
    }
    let facts = AccountFacts::of_plan(root.any(&["access_type_sku", "copilot_plan"]).name());
    parsed(readings, facts)
}

fn row(id: &str, reset: Option<UnixNanos>) -> Option<Reading> {
    let row = Reading::new(Limit::new(id)?, Window::MONTH, Scope::Feature);
    Some(row.with_reset(reset))
}

fn snapshot(id: &str, node: Node<'_>, reset: Option<UnixNanos>) -> Option<Reading> {
    let row = row(id, reset)?;
    if node.get("unlimited").flag() == Some(true) {
        return Some(row.with_unlimited(true));
    }
    let entitlement = node.get("entitlement").number();
    // GitHub states use beyond the quota as a negative rest.
    let left = node.any(&["quota_remaining", "remaining"]).signed();
    let percent_left = node.get("percent_remaining").number();
    if is_nothing(entitlement) && is_nothing(left) {
        // Accounts billed by use have this placeholder instead of a quota.
        return None;
    }
    let overage = node
        .get("overage_count")
        .number()
        .filter(|over| *over > 0.0);
    let unused = || Some(entitlement? - left?);
    let beyond = || Some(entitlement? + overage?);
    // A negative remainder is the usage beyond the limit.
    let used = beyond()
        .filter(|_| left.is_none_or(|left| left >= 0.0))
        .or_else(unused);
    let amounts = Amounts::new(Unit::Requests, used, entitlement, None);
    let ratio = amounts.and_then(|amounts| amounts.ratio());
    let stated = percent_left.map(|left| 1.0 - left / 100.0);
    let row = row.with_amounts(amounts).with_ratio(ratio.or(stated));
    (ratio.is_some() || stated.is_some()).then_some(row)
}

fn is_nothing(number: Option<f64>) -> bool {
    number.is_some_and(|number| number.abs() < f64::EPSILON)
}
