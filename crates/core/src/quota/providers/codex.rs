//! Codex with a ChatGPT login. Windows depend on the plan: a block may have a single one, of a week
//! or a month, so they are named by length.

use crate::json::{Node, signed};
use crate::model::{
    AccountFacts, Amounts, Limit, Name, QuotaAnswer, Reading, Scope, Unit, UnixNanos, Window,
    WindowRole,
};
use crate::quota::built_in::BuiltIn;
use crate::quota::built_in::parsed;
use crate::quota::session::{Page, Session};
use crate::quota::{Failure, ParseError, Request};

const URL: &str = "https://chatgpt.com/backend-api/wham/usage";
const USER_AGENT: &str = "codex_cli_rs/0.76.0 (Debian 13.0.0; x86_64) WindowsTerminal";

/// Tolerated difference between the provider's clock and ours, in seconds.
const TOLERANCE: u64 = 60;

pub(super) static PROVIDER: BuiltIn = BuiltIn::new(
    "codex",
    |account| account.is_oauth("codex"),
    |session| Box::pin(fetch(session)),
);

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    let mut request = Request::get(URL)
        .header("Content-Type", "application/json")
        .header("User-Agent", USER_AGENT);
    if let Some(id) = &session.account.chatgpt_account_id {
        request = request.header("Chatgpt-Account-Id", id.expose());
    }
    let page = session.call(request).await?;
    Ok(read(&page)?)
}

fn read(page: &Page) -> Result<QuotaAnswer, ParseError> {
    let root = page.root();
    let mut readings = Vec::new();
    let main = root.any(&["rate_limit", "rate_limits"]);
    block(&mut readings, main, &Limit::main(), None, Scope::Account);
    let review = root.any(&["code_review_rate_limit", "review_rate_limit"]);
    if let Some(limit) = Limit::new("code_review") {
        block(&mut readings, review, &limit, None, Scope::Feature);
    }
    for item in root.get("additional_rate_limits").items() {
        let name = item.get("limit_name").name();
        let feature = item.get("metered_feature").text();
        let limit = feature.and_then(limit_of_feature);
        let limit = limit.or_else(|| Limit::new(name.as_ref()?.as_str()));
        if let Some(limit) = limit {
            block(
                &mut readings,
                item.get("rate_limit"),
                &limit,
                name.as_ref(),
                Scope::Model,
            );
        }
    }
    readings.extend(individual_limit(
        root.get("spend_control").get("individual_limit"),
    ));
    parsed(readings, facts(root))
}

/// `codex_bengalfox` in the usage endpoint is `bengalfox` in headers.
pub(in crate::quota) fn limit_of_feature(feature: &str) -> Option<Limit> {
    Limit::new(feature.strip_prefix("codex_").unwrap_or(feature))
}

/// The windows of one block. The block's own flags apply to its window with the highest usage.
fn block(
    rows: &mut Vec<Reading>,
    block: Node<'_>,
    limit: &Limit,
    name: Option<&Name>,
    scope: Scope,
) {
    let (reached, allowed) = (
        block.get("limit_reached").flag(),
        block.get("allowed").flag(),
    );
    let is_refused = reached == Some(true) || allowed == Some(false);
    let is_open = reached == Some(false) && allowed != Some(false);
    let of = |keys: &[&str], role| window(block.any(keys), role, is_refused);
    let primary = of(&["primary_window", "primary"], WindowRole::Primary);
    let secondary = of(&["secondary_window", "secondary"], WindowRole::Secondary);
    let windows: Vec<WindowFields> = [primary, secondary].into_iter().flatten().collect();
    let fullest = windows
        .iter()
        .filter_map(|found| found.percent)
        .fold(f64::NEG_INFINITY, f64::max);
    for found in windows {
        let is_fullest = found
            .percent
            .is_some_and(|percent| percent >= fullest.min(100.0));
        let exhausted = if is_refused {
            Some(is_fullest)
        } else {
            is_open.then_some(false)
        };
        let row = Reading::new(limit.clone(), found.window, scope)
            .with_name(name.cloned())
            .with_percent(found.percent)
            .with_amounts(Amounts::new(Unit::Tokens, found.tokens, None, None))
            .with_reset(found.reset)
            .with_exhausted(exhausted);
        rows.push(row);
    }
}

struct WindowFields {
    window: Window,
    percent: Option<f64>,
    tokens: Option<f64>,
    reset: Option<UnixNanos>,
}

fn window(node: Node<'_>, role: WindowRole, is_refused: bool) -> Option<WindowFields> {
    if !node.is_object() {
        return None;
    }
    let reset = end(node);
    if reset.is_some_and(|reset| reset <= node.observed()) {
        // The endpoint lags behind a reset: its values are those of the previous window.
        return None;
    }
    let percent = node.any(&["used_percent", "percent_used"]).number();
    let full = (is_refused && reset.is_some()).then_some(100.0);
    let seconds = node.get("limit_window_seconds");
    let window = if seconds.exists() {
        seconds.window(1.0, role)?
    } else {
        node.get("window_minutes").window(60.0, role)?
    };
    let percent = percent.or(full);
    let reset = reset.filter(|reset| has_begun(window, percent, *reset, node.observed()));
    Some(WindowFields {
        window,
        percent,
        tokens: node.get("window_usage_tokens").number(),
        reset,
    })
}

/// A window starts with its first request. Before that, each response states a reset time a full
/// length ahead, which would look like a new reset each time.
pub(in crate::quota) fn has_begun(
    window: Window,
    percent: Option<f64>,
    reset: UnixNanos,
    now: UnixNanos,
) -> bool {
    let is_unused = percent.is_some_and(|percent| percent <= 0.0);
    let left = reset.since(now).as_secs() + TOLERANCE;
    let is_whole = window
        .seconds()
        .is_some_and(|length| left >= u64::from(length));
    !(is_unused && is_whole)
}

/// A member's share of a workspace's budget, in credits.
fn individual_limit(node: Node<'_>) -> Option<Reading> {
    let number = |key: &str| node.get(key).number();
    let amounts = Amounts::new(
        Unit::Credits,
        number("used"),
        number("limit"),
        number("remaining"),
    );
    let left = || Some(100.0 - number("remaining_percent")?);
    let row = Reading::new(Limit::new("individual_limit")?, Window::MONTH, Scope::Spend)
        .with_percent(number("used_percent").or_else(left))
        .with_amounts(amounts);
    row.is_informative().then(|| row.with_reset(end(node)))
}

fn end(node: Node<'_>) -> Option<UnixNanos> {
    node.end(&["reset_at"], &["reset_after_seconds"])
}

fn facts(root: Node<'_>) -> AccountFacts {
    let credits = root.get("credits");
    let balance = credits.get("balance");
    let dollars = || signed(balance.text()?.strip_prefix('$')?);
    let balance = balance.signed().or_else(dollars);
    let unlimited = credits.get("unlimited").flag() == Some(true);
    let mut facts = AccountFacts {
        plan: root.get("plan_type").name(),
        reset_credits: root
            .pointer("/rate_limit_reset_credits/available_count")
            .number(),
        ..AccountFacts::default()
    };
    facts.add_credits(Unit::Credits, balance.filter(|_| !unlimited));
    facts
}
