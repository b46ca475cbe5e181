//! Kiro. CPA does not support it, so the token comes from a configured file.

use serde_json::{Value, json};

use crate::json::Node;
use crate::model::{
    AccountFacts, Amounts, Limit, Name, QuotaAnswer, Reading, Scope, Spend, Unit, UnixNanos, Window,
};
use crate::quota::built_in::BuiltIn;
use crate::quota::session::{Page, Session};
use crate::quota::{AccountRef, Auth, Failure, Hidden, ParseError, Request};

const CODE_WHISPERER: &str = "https://codewhisperer.us-east-1.amazonaws.com";
const Q: &str = "https://q.us-east-1.amazonaws.com/getUsageLimits";
const AGENT: &str = "aws-sdk-js/1.0.0 KiroIDE";

pub(super) static PROVIDER: BuiltIn = BuiltIn {
    auth: Auth::OwnToken,
    ..BuiltIn::new(
        "kiro",
        |account| account.is_named(&["kiro"]),
        |session| Box::pin(fetch(session)),
    )
};

async fn fetch(session: &mut Session<'_>) -> Result<QuotaAnswer, Failure> {
    let found = session.first(requests(session.account), |page| Ok(read(page)?), |_| false);
    found.await.map_err(|failure| match failure {
        // Some logins may send requests but not read their limits.
        Some(Failure::Unauthorized) | None => Failure::Forbidden,
        Some(other) => other,
    })
}

/// The kind of login determines which of the three works.
fn requests(account: &AccountRef) -> [Request; 3] {
    let arn = account.profile_arn.as_ref().map(Hidden::expose);
    let mut body = json!({ "origin": "AI_EDITOR", "resourceType": "AGENTIC_REQUEST" });
    if let (Some(arn), Value::Object(body)) = (arn, &mut body) {
        body.insert("profileArn".to_owned(), Value::from(arn));
    }
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("origin", "AI_EDITOR")
        .extend_pairs(arn.map(|arn| ("profileArn", arn)))
        .append_pair("resourceType", "AGENTIC_REQUEST")
        .finish();
    let first = format!(
        "{CODE_WHISPERER}/getUsageLimits?isEmailRequired=true&origin=AI_EDITOR&resourceType=AGENTIC_REQUEST"
    );
    [
        Request::get(first)
            .header("Accept", "application/json")
            .header("x-amz-user-agent", AGENT)
            .header("user-agent", AGENT),
        Request::post(CODE_WHISPERER, &body)
            .with_header("Content-Type", "application/x-amz-json-1.0")
            .header("x-amz-target", "AmazonCodeWhispererService.GetUsageLimits"),
        Request::get(format!("{Q}?{query}")).header("Accept", "application/json"),
    ]
}

fn read(page: &Page) -> Result<QuotaAnswer, ParseError> {
    let root = page.root();
    let list = root.get("usageBreakdownList");
    if !list.is_list() {
        return Err(ParseError::Shape);
    }
    let common = root.get("nextDateReset").time();
    let is_over_allowed =
        root.pointer("/overageConfiguration/overageStatus").text() == Some("ENABLED");
    let mut answer = QuotaAnswer {
        readings: Vec::new(),
        facts: AccountFacts::of_plan(root.pointer("/subscriptionInfo/subscriptionTitle").name()),
    };
    for item in list.items() {
        let reset = item.get("nextDateReset").time().or(common);
        let limit = match item.get("resourceType").text() {
            None | Some("CREDIT") => Some(Limit::main()),
            Some(other) => Limit::new(other),
        };
        let rows = &mut answer.readings;
        rows.extend(limit.and_then(|limit| row(limit, Scope::Account, item, reset)));
        rows.extend(free_trial(item.get("freeTrialInfo")));
        if is_over_allowed {
            answer.facts.spend.extend(overage(item));
        }
    }
    Ok(answer)
}

/// The used amount includes the usage beyond the limit.
fn row(limit: Limit, scope: Scope, item: Node<'_>, reset: Option<UnixNanos>) -> Option<Reading> {
    let row = Reading::new(limit, Window::MONTH, scope);
    Some(row.with_amounts(Some(amounts(item)?)).with_reset(reset))
}

fn amounts(item: Node<'_>) -> Option<Amounts> {
    let number = |keys: &[&str]| item.any(keys).number();
    let used = number(&["currentUsageWithPrecision", "currentUsage"]);
    let limit = number(&["usageLimitWithPrecision", "usageLimit"]);
    Amounts::new(Unit::Credits, used, limit, None)
}

/// Ends at its own time, after which it no longer exists.
fn free_trial(trial: Node<'_>) -> Option<Reading> {
    if trial.get("freeTrialStatus").text() != Some("ACTIVE") {
        return None;
    }
    let row = Reading::new(Limit::new("free_trial")?, Window::UNKNOWN, Scope::Feature);
    let row = row
        .with_name(Name::new("Free trial"))
        .with_amounts(amounts(trial))
        .with_reset(trial.get("freeTrialExpiry").time());
    Some(row)
}

fn overage(item: Node<'_>) -> Option<Spend> {
    if item.get("currency").text() != Some("USD") {
        return None;
    }
    let cap = item
        .any(&["overageCapWithPrecision", "overageCap"])
        .number();
    let cap = cap
        .zip(item.get("overageRate").number())
        .map(|(cap, rate)| cap * rate);
    Spend::new(
        Limit::new("overage")?,
        item.get("overageCharges").number(),
        cap,
    )
}
