//! Grok with a subscription login: a weekly ratio and a monthly allowance of money, from two
//! endpoints of which one suffices.

use crate::json::Node;
use crate::model::{Amounts, Limit, QuotaAnswer, Reading, Scope, Spend, Unit, Window, WindowRole};
use crate::quota::built_in::BuiltIn;
use crate::quota::built_in::fullest;
use crate::quota::session::{Page, Session};
use crate::quota::{Failure, ParseError, Request};

const WEEKLY: &str = "https://cli-chat-proxy.grok.com/v1/billing?format=credits";
const MONTHLY: &str = "https://cli-chat-proxy.grok.com/v1/billing";
const SETTINGS: &str = "https://cli-chat-proxy.grok.com/v1/settings";

pub(super) static PROVIDER: BuiltIn = BuiltIn::new(
    "xai",
    |account| account.is_oauth("xai"),
    |session| Box::pin(fetch(session)),
);

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    let weekly = session.call(request(WEEKLY)).await;
    if weekly.as_ref().err() == Some(&Failure::Unauthorized) {
        return Err(Failure::Unauthorized);
    }
    let monthly = session.call(request(MONTHLY)).await;
    let mut answer = QuotaAnswer::default();
    match (&weekly, &monthly) {
        (Err(first), Err(second)) => return Err(first.or_more_specific(*second)),
        (week, month) => {
            if let Ok(page) = week {
                read_weekly(page, &mut answer);
            }
            if let Ok(page) = month {
                read_monthly(page, &mut answer);
            }
        }
    }
    if answer.readings.is_empty() {
        let failure = weekly.err().or(monthly.err());
        return Err(failure.unwrap_or(ParseError::Shape.into()));
    }
    if session.with_plan
        && let Ok(page) = session.call(request(SETTINGS)).await
    {
        let tier = ["subscription_tier_display", "subscriptionTierDisplay"];
        answer.facts.plan = page.root().any(&tier).name();
    }
    Ok(answer)
}

fn request(url: &str) -> Request {
    Request::get(url)
        .header("x-xai-token-auth", "xai-grok-cli")
        .header("x-grok-client-version", "0.2.93")
        .header("accept", "*/*")
        .header(
            "user-agent",
            "grok-pager/0.2.93 grok-shell/0.2.93 (macos; aarch64)",
        )
}

/// Accepts both spellings of a key.
fn get<'a>(node: Node<'a>, camel: &str) -> Node<'a> {
    let mut snake = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    node.any(&[camel, &snake])
}

/// Cents, bare or as `{"val": …}`, in dollars.
fn usd(node: Node<'_>, key: &str) -> Option<f64> {
    let money = get(node, key);
    Some(money.get("val").or(money).number()? / 100.0)
}

fn read_weekly(page: &Page, answer: &mut QuotaAnswer) {
    let config = page.root().get("config");
    let period = get(config, "currentPeriod");
    let (start, end) = (get(period, "start").time(), get(period, "end").time());
    let window = Window::between(start, end, WindowRole::Weekly);
    let reset = end.or_else(|| get(config, "billingPeriodEnd").time());
    // A missing percentage is not 0 %: one plan never reports it.
    let row = Reading::new(Limit::main(), window, Scope::Account)
        .with_percent(get(config, "creditUsagePercent").number())
        .with_reset(reset);
    if row.is_informative() {
        answer.readings.push(row);
    }
    let products = get(config, "productUsage").items().filter_map(|product| {
        let name = get(product, "product").name()?;
        let row = Reading::new(Limit::new(name.as_str())?, window, Scope::Feature)
            .with_name(Some(name))
            .with_percent(get(product, "usagePercent").number())
            .with_reset(reset);
        Some(row)
    });
    answer.readings.extend(fullest(products));
}

fn read_monthly(page: &Page, answer: &mut QuotaAnswer) {
    let config = page.root().get("config");
    let (start, end) = (
        get(config, "billingPeriodStart").time(),
        get(config, "billingPeriodEnd").time(),
    );
    let window = Window::between(start, end, WindowRole::Monthly);
    let used = usd(config, "used");
    let limit = usd(config, "monthlyLimit");
    let cap = usd(config, "onDemandCap").filter(|cap| *cap > 0.0);
    let beyond = || Some((used? - limit?).max(0.0));
    let on_demand = cap.and(usd(config, "onDemandUsed").or_else(beyond));
    // Usage beyond the allowance is counted as on demand.
    let included = match (used, limit) {
        (Some(used), Some(limit)) => Some(used.min(limit)),
        (used, _) => used,
    };
    let is_open = cap.zip(on_demand).is_some_and(|(cap, used)| used < cap);
    let full = included
        .zip(limit)
        .map(|(used, limit)| used >= limit && !is_open);
    let amounts = Amounts::new(Unit::Usd, included, limit, None);
    let known = amounts.filter(|amounts| amounts.limit().is_some());
    if known.is_some() {
        let row = Reading::new(Limit::main(), window, Scope::Account)
            .with_amounts(known)
            .with_reset(end)
            .with_exhausted(full.filter(|_| limit.is_some_and(|limit| limit > 0.0)));
        answer.readings.push(row);
    }
    if let (Some(cap), Some(name)) = (cap, Limit::new("on_demand")) {
        let amounts = Amounts::new(Unit::Usd, on_demand, Some(cap), None);
        let row = Reading::new(name.clone(), window, Scope::Spend).with_amounts(amounts);
        answer.readings.push(row.with_reset(end));
        answer
            .facts
            .spend
            .extend(Spend::new(name, on_demand, Some(cap)));
    }
}
