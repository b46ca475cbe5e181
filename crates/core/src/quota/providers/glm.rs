//! The coding plan of GLM (Z.ai, in China bigmodel.cn), for API keys.

use crate::json::Node;
use crate::model::{
    AccountFacts, Amounts, Limit, Name, QuotaAnswer, Reading, Scope, Unit, Window, WindowRole,
};
use crate::quota::built_in::BuiltIn;
use crate::quota::built_in::parsed;
use crate::quota::session::{Page, Session};
use crate::quota::{Failure, Request};

const WORLD: &str = "https://api.z.ai/api/monitor/usage/quota/limit";
const CHINA: &str = "https://open.bigmodel.cn/api/monitor/usage/quota/limit";

pub(super) static PROVIDER: BuiltIn = BuiltIn::new(
    "glm",
    |account| account.is_at("z.ai") || account.is_at("bigmodel.cn"),
    |session| Box::pin(fetch(session)),
);

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    // A key is valid at one of the two hosts only.
    let url = if session.account.is_at("bigmodel.cn") {
        CHINA
    } else {
        WORLD
    };
    let request = Request::get(url)
        .header("Accept-Language", "en-US,en")
        .header("Content-Type", "application/json");
    let page = session.call(request).await?;
    read(&page)
}

fn read(page: &Page) -> Result<QuotaAnswer, Failure> {
    let root = page.root();
    refusal(root)?;
    let data = root.get("data");
    let readings: Vec<Reading> = data.get("limits").items().filter_map(row).collect();
    let facts = AccountFacts::of_plan(
        data.any(&["level", "planName", "plan", "packageName"])
            .name(),
    );
    Ok(parsed(readings, facts)?)
}

/// Detects a failure in the body of a response with status 200.
fn refusal(root: Node<'_>) -> Result<(), Failure> {
    let code = root.get("code").integer();
    if root.get("success").flag() != Some(false) && code.is_none_or(|code| code == 200) {
        return Ok(());
    }
    Err(match code.unwrap_or(0) {
        401 | 1000..=1004 => Failure::Unauthorized,
        1113 => Failure::Payment,
        1302 => Failure::Throttled { retry_after: None },
        other => Failure::InBody(other),
    })
}

fn row(item: Node<'_>) -> Option<Reading> {
    let kind = item.get("type").text()?;
    let (limit, scope, unit) = match kind {
        "TOKENS_LIMIT" => (Limit::main(), Scope::Account, Unit::Tokens),
        "CREDIT_LIMIT" => (Limit::main(), Scope::Account, Unit::Credits),
        "TIME_LIMIT" => (Limit::new(kind)?, Scope::Feature, Unit::Requests),
        other => (Limit::new(other)?, Scope::Feature, Unit::Requests),
    };
    let name = (kind == "TIME_LIMIT")
        .then(|| Name::new("Web tools"))
        .flatten();
    // `usage` is the limit, `currentValue` the used amount.
    let amounts = Amounts::new(
        unit,
        item.get("currentValue").number(),
        item.get("usage").number(),
        item.get("remaining").number(),
    );
    // The stated percentage is rounded down.
    let percent = item.get("percentage").number();
    let counted = amounts.and_then(|amounts| amounts.ratio());
    let row = Reading::new(limit, window(item, kind)?, scope)
        .with_name(name)
        .with_percent(percent.filter(|_| counted.is_none()))
        .with_amounts(amounts)
        .with_reset(item.get("nextResetTime").time_ms());
    Some(row)
}

fn window(item: Node<'_>, kind: &str) -> Option<Window> {
    let stated = item.get("unit");
    let unit = match stated.integer() {
        // One minute would be no allowance of web searches: it is the month's.
        Some(5) if kind == "TIME_LIMIT" => return Some(Window::MONTH),
        Some(1) => 86_400.0,
        Some(3) => 3600.0,
        Some(5) => 60.0,
        Some(6) => 604_800.0,
        Some(code) if code < 0 => return None,
        None if stated.exists() => return None,
        _ => return Some(Window::UNKNOWN),
    };
    item.get("number").window(unit, WindowRole::Unknown)
}
