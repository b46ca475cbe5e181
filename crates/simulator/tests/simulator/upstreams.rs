//! The providers' endpoints: how they want to be asked, who counts it, and what goes wrong.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cpa_exporter_simulator::{
    QuotaFault, QuotaFaultMode, Simulator, SimulatorConfig, TrafficConfig,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::asking::{
    CLAUDE, GLM, GOOGLE, KIMI, MINIMAX, WHAM, XAI, api_call, ask, call, control, limit,
    nominal_used, pool, truth,
};
use super::support::{HttpAnswer, http, start};

const SUMMARY: &str = "v1internal:retrieveUserQuotaSummary";

#[tokio::test]
async fn claude_throttles_who_does_not_say_claude_code() {
    let (_, simulator) = pool(&["claude"], 1).await;
    let account = truth(&simulator, "claude", 0).account;
    let mut nameless = call(&account, "GET", CLAUDE, "");
    nameless["header"] = json!({ "Authorization": "Bearer $TOKEN$" });
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let told = api_call(&simulator, &nameless).await.json();
        statuses.push(told["status_code"].as_u64().unwrap());
    }
    assert_eq!(statuses, [200, 429, 429]);
    assert_eq!(ask(&simulator, &account, CLAUDE).await.0, 200);
}

#[tokio::test]
async fn a_token_opens_its_own_provider_only() {
    let (_, simulator) = pool(&["codex", "claude"], 2).await;
    let codex = truth(&simulator, "codex", 0).account;
    assert_eq!(ask(&simulator, &codex, CLAUDE).await.0, 401);
    let mut bare = call(&codex, "GET", WHAM, "");
    bare["header"] = json!({});
    let told = api_call(&simulator, &bare).await.json();
    assert_eq!(told["status_code"], 401);
    assert_eq!(ask(&simulator, &codex, WHAM).await.0, 200);
    let added = control(&simulator, "POST", &json!({ "provider": "glm" })).await;
    let glm = added.json()["auth_index"].as_str().unwrap().to_owned();
    assert_eq!(ask(&simulator, &glm, GLM).await.0, 200);
    assert_eq!(ask(&simulator, &glm, WHAM).await.0, 401);
}

#[tokio::test]
async fn a_key_is_no_subscription() {
    let (_, simulator) = pool(&["codex"], 4).await;
    let quotas = simulator.quotas();
    let keys = quotas.accounts.iter().filter(|one| one.login == "apikey");
    let keys: Vec<&str> = keys.map(|one| one.account.as_str()).collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(ask(&simulator, keys[0], WHAM).await.0, 401);
}

#[tokio::test]
async fn antigravity_wants_a_project_and_has_other_hosts() {
    let (_, simulator) = pool(&["antigravity"], 1).await;
    let account = truth(&simulator, "antigravity", 0).account;
    let daily = format!("https://daily-cloudcode-pa.googleapis.com/{SUMMARY}");
    let nameless = call(&account, "POST", &daily, "{}");
    let told = api_call(&simulator, &nameless).await.json();
    assert_eq!(told["status_code"], 400);
    let fault = QuotaFault::from(QuotaFaultMode::ServerError);
    simulator.set_quota_fault("daily-cloudcode-pa.googleapis.com", Some(fault));
    assert_eq!(ask(&simulator, &account, &daily).await.0, 500);
    let other = daily.replace("daily-", "");
    let (status, told) = ask(&simulator, &account, &other).await;
    assert_eq!(status, 200);
    assert_eq!(told["groups"][1]["buckets"][0]["bucketId"], "3p-weekly");
    let (_, told) = ask(&simulator, &account, &format!("{GOOGLE}loadCodeAssist")).await;
    assert_eq!(told["paidTier"]["id"], "g1-pro-tier");
}

#[tokio::test]
async fn calls_are_counted_by_account_and_endpoint() {
    let (millis, simulator) = pool(&["xai"], 1).await;
    let account = truth(&simulator, "xai", 0).account;
    assert!(truth(&simulator, "xai", 0).calls.is_empty());
    for pause in [300_000, 60_000, 0] {
        ask(&simulator, &account, XAI).await;
        millis.fetch_add(pause, Ordering::Relaxed);
    }
    let fault = QuotaFault {
        times: Some(1),
        ..QuotaFault::from(QuotaFaultMode::RateLimited)
    };
    simulator.set_quota_fault("xai", Some(fault));
    ask(&simulator, &account, &format!("{XAI}?format=credits")).await;
    let calls = truth(&simulator, "xai", 0).calls;
    let monthly = &calls["cli-chat-proxy.grok.com/v1/billing"];
    assert_eq!((monthly.calls, monthly.statuses[&200]), (3, 3));
    assert_eq!(monthly.shortest_gap_ms, Some(60_000));
    let weekly = &calls["cli-chat-proxy.grok.com/v1/billing?format=credits"];
    assert_eq!((weekly.calls, weekly.statuses[&429]), (1, 1));
    let answer = http(simulator.addr(), "GET", "/simulator/quotas", &[], "").await;
    let told = answer.json();
    let calls = &told["accounts"][0]["calls"]["cli-chat-proxy.grok.com/v1/billing"];
    assert_eq!(calls["calls"], 3);
}

async fn direct(simulator: &Simulator, path: &str, token: &str) -> HttpAnswer {
    let authorization = [("Authorization", token)];
    let path = format!("/upstream/{path}");
    http(simulator.addr(), "GET", &path, &authorization, "").await
}

#[tokio::test]
async fn copilot_kiro_and_another_are_asked_directly() {
    let (_, simulator) = pool(&["codex"], 1).await;
    let before = truth(&simulator, "generic", 0);
    simulator.generate(100);
    let after = truth(&simulator, "generic", 0);
    let used = |of| limit(of, "requests", "daily").used;
    assert!(
        used(&after) > used(&before),
        "they have traffic of their own"
    );

    let path = "copilot/copilot_internal/user";
    let told = direct(&simulator, path, "token gho-fake-copilot-0")
        .await
        .json();
    let account = truth(&simulator, "copilot", 0);
    let premium = limit(&account, "premium_interactions", "monthly");
    let left = premium.nominal - nominal_used(premium);
    let row = &told["quota_snapshots"]["premium_interactions"];
    assert_eq!(row["remaining"], left);
    assert_eq!(told["quota_reset_date"], "2026-12-01");
    assert_eq!(premium.reset_ms, Some(1_796_083_200_000));
    let told = direct(&simulator, path, "token gho-fake-copilot-1")
        .await
        .json();
    let account = truth(&simulator, "copilot", 1);
    let chat = limit(&account, "chat", "monthly");
    let left = chat.nominal - nominal_used(chat);
    assert_eq!(told["limited_user_quotas"]["chat"], left);

    let told = direct(&simulator, "kiro/getUsageLimits", "Bearer kiro-fake-1").await;
    let told = told.json();
    let account = truth(&simulator, "kiro", 1);
    let row = &told["usageBreakdownList"][0];
    let used = nominal_used(limit(&account, "credits", "monthly"));
    assert_eq!(row["currentUsageWithPrecision"], used);
    let used = nominal_used(limit(&account, "free_trial", "once"));
    assert_eq!(row["freeTrialInfo"]["currentUsageWithPrecision"], used);

    let told = direct(&simulator, "generic/quota", "Bearer generic-fake-0").await;
    let told = told.json();
    let limit = &truth(&simulator, "generic", 0).limits[0];
    assert_eq!(told["limits"][0]["used"], nominal_used(limit));
    assert_eq!(
        truth(&simulator, "generic", 0).calls["generic/quota"].calls,
        1
    );

    let wrong = direct(&simulator, "kiro/getUsageLimits", "Bearer generic-fake-0").await;
    assert_eq!(wrong.status, 401);
    let wrong = direct(&simulator, "generic/nowhere", "Bearer generic-fake-0").await;
    assert_eq!(wrong.status, 404);
}

async fn spoiled(simulator: &Simulator, of: &str, mode: &str) {
    let change = json!({ "quota": { of: { "mode": mode } } }).to_string();
    let answer = http(simulator.addr(), "POST", "/simulator/faults", &[], &change).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn every_status_can_be_had() {
    let (_, simulator) = pool(&["kimi"], 1).await;
    let account = truth(&simulator, "kimi", 0).account;
    for (mode, status) in [
        ("unauthorized", 401),
        ("payment_required", 402),
        ("forbidden", 403),
        ("not_found", 404),
        ("rate_limited", 429),
        ("server_error", 500),
    ] {
        spoiled(&simulator, "kimi", mode).await;
        assert_eq!(ask(&simulator, &account, KIMI).await.0, status);
    }
    let fault = QuotaFault {
        retry_after: Some(77),
        ..QuotaFault::from(QuotaFaultMode::RateLimited)
    };
    simulator.set_quota_fault("kimi", Some(fault));
    let told = api_call(&simulator, &call(&account, "GET", KIMI, "")).await;
    assert_eq!(told.json()["header"]["Retry-After"][0], "77");
    let change = json!({ "quota": { "kimi": null } }).to_string();
    http(simulator.addr(), "POST", "/simulator/faults", &[], &change).await;
    assert_eq!(ask(&simulator, &account, KIMI).await.0, 200);
}

#[tokio::test]
async fn bodies_can_be_anything() {
    let (_, simulator) = pool(&["codex", "kimi", "glm", "minimax"], 8).await;
    let of = |provider| truth(&simulator, provider, 0).account;
    let (codex, kimi) = (of("codex"), of("kimi"));

    spoiled(&simulator, "*", "html").await;
    let (status, body) = ask(&simulator, &codex, WHAM).await;
    assert!(status == 200 && body.as_str().unwrap().starts_with("<!DOCTYPE"));

    spoiled(&simulator, "*", "nan").await;
    let (_, body) = ask(&simulator, &kimi, KIMI).await;
    assert_eq!(body["usage"]["used"], "NaN");
    let (_, body) = ask(&simulator, &codex, WHAM).await;
    assert_eq!(body["rate_limit"]["primary_window"]["used_percent"], "NaN");

    spoiled(&simulator, "*", "bare_nan").await;
    let (_, body) = ask(&simulator, &codex, WHAM).await;
    assert!(body.as_str().unwrap().contains("\"used_percent\":NaN"));

    spoiled(&simulator, "*", "negative").await;
    let (_, body) = ask(&simulator, &codex, WHAM).await;
    let used = &body["rate_limit"]["primary_window"]["used_percent"];
    assert!(used.as_f64().unwrap() < 0.0);

    spoiled(&simulator, "*", "far_future").await;
    let (_, body) = ask(&simulator, &codex, WHAM).await;
    let reset = &body["rate_limit"]["primary_window"]["reset_at"];
    assert_eq!(reset, 253_402_300_799_i64);
    let (_, body) = ask(&simulator, &kimi, KIMI).await;
    assert_eq!(body["usage"]["resetTime"], "9999-12-31T23:59:59Z");

    spoiled(&simulator, "*", "error_inside").await;
    let (status, body) = ask(&simulator, &of("glm"), GLM).await;
    assert_eq!((status, &body["success"]), (200, &false.into()));
    let (status, body) = ask(&simulator, &of("minimax"), MINIMAX).await;
    assert_eq!(status, 200);
    assert_eq!(body["base_resp"]["status_code"], 1004);

    spoiled(&simulator, "*", "huge").await;
    let told = api_call(&simulator, &call(&codex, "GET", WHAM, "")).await;
    assert!(told.body.len() > 10 * 1024 * 1024);
}

#[tokio::test]
async fn a_fault_can_hit_one_account_and_end_by_itself() {
    let (_, simulator) = pool(&["kimi"], 2).await;
    let of = |nth| truth(&simulator, "kimi", nth).account;
    let fault = QuotaFault {
        times: Some(2),
        ..QuotaFault::from(QuotaFaultMode::Forbidden)
    };
    simulator.set_quota_fault(&of(1), Some(fault));
    let mut statuses = Vec::new();
    for nth in [0, 1, 1, 1] {
        statuses.push(ask(&simulator, &of(nth), KIMI).await.0);
    }
    assert_eq!(statuses, [200, 403, 403, 200]);
}

#[tokio::test]
async fn an_answer_may_never_come() {
    let faults = [("codex".to_owned(), QuotaFaultMode::Hang.into())];
    let simulator = start(SimulatorConfig {
        quota_faults: faults.into(),
        traffic: TrafficConfig::default(),
        ..SimulatorConfig::default()
    })
    .await;
    let account = truth(&simulator, "codex", 0).account;
    let asked = ask(&simulator, &account, WHAM);
    let waited = timeout(Duration::from_millis(100), asked).await;
    assert!(waited.is_err());
    simulator.set_quota_fault("codex", None);
    simulator.set_quota_fault("generic", Some(QuotaFaultMode::Hang.into()));
    let asked = direct(&simulator, "generic/quota", "Bearer generic-fake-0");
    let waited = timeout(Duration::from_millis(100), asked).await;
    assert!(waited.is_err());
    // The rest of the port is of no such mind.
    assert_eq!(ask(&simulator, &account, WHAM).await.0, 200);
    let calls = truth(&simulator, "codex", 0).calls;
    let calls = &calls["chatgpt.com/backend-api/wham/usage"];
    assert_eq!((calls.calls, calls.statuses[&200]), (2, 1));
}

#[tokio::test]
async fn a_stale_token_is_refused_until_it_is_refreshed() {
    let (_, simulator) = pool(&["codex", "antigravity"], 4).await;
    let account = truth(&simulator, "codex", 0).account;
    let stale = |account: &str| json!({ "auth_index": account, "expired": true });
    control(&simulator, "PATCH", &stale(&account)).await;
    assert_eq!(ask(&simulator, &account, WHAM).await.0, 401);
    let refresh = json!({ "auth_index": account, "refresh": true });
    control(&simulator, "PATCH", &refresh).await;
    assert_eq!(ask(&simulator, &account, WHAM).await.0, 200);
    // Those of Antigravity CPA refreshes before it asks.
    let account = truth(&simulator, "antigravity", 0).account;
    control(&simulator, "PATCH", &stale(&account)).await;
    let summary = format!("https://cloudcode-pa.googleapis.com/{SUMMARY}");
    assert_eq!(ask(&simulator, &account, &summary).await.0, 200);
    let entry: Value = super::asking::file(&simulator, &account).await.unwrap();
    assert!(entry["last_refresh"].is_string());
    // Requests fail as well while it is stale.
    let account = truth(&simulator, "codex", 1).account;
    control(&simulator, "PATCH", &stale(&account)).await;
    simulator.generate(40);
    let totals = simulator.totals();
    let series = totals.series.iter().filter(|one| one.auth_index == account);
    let made: Vec<_> = series.map(|one| one.produced).collect();
    assert!(!made.is_empty() && made.iter().all(|one| one.requests == one.failures));
}
