//! Google Code Assist's responses for Antigravity and Gemini CLI subscriptions.

use serde_json::{Value, json};

use super::{Asked, Reply, Subject, remaining, reset};
use crate::quota::Limit;
use cpa_exporter_core::model::UnixNanos;

/// The project of an auth file.
const PROJECT: &str = "vproj-fake";

pub(super) fn antigravity(asked: &Asked<'_>, of: &Subject<'_>) -> Option<Reply> {
    if asked.is("POST", "/v1internal:loadCodeAssist") {
        // The current tier is the free one for all accounts; the paid one is a separate field.
        return Some(Reply::ok(&tiers("free-tier", of.account.plan.name)));
    }
    if asked.is("POST", "/v1internal:fetchAvailableModels") {
        return Some(Reply::ok(&models(of)));
    }
    if !asked.is("POST", "/v1internal:retrieveUserQuotaSummary") {
        return None;
    }
    if asked.text("project").is_none() {
        let body = json!({ "error": { "code": 400, "status": "INVALID_ARGUMENT",
            "message": "Request contains an invalid argument." } });
        return Some(Reply::json(400, &body));
    }
    let group = |name: &str, title: &str| {
        let exhausted = of.quota.get(name, "weekly").is_some_and(Limit::is_used_up);
        let limits = of.quota.windows(name);
        let buckets: Vec<Value> = limits
            .map(|limit| bucket(limit, exhausted, of.now))
            .collect();
        json!({ "displayName": title, "buckets": buckets })
    };
    let groups = [
        group("gemini", "Gemini Models"),
        group("3p", "Claude and GPT models"),
    ];
    Some(Reply::ok(&json!({ "groups": groups })))
}

/// The short window does not apply once the week is used up, and is marked so.
fn bucket(limit: &Limit, week_used_up: bool, now: UnixNanos) -> Value {
    let (name, span) = (limit.kind.name, limit.kind.window);
    let title = if span == "5h" {
        "Five Hour Limit"
    } else {
        "Weekly Limit"
    };
    let mut bucket = json!({
        "bucketId": format!("{name}-{span}"), "displayName": title, "window": span,
        "remainingFraction": remaining(limit), "resetTime": reset(limit, now),
    });
    if let (true, "5h", Value::Object(map)) = (week_used_up, span, &mut bucket) {
        map.insert("disabled".to_owned(), true.into());
    }
    bucket
}

fn models(of: &Subject<'_>) -> Value {
    let models = of.account.models.iter().filter_map(|model| {
        let pool = if model.name.contains("gemini") {
            "gemini"
        } else {
            "3p"
        };
        let limit = of.quota.windows(pool).next()?;
        let info = json!({ "displayName": model.alias, "isInternal": false, "quotaInfo": {
            "remainingFraction": remaining(limit), "resetTime": reset(limit, of.now) } });
        Some((model.name.clone(), info))
    });
    let models: serde_json::Map<String, Value> = models.collect();
    json!({ "models": models })
}

fn tiers(current: &str, paid: &str) -> Value {
    json!({
        "currentTier": { "id": current, "name": "Code Assist" },
        "paidTier": { "id": paid, "name": paid, "availableCredits": [{
            "creditType": "GOOGLE_ONE_AI", "creditAmount": "123",
            "minimumCreditAmountForUsage": "50" }] },
        "cloudaicompanionProject": PROJECT,
        "ineligibleTiers": [],
    })
}

pub(super) fn gemini_cli(asked: &Asked<'_>, of: &Subject<'_>) -> Option<Reply> {
    if asked.is("POST", "/v1internal:loadCodeAssist") {
        let tier = of.account.plan.name;
        return Some(Reply::ok(&json!({
            "currentTier": { "id": tier, "name": tier },
            "cloudaicompanionProject": PROJECT, "ineligibleTiers": [],
        })));
    }
    if !asked.is("POST", "/v1internal:retrieveUserQuota") {
        return None;
    }
    let buckets = of.quota.limits().iter().map(|limit| {
        json!({
            "modelId": limit.kind.name, "tokenType": "REQUESTS",
            "remainingAmount": limit.nominal_left().to_string(),
            "remainingFraction": remaining(limit), "resetTime": reset(limit, of.now),
        })
    });
    let buckets: Vec<Value> = buckets.collect();
    Some(Reply::ok(&json!({ "buckets": buckets })))
}
