//! Responses of GLM and `MiniMax` for coding plans, which are API keys in CPA.

use serde_json::{Value, json};

use super::{Asked, Reply, Subject, millis};
use crate::quota::{Limit, Unit};
use cpa_exporter_core::model::UnixNanos;

pub(super) fn glm(asked: &Asked<'_>, of: &Subject<'_>) -> Option<Reply> {
    if !asked.is("GET", "/api/monitor/usage/quota/limit") {
        return None;
    }
    let rows = of.quota.limits().iter().map(|limit| glm_row(limit, of.now));
    let rows: Vec<Value> = rows.collect();
    Some(Reply::ok(&json!({
        "code": 200, "msg": "Operation successful", "success": true,
        "data": { "level": of.account.plan.name, "limits": rows },
    })))
}

fn glm_row(limit: &Limit, now: UnixNanos) -> Value {
    let (kind, unit, number) = match (limit.kind.name, limit.kind.unit, limit.kind.window) {
        ("tools", _, _) => ("TIME_LIMIT", 5, 1),
        (_, Unit::Credits, "5h") => ("CREDIT_LIMIT", 3, 5),
        (_, Unit::Credits, _) => ("CREDIT_LIMIT", 6, 1),
        (_, _, "5h") => ("TOKENS_LIMIT", 3, 5),
        _ => ("TOKENS_LIMIT", 6, 1),
    };
    let mut row = json!({
        "type": kind, "unit": unit, "number": number, "percentage": limit.percent(),
    });
    let Value::Object(map) = &mut row else {
        return row;
    };
    if kind != "TOKENS_LIMIT" {
        // The limit is named `usage` here, and the used amount `currentValue`.
        map.insert("usage".to_owned(), limit.kind.nominal.into());
        map.insert("currentValue".to_owned(), limit.nominal_used().into());
        map.insert("remaining".to_owned(), limit.nominal_left().into());
    }
    if kind == "TIME_LIMIT" {
        let details = json!([{ "modelCode": "search-prime", "usage": limit.nominal_used() }]);
        map.insert("usageDetails".to_owned(), details);
    }
    // An idle window has no reset time.
    if limit.reset().is_some() {
        let reset = millis(limit.reset_from(now));
        map.insert("nextResetTime".to_owned(), reset.into());
    }
    row
}

pub(super) fn minimax(asked: &Asked<'_>, of: &Subject<'_>) -> Option<Reply> {
    let paths = [
        "/v1/token_plan/remains",
        "/v1/api/openplatform/coding_plan/remains",
        "/v1/coding_plan/remains",
    ];
    let path = paths.into_iter().find(|path| asked.is("GET", path))?;
    let (short, week) = (
        of.quota.get("general", "5h")?,
        of.quota.get("general", "weekly")?,
    );
    // The count is the used amount on the newest path, and the remaining one on older paths.
    let count = |limit: &Limit| {
        if path.contains("token_plan") {
            limit.nominal_used()
        } else {
            limit.nominal_left()
        }
    };
    let status = |limit: &Limit| if limit.is_used_up() { 2 } else { 1 };
    let left = |limit: &Limit| 100 - limit.percent();
    let span = |limit: &Limit| limit.reset_from(of.now).since(of.now).as_millis();
    let (left_ms, week_left_ms) = (span(short), span(week));
    Some(Reply::ok(&json!({
        "model_remains": [{
            "model_name": "general",
            "start_time": millis(short.start(of.now)),
            "end_time": millis(short.reset_from(of.now)),
            "remains_time": u64::try_from(left_ms).unwrap_or(0),
            "current_interval_total_count": short.kind.nominal,
            "current_interval_usage_count": count(short),
            "current_interval_remaining_percent": left(short),
            "current_interval_status": status(short),
            "current_weekly_total_count": week.kind.nominal,
            "current_weekly_usage_count": count(week),
            "current_weekly_remaining_percent": left(week),
            "current_weekly_status": status(week),
            "weekly_start_time": millis(week.start(of.now)),
            "weekly_end_time": millis(week.reset_from(of.now)),
            "weekly_remains_time": u64::try_from(week_left_ms).unwrap_or(0),
        }],
        "base_resp": { "status_code": 0, "status_msg": "success" },
    })))
}
