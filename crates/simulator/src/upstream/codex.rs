//! `ChatGPT`'s responses for a Codex subscription.

use serde_json::{Value, json};

use super::{Asked, Reply, Subject, seconds};
use crate::generator::headers::dollars;
use crate::quota::{Limit, Quota};
use cpa_exporter_core::model::UnixNanos;

const CREDITS: &str = "/backend-api/wham/rate-limit-reset-credits";

pub(super) fn answer(asked: &Asked<'_>, of: &Subject<'_>) -> Option<Reply> {
    if asked.is("GET", "/backend-api/wham/usage") {
        return Some(Reply::ok(&usage(of)));
    }
    if asked.is("GET", CREDITS) {
        let none = json!({ "available_count": 0, "credits": [] });
        return Some(Reply::ok(&none));
    }
    // This request spends the owner's credit; the exporter must not send it.
    asked
        .is("POST", "/backend-api/wham/rate-limit-reset-credits/consume")
        .then(|| Reply::json(403, &json!({ "detail": "no credit to spend" })))
}

fn usage(of: &Subject<'_>) -> Value {
    let (quota, now) = (of.quota, of.now);
    let additional = quota.get("codex_bengalfox", "weekly").map(|limit| {
        json!([{ "limit_name": "GPT-5.3-Codex-Spark", "metered_feature": "codex_bengalfox",
            "rate_limit": block(&[limit], now) }])
    });
    let review = quota.get("code_review", "weekly");
    let review = review.map(|limit| block(&[limit], now));
    let main: Vec<&Limit> = quota.windows("main").collect();
    let mut usage = json!({
        "user_id": "user-fake", "account_id": "acc-fake", "email": of.account.email,
        "plan_type": of.account.plan.name,
        "rate_limit": block(&main, now),
        "code_review_rate_limit": review,
        "additional_rate_limits": additional,
        "credits": credits(quota),
    });
    if let (Some(spend), Value::Object(map)) = (quota.get("spend", "monthly"), &mut usage) {
        map.insert("spend_control".to_owned(), spend_control(spend, now));
    }
    usage
}

/// A block is refused as a whole if any of its windows is used up.
fn block(limits: &[&Limit], now: UnixNanos) -> Value {
    let (first, second) = (limits.first(), limits.get(1));
    let reached = limits.iter().any(|limit| limit.is_used_up());
    json!({
        "allowed": !reached, "limit_reached": reached,
        "primary_window": first.map(|limit| window(limit, now)),
        "secondary_window": second.map(|limit| window(limit, now)),
    })
}

fn window(limit: &Limit, now: UnixNanos) -> Value {
    let reset = limit.reset_from(now);
    json!({
        "used_percent": limit.percent(),
        "limit_window_seconds": limit.seconds(),
        "reset_after_seconds": reset.since(now).as_secs(),
        "reset_at": seconds(reset),
    })
}

fn credits(quota: &Quota) -> Value {
    let credits = quota.get("credits", "monthly");
    let balance = credits.map_or("0".to_owned(), |credits| dollars(credits.nominal_left()));
    json!({ "has_credits": credits.is_some(), "unlimited": false, "balance": balance })
}

fn spend_control(limit: &Limit, now: UnixNanos) -> Value {
    json!({
        "reached": limit.is_used_up(),
        "individual_limit": {
            "limit": dollars(limit.kind.nominal), "used": dollars(limit.nominal_used()),
            "remaining": dollars(limit.nominal_left()),
            "used_percent": limit.percent(), "remaining_percent": 100 - limit.percent(),
            "reset_after_seconds": limit.reset_from(now).since(now).as_secs(),
            "reset_at": seconds(limit.reset_from(now)),
        },
    })
}
