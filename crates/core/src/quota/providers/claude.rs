//! Claude with a subscription login.

use std::time::Duration;

use crate::json::Node;
use crate::model::{
    AccountFacts, Amounts, Limit, Name, QuotaAnswer, Reading, Scope, Spend, Unit, Window,
};
use crate::quota::built_in::BuiltIn;
use crate::quota::session::{Page, Session};
use crate::quota::{Failure, ParseError, Request};

const USAGE: &str = "https://api.anthropic.com/api/oauth/usage";
/// The same endpoint, with the account's early resets. It returns them to Claude Code only.
const RESETS: &str = "https://api.anthropic.com/api/oauth/usage?cedar_ember=1&skip_spend=1";
const RESETS_USER_AGENT: &str = "claude-cli/2.1.280 (external, cli)";
const PROFILE: &str = "https://api.anthropic.com/api/oauth/profile";
/// Other user agents share a much smaller rate limit.
const USER_AGENT: &str = "claude-code/2.1.0";

pub(super) static PROVIDER: BuiltIn = BuiltIn {
    // The endpoint itself is rate-limited per token.
    min_interval: Duration::from_mins(5),
    ..BuiltIn::new(
        "claude",
        |account| account.is_oauth("claude"),
        |session| Box::pin(fetch(session)),
    )
};

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    let usage = session.call(request(USAGE)).await?;
    let mut answer = read(&usage)?;
    let facts = &mut answer.facts;
    facts.keeps_reset_credits = facts.reset_credits.is_none();
    if !session.with_plan {
        return Ok(answer);
    }
    if let Ok(profile) = session.call(request(PROFILE)).await {
        facts.plan = plan(profile.root());
    }
    if facts.keeps_reset_credits {
        let resets = request(RESETS).with_header("User-Agent", RESETS_USER_AGENT);
        if let Ok(page) = session.call(resets).await {
            facts.reset_credits = resets_in_stock(&page);
            facts.keeps_reset_credits = false;
        }
    }
    Ok(answer)
}

fn request(url: &str) -> Request {
    Request::get(url)
        .header("Content-Type", "application/json")
        .header("anthropic-beta", "oauth-2025-04-20")
        .header("User-Agent", USER_AGENT)
}

fn read(page: &Page) -> Result<QuotaAnswer, ParseError> {
    let root = page.root();
    // The named windows first: the first reading of a window is used.
    let mut readings: Vec<Reading> = root.entries().filter_map(named).collect();
    readings.extend(root.get("limits").items().filter_map(window_in_list));
    let mut facts = AccountFacts {
        reset_credits: resets_in_stock(page),
        ..AccountFacts::default()
    };
    let extra = extra_usage(root.get("extra_usage"));
    if let Some((row, spend)) = extra.or_else(|| spend(root.get("spend"))) {
        readings.push(row);
        facts.spend.extend(spend);
    }
    let is_known = ["five_hour", "seven_day", "limits", "extra_usage", "spend"]
        .iter()
        .any(|key| root.has_key(key));
    if readings.is_empty() && !is_known {
        return Err(ParseError::Shape);
    }
    Ok(QuotaAnswer { readings, facts })
}

/// A window under its own key, such as `seven_day_opus`.
fn named((key, node): (&str, Node<'_>)) -> Option<Reading> {
    let percent = node.get("utilization").number()?;
    let (limit, window, scope) = match key {
        "five_hour" => (Limit::main(), Window::hours(5), Scope::Account),
        "seven_day" => (Limit::main(), Window::days(7), Scope::Account),
        // The code name of a model's weekly limit, before the model was public.
        "iguana_necktie" => (Limit::new("fable")?, Window::days(7), Scope::Model),
        "claude_routines" => (Limit::new("routines")?, Window::days(7), Scope::Feature),
        "cowork" => (Limit::new("cowork")?, Window::days(7), Scope::Feature),
        other => {
            let name = other.strip_prefix("seven_day_")?;
            let is_model = ["opus", "sonnet", "haiku", "fable"].contains(&name);
            let scope = if is_model {
                Scope::Model
            } else {
                Scope::Feature
            };
            (Limit::new(name)?, Window::days(7), scope)
        }
    };
    Some(row(limit, window, scope, percent, node))
}

/// An entry of the newer list `limits`.
fn window_in_list(node: Node<'_>) -> Option<Reading> {
    let percent = node.get("percent").number()?;
    let (name, limit, window, scope) = match node.get("kind").text()? {
        "session" => (None, Limit::main(), Window::hours(5), Scope::Account),
        "weekly_all" => (None, Limit::main(), Window::days(7), Scope::Account),
        "weekly_scoped" => {
            let model = node.pointer("/scope/model/display_name").name();
            let scope = if model.is_some() {
                Scope::Model
            } else {
                Scope::Feature
            };
            let name = model.or_else(|| node.pointer("/scope/surface").name())?;
            if name.as_str().eq_ignore_ascii_case("all models") {
                return None;
            }
            let limit = Limit::new(name.as_str())?;
            (Some(name), limit, Window::days(7), scope)
        }
        _ => return None,
    };
    Some(row(limit, window, scope, percent, node).with_name(name))
}

fn row(limit: Limit, window: Window, scope: Scope, percent: f64, node: Node<'_>) -> Reading {
    Reading::new(limit, window, scope)
        .with_percent(Some(percent))
        .with_reset(node.get("resets_at").time())
}

/// The limit and window of a header: `5h`, `7d`, or `7d_oi` for one model's weekly window.
pub(in crate::quota) fn limit_of_claim(claim: &str) -> Option<(Limit, Window, Scope)> {
    Some(match claim {
        "5h" => (Limit::main(), Window::hours(5), Scope::Account),
        "7d" => (Limit::main(), Window::days(7), Scope::Account),
        "7d_oi" => (Limit::new("fable")?, Window::days(7), Scope::Model),
        other => (
            Limit::new(other.strip_prefix("7d_")?)?,
            Window::days(7),
            Scope::Model,
        ),
    })
}

/// Early resets that are usable now. `None` if the response contains no list of them.
fn resets_in_stock(page: &Page) -> Option<f64> {
    let stock = page.root().get("cedar_ember");
    let now = stock.observed();
    let is_usable = |grant: &Node<'_>| {
        let has_begun = grant
            .get("starts_at")
            .time()
            .is_none_or(|start| start <= now);
        let goes_on = grant.get("ends_at").time().is_none_or(|end| end > now);
        has_begun && goes_on && grant.get("paused").flag() != Some(true)
    };
    let grants = stock.get("grants");
    let is_told = stock.get("eligible").flag() == Some(true) && grants.is_list();
    let usable = grants.items().filter(is_usable);
    let left: f64 = usable
        .filter_map(|grant| grant.get("resets_left").number())
        .sum();
    (is_told && left.is_finite()).then_some(left)
}

type Money = (Reading, Option<Spend>);

/// Usage beyond the plan, billed separately per calendar month. Unlimited without a limit of its
/// own.
fn extra_usage(node: Node<'_>) -> Option<Money> {
    if node.get("is_enabled").flag() == Some(false) {
        return None;
    }
    let places = node.get("decimal_places").integer().unwrap_or(2);
    let scale = 10_f64.powi(i32::try_from(places.clamp(0, 6)).unwrap_or(2));
    let minor = |key: &str| Some(node.get(key).number()? / scale);
    let is_usd = node
        .get("currency")
        .text()
        .is_none_or(|c| c.eq_ignore_ascii_case("usd"));
    let (used, limit) = (minor("used_credits"), minor("monthly_limit"));
    money(
        "extra_usage",
        used,
        limit,
        is_usd,
        node.get("utilization").number(),
    )
}

fn spend(node: Node<'_>) -> Option<Money> {
    let cents = |key: &str| Some(node.get(key).get("amount_minor").number()? / 100.0);
    money("spend", cents("used"), cents("limit"), true, None)
}

fn money(
    name: &str,
    used: Option<f64>,
    limit: Option<f64>,
    is_usd: bool,
    percent: Option<f64>,
) -> Option<Money> {
    let row = Reading::new(Limit::new(name)?, Window::MONTH, Scope::Spend).with_percent(percent);
    if !is_usd {
        // Amounts in another currency have no unit here; the ratio needs none.
        return row.is_informative().then_some((row, None));
    }
    let spend = Spend::new(Limit::new(name)?, used, limit);
    let row = row.with_amounts(Amounts::new(Unit::Usd, used, limit, None));
    row.is_informative().then_some((row, spend))
}

fn plan(root: Node<'_>) -> Option<Name> {
    let (account, organization) = (root.get("account"), root.get("organization"));
    let has = |key: &str| account.get(key).flag();
    let kind = organization.get("organization_type").text();
    let active = organization.get("subscription_status").text() == Some("active");
    if has("has_claude_max") == Some(true) {
        let tier = organization
            .get("rate_limit_tier")
            .text()
            .unwrap_or_default();
        let size = ["5x", "20x"]
            .into_iter()
            .find(|size| tier.ends_with(&format!("_{size}")));
        return Name::new(&size.map_or("max".to_owned(), |size| format!("max_{size}")));
    }
    let none = has("has_claude_max") == Some(false) && has("has_claude_pro") == Some(false);
    if has("has_claude_pro") == Some(true) {
        Name::new("pro")
    } else if kind == Some("claude_team") && active {
        Name::new("team")
    } else if none && matches!(kind, None | Some("claude_free")) {
        Name::new("free")
    } else {
        None
    }
}
