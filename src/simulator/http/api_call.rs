//! `api-call`: asks an upstream in a credential's name. Here the upstreams are canned.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::answer::Answer;
use super::request::Call;
use crate::model::UnixNanos;
use crate::simulator::core::Core;
use crate::simulator::generator::json::rfc3339;
use crate::simulator::generator::quota::{Quota, Window};
use crate::simulator::generator::world::Account;

#[derive(Deserialize)]
struct Wanted {
    #[serde(default, alias = "authIndex", alias = "AuthIndex")]
    auth_index: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    proxy_url: String,
    #[serde(default)]
    header: BTreeMap<String, String>,
}

/// What the upstream said, in the shape CPA wraps it in.
#[derive(Serialize)]
struct Told {
    status_code: u16,
    header: BTreeMap<&'static str, [String; 1]>,
    body: String,
}

impl Told {
    fn json(status_code: u16, body: String) -> Self {
        let header = BTreeMap::from([
            ("Content-Length", [body.len().to_string()]),
            ("Content-Type", ["application/json".to_owned()]),
        ]);
        Self {
            status_code,
            header,
            body,
        }
    }

    fn unauthorized() -> Self {
        let body = r#"{"error":{"message":"Your authentication token is invalid or has expired.","type":"invalid_request_error","code":"token_expired"}}"#;
        let mut told = Self::json(401, body.to_owned());
        told.header
            .insert("Www-Authenticate", ["Bearer".to_owned()]);
        told
    }
}

pub(super) fn answer(call: &Call, core: &Core) -> Answer {
    let Some(wanted) = call.json::<Wanted>() else {
        return Answer::error(400, "invalid body");
    };
    if wanted.method.trim().is_empty() {
        return Answer::error(400, "missing method");
    }
    if wanted.url.trim().is_empty() {
        return Answer::error(400, "missing url");
    }
    let Some(url) = Url::parse(&wanted.url).ok().filter(Url::has_host) else {
        return Answer::error(400, "invalid url");
    };
    if !is_proxy(&wanted.proxy_url) {
        return Answer::error(400, "invalid proxy_url");
    }
    let mut accounts = core.world.accounts.iter().enumerate();
    let found = accounts.find(|(_, account)| account.auth_index == wanted.auth_index);
    let token = wanted
        .header
        .values()
        .any(|value| value.contains("$TOKEN$"));
    let Some((number, account)) = found else {
        if token && core.config.version.has(8, 0, 0) {
            return Answer::error(400, "auth credential not found for auth_index");
        }
        // The placeholder itself goes upstream, which knows no such token.
        return Answer::json(200, &Told::unauthorized());
    };
    let now = core.now();
    let quota = core.generator().quota(number, now);
    match quota.and_then(|quota| upstream(&url, account, &quota, now)) {
        Some(body) => Answer::json(200, &Told::json(200, body.to_string())),
        None => Answer::error(502, "request failed"),
    }
}

fn is_proxy(text: &str) -> bool {
    let schemes = ["http", "https", "socks5", "socks5h"];
    matches!(text, "" | "direct" | "none")
        || Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()))
}

/// The quota pages of the providers, filled from the windows the records show.
fn upstream(url: &Url, account: &Account, quota: &Quota, now: UnixNanos) -> Option<Value> {
    let (short, long) = (&quota.primary, &quota.secondary);
    Some(match (url.host_str()?, url.path()) {
        ("chatgpt.com", "/backend-api/wham/usage") => json!({
            "user_id": "user-fake", "account_id": "acc-fake", "email": account.email,
            "plan_type": account.plan,
            "rate_limit": {
                "allowed": !quota.is_used_up(), "limit_reached": quota.is_used_up(),
                "primary_window": codex_window(short, now),
                "secondary_window": codex_window(long, now),
            },
            "code_review_rate_limit": null, "additional_rate_limits": null,
            "credits": { "has_credits": false, "unlimited": false, "balance": "0" },
        }),
        ("api.anthropic.com", "/api/oauth/usage") => json!({
            "five_hour": claude_window(short), "seven_day": claude_window(long),
            "seven_day_opus": null,
        }),
        ("api.anthropic.com", "/api/oauth/profile") => json!({
            "account": { "uuid": "11111111-2222-4333-8444-555555555550", "email": account.email,
                "has_claude_max": true, "has_claude_pro": false },
            "organization": { "uuid": "99999999-2222-4333-8444-555555555555",
                "name": "Example Org", "organization_type": "claude_max",
                "rate_limit_tier": "default_claude_max_5x",
                "has_extra_usage_enabled": false, "subscription_status": "active" },
        }),
        ("api.kimi.com", "/coding/v1/usages") => json!({
            "user": { "membership": { "level": "LEVEL_INTERMEDIATE" } },
            "usage": kimi_window(long),
            "limits": [{ "window": { "duration": 300, "timeUnit": "TIME_UNIT_MINUTE" },
                "detail": kimi_window(short) }],
        }),
        ("cli-chat-proxy.grok.com", "/v1/billing") => xai(url, long),
        (host, "/v1internal:retrieveUserQuotaSummary") if host.ends_with("googleapis.com") => {
            json!({ "groups": [{ "displayName": "Gemini Models", "buckets": [
                google_bucket("gemini-5h", "5h", short),
                google_bucket("gemini-weekly", "weekly", long),
            ] }] })
        }
        _ => return None,
    })
}

fn codex_window(window: &Window, now: UnixNanos) -> Value {
    json!({
        "used_percent": window.used_basis_points() / 100,
        "limit_window_seconds": window.minutes() * 60,
        "reset_after_seconds": window.reset.since(now).as_secs(),
        "reset_at": window.reset_seconds(),
    })
}

fn claude_window(window: &Window) -> Value {
    let tenths = u32::try_from(window.used_basis_points() / 10).unwrap_or(0);
    json!({ "utilization": f64::from(tenths) / 10.0, "resets_at": rfc3339(window.reset) })
}

fn kimi_window(window: &Window) -> Value {
    let used = window.used_basis_points() / 100;
    json!({
        "limit": "100", "used": used.to_string(), "remaining": (100 - used).to_string(),
        "resetTime": rfc3339(window.reset),
    })
}

fn google_bucket(id: &str, span: &str, window: &Window) -> Value {
    let left = u32::try_from(10_000 - window.used_basis_points()).unwrap_or(0);
    json!({
        "bucketId": id, "window": span, "remainingFraction": f64::from(left) / 10_000.0,
        "resetTime": rfc3339(window.reset),
    })
}

fn xai(url: &Url, window: &Window) -> Value {
    let (start, end) = (rfc3339(window.start()), rfc3339(window.reset));
    let percent = window.used_basis_points() / 100;
    if url.query() == Some("format=credits") {
        return json!({ "config": {
            "currentPeriod": { "type": "weekly", "start": start, "end": end },
            "creditUsagePercent": percent,
            "productUsage": [{ "product": "Grok Code", "usagePercent": percent }],
            "onDemandCap": { "val": 0 },
        } });
    }
    json!({ "config": {
        "monthlyLimit": { "val": 20_000 }, "used": { "val": percent * 200 },
        "onDemandCap": { "val": 0 }, "onDemandUsed": { "val": 0 },
        "billingPeriodStart": start, "billingPeriodEnd": end,
    } })
}
