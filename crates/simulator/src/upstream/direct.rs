//! Quota endpoints that are requested without CPA: Copilot, Kiro and a generic one.

use serde_json::{Value, json};

use super::{Reply, millis, percent, reset, seconds};
use crate::quota::{Direct, Limit, Quota};
use cpa_exporter_core::model::UnixNanos;

/// The response to a request of `path` under the upstream's own URL.
pub(crate) fn answer(
    of: &Direct,
    method: &str,
    path: &str,
    quota: &Quota,
    now: UnixNanos,
) -> Option<Reply> {
    match (of.provider, method, path) {
        ("copilot", "GET", "copilot_internal/user") => Some(Reply::ok(&copilot(of, quota, now))),
        ("kiro", "GET", "getUsageLimits") | ("kiro", "POST", "") => {
            Some(Reply::ok(&kiro(of, quota, now)))
        }
        ("generic", "GET", "quota") => Some(Reply::ok(&generic(of, quota, now))),
        _ => None,
    }
}

fn copilot(of: &Direct, quota: &Quota, now: UnixNanos) -> Value {
    let Some(premium) = quota.get("premium_interactions", "monthly") else {
        return copilot_free(quota, now);
    };
    let date = reset(premium, now);
    let day = date.split('T').next().unwrap_or_default();
    let unlimited = |id: &str| {
        json!({ "entitlement": 0, "remaining": 0, "percent_remaining": 100.0, "unlimited": true,
            "quota_id": id })
    };
    let left = premium.nominal_left();
    json!({
        "copilot_plan": of.plan.name, "access_type_sku": "plus_monthly_subscriber",
        "quota_reset_date": day, "quota_reset_date_utc": format!("{day}T00:00:00.000Z"),
        "token_based_billing": false,
        "quota_snapshots": {
            "chat": unlimited("chat"), "completions": unlimited("completions"),
            "premium_interactions": {
                "entitlement": premium.kind.nominal, "remaining": left, "quota_remaining": left,
                "percent_remaining": 100.0 - percent(premium), "unlimited": false,
                "overage_count": 0, "overage_permitted": false,
                "quota_id": "premium_interactions",
            },
        },
    })
}

/// The free plan reports remaining amounts, under a name that suggests used ones.
fn copilot_free(quota: &Quota, now: UnixNanos) -> Value {
    let of = |name| quota.get(name, "monthly");
    let all = |name| of(name).map(|limit| limit.kind.nominal);
    let left = |name| of(name).map(Limit::nominal_left);
    let date = of("chat").map(|limit| reset(limit, now));
    let day = date.as_deref().and_then(|date| date.split('T').next());
    json!({
        "copilot_plan": "individual", "access_type_sku": "free_limited_copilot",
        "monthly_quotas": { "chat": all("chat"), "completions": all("completions") },
        "limited_user_quotas": { "chat": left("chat"), "completions": left("completions") },
        "limited_user_reset_date": day,
    })
}

fn kiro(of: &Direct, quota: &Quota, now: UnixNanos) -> Value {
    let credits = quota.get("credits", "monthly");
    let reset_at = credits.map(|limit| seconds(limit.reset_from(now)));
    let mut row = json!({
        "resourceType": "CREDIT",
        "currentUsageWithPrecision": credits.map(Limit::nominal_used),
        "usageLimitWithPrecision": credits.map(|limit| limit.kind.nominal),
        "currentOveragesWithPrecision": 0, "overageCapWithPrecision": 10_000,
        "overageCharges": 0, "overageRate": 0.04, "currency": "USD", "bonuses": [],
        "nextDateReset": reset_at,
    });
    if let (Some(trial), Value::Object(map)) = (quota.get("free_trial", "once"), &mut row) {
        let trial = json!({
            "freeTrialStatus": "ACTIVE", "currentUsageWithPrecision": trial.nominal_used(),
            "usageLimitWithPrecision": trial.kind.nominal,
            "freeTrialExpiry": seconds(trial.reset_from(now)),
        });
        map.insert("freeTrialInfo".to_owned(), trial);
    }
    json!({
        "usageBreakdownList": [row],
        "overageConfiguration": { "overageStatus": "DISABLED" },
        "nextDateReset": reset_at,
        "subscriptionInfo": { "subscriptionTitle": of.plan.name },
    })
}

fn generic(of: &Direct, quota: &Quota, now: UnixNanos) -> Value {
    let limits = quota.limits().iter().map(|limit| {
        json!({
            "name": limit.kind.name, "window": limit.kind.window,
            "window_seconds": limit.seconds(), "limit": limit.kind.nominal,
            "used": limit.nominal_used(), "remaining": limit.nominal_left(),
            "percent": percent(limit), "reset_at": reset(limit, now),
            "reset_ms": millis(limit.reset_from(now)),
        })
    });
    let limits: Vec<Value> = limits.collect();
    json!({ "plan": of.plan.name, "limits": limits })
}
