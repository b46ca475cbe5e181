//! Kimi Code's responses: numbers as strings, a plan has 100 units.

use serde_json::{Value, json};

use super::{Asked, Reply, Subject, reset};
use crate::quota::Limit;
use cpa_exporter_core::model::UnixNanos;

pub(super) fn answer(asked: &Asked<'_>, of: &Subject<'_>) -> Option<Reply> {
    if !asked.is("GET", "/coding/v1/usages") {
        return None;
    }
    let row = |span| {
        of.quota
            .get("main", span)
            .map(|limit| amounts(limit, of.now))
    };
    Some(Reply::ok(&json!({
        "user": { "membership": { "level": of.account.plan.name } },
        "usage": row("weekly"),
        "limits": [{ "window": { "duration": 300, "timeUnit": "TIME_UNIT_MINUTE" },
            "detail": row("5h") }],
    })))
}

fn amounts(limit: &Limit, now: UnixNanos) -> Value {
    json!({
        "limit": limit.kind.nominal.to_string(), "used": limit.nominal_used().to_string(),
        "remaining": limit.nominal_left().to_string(), "resetTime": reset(limit, now),
    })
}
