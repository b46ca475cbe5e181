//! Anthropic's responses for a Claude subscription.

use serde_json::{Value, json};

use super::{Asked, Reply, Subject, percent};
use crate::generator::json::rfc3339;
use crate::quota::Limit;

/// Early resets of every account.
const RESETS: u32 = 2;

pub(super) fn answer(asked: &Asked<'_>, of: &Subject<'_>) -> Option<Reply> {
    if asked.is("GET", "/api/oauth/profile") {
        return Some(Reply::ok(&profile(of)));
    }
    if !asked.is("GET", "/api/oauth/usage") {
        return None;
    }
    let asks_for_resets = asked
        .url
        .query()
        .is_some_and(|query| query.starts_with("cedar_ember="));
    if asks_for_resets {
        return Some(Reply::ok(&resets(asked)));
    }
    let known = asked.header("user-agent");
    let known = known.is_some_and(|agent| agent.starts_with("claude-code/"));
    // Clients with another user agent share a small rate limit, used up almost at once.
    if !known && asked.before > 0 {
        return Some(throttled());
    }
    Some(Reply::ok(&usage(of)))
}

/// Available early resets, returned to Claude Code only.
fn resets(asked: &Asked<'_>) -> Value {
    let agent = asked.header("user-agent");
    let known = agent.is_some_and(|agent| agent.starts_with("claude-cli/"));
    let grants = json!([{ "id": "launch", "resets_total": RESETS, "resets_left": RESETS,
        "paused": false, "usable_now": true }]);
    let reason = (!known).then_some("surface");
    json!({ "cedar_ember": { "eligible": known, "ineligible_reason": reason,
        "grants": if known { grants } else { json!([]) } } })
}

fn throttled() -> Reply {
    let body = json!({ "error": { "type": "rate_limit_error",
        "message": "Rate limited. Please try again later." } });
    Reply::json(429, &body).with("Retry-After", "0".to_owned())
}

fn usage(of: &Subject<'_>) -> Value {
    let get = |name, span| of.quota.get(name, span);
    let row = |name, span| get(name, span).map(window);
    let mut usage = json!({
        "five_hour": get("main", "5h").map(session), "seven_day": row("main", "weekly"),
        "seven_day_opus": row("opus", "weekly"),
    });
    let (Some(sonnet), Value::Object(map)) = (row("sonnet", "weekly"), &mut usage) else {
        return usage;
    };
    map.insert("seven_day_sonnet".to_owned(), sonnet);
    map.insert("seven_day_oauth_apps".to_owned(), Value::Null);
    let rows = [
        ("session", "session", get("main", "5h"), Value::Null),
        ("weekly_all", "weekly", get("main", "weekly"), Value::Null),
        (
            "weekly_scoped",
            "weekly",
            get("fable", "weekly"),
            json!({ "model": { "id": null, "display_name": "Fable" }, "surface": null }),
        ),
    ];
    let rows = rows.into_iter().filter_map(|(kind, group, limit, scope)| {
        let limit = limit?;
        Some(json!({
            "kind": kind, "group": group, "percent": limit.percent(),
            "severity": severity(limit), "resets_at": limit.reset().map(rfc3339),
            "scope": scope, "is_active": limit.is_used_up(),
        }))
    });
    map.insert("limits".to_owned(), rows.collect());
    if let Some(extra) = get("extra_usage", "monthly") {
        let (used, limit) = (extra.nominal_used(), extra.kind.nominal);
        map.insert(
            "extra_usage".to_owned(),
            json!({ "is_enabled": true, "monthly_limit": limit, "used_credits": used,
                "utilization": percent(extra), "currency": "USD", "decimal_places": 2 }),
        );
        map.insert(
            "spend".to_owned(),
            json!({ "severity": severity(extra), "used": { "amount_minor": used },
                "limit": { "amount_minor": limit } }),
        );
    }
    usage
}

/// A session that has not started has no reset time. Captured reset times have microseconds, so
/// they differ slightly from those in the headers.
fn session(limit: &Limit) -> Value {
    let reset = limit.reset().map(rfc3339);
    let reset = reset.map(|reset| reset.replace('Z', ".123456+00:00"));
    json!({ "utilization": percent(limit), "resets_at": reset })
}

fn window(limit: &Limit) -> Value {
    json!({ "utilization": percent(limit), "resets_at": limit.reset().map(rfc3339) })
}

fn severity(limit: &Limit) -> &'static str {
    match limit.percent() {
        95.. => "critical",
        75.. => "warning",
        _ => "normal",
    }
}

fn profile(of: &Subject<'_>) -> Value {
    let plan = of.account.plan.name;
    let max = plan.strip_prefix("max_");
    let kind = match plan {
        "team" => "claude_team",
        "pro" => "claude_pro",
        "free" => "claude_free",
        _ => "claude_max",
    };
    let tier = match max {
        Some(times) => format!("default_claude_max_{times}"),
        None => "default_claude_ai".to_owned(),
    };
    json!({
        "account": { "uuid": "11111111-2222-4333-8444-555555555550", "email": of.account.email,
            "has_claude_max": max.is_some(), "has_claude_pro": plan == "pro" },
        "organization": { "uuid": "99999999-2222-4333-8444-555555555555",
            "name": "Example Org", "organization_type": kind, "rate_limit_tier": tier,
            "has_extra_usage_enabled": of.quota.get("extra_usage", "monthly").is_some(),
            "subscription_status": "active" },
    })
}
