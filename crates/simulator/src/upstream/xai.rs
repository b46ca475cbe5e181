//! xAI's responses: the week in percent, the month in cents.

use serde_json::{Value, json};

use super::{Asked, Reply, Subject, reset};
use crate::generator::json::rfc3339;
use crate::quota::Limit;

pub(super) fn answer(asked: &Asked<'_>, of: &Subject<'_>) -> Option<Reply> {
    if asked.is("GET", "/v1/settings") {
        let settings = json!({ "subscription_tier_display": of.account.plan.name });
        return Some(Reply::ok(&settings));
    }
    if !asked.is("GET", "/v1/billing") {
        return None;
    }
    let config = match asked.url.query() {
        Some("format=credits") => weekly(of),
        _ => monthly(of),
    };
    config.map(|config| Reply::ok(&json!({ "config": config })))
}

fn weekly(of: &Subject<'_>) -> Option<Value> {
    let limit = of.quota.get("main", "weekly")?;
    let (start, end) = (rfc3339(limit.start(of.now)), reset(limit, of.now));
    Some(json!({
        "currentPeriod": { "type": "weekly", "start": start, "end": end },
        "creditUsagePercent": limit.percent(),
        "productUsage": [{ "product": "Grok Code", "usagePercent": limit.percent() }],
        "onDemandCap": { "val": cap(of) },
    }))
}

fn monthly(of: &Subject<'_>) -> Option<Value> {
    let limit = of.quota.get("spend", "monthly")?;
    let on_demand = of.quota.get("on_demand", "monthly");
    Some(json!({
        "monthlyLimit": { "val": limit.kind.nominal },
        "used": { "val": limit.nominal_used() },
        "onDemandCap": { "val": cap(of) },
        "onDemandUsed": { "val": on_demand.map_or(0, Limit::nominal_used) },
        "billingPeriodStart": rfc3339(limit.start(of.now)),
        "billingPeriodEnd": reset(limit, of.now),
    }))
}

fn cap(of: &Subject<'_>) -> u64 {
    let limit = of.quota.get("on_demand", "monthly");
    limit.map_or(0, |limit| limit.kind.nominal)
}
