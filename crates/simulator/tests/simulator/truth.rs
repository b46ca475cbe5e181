//! The truth about quotas: traffic fills them, every reading agrees with them, and they reset.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cpa_exporter_core::model::UnixNanos;
use cpa_exporter_simulator::{Clock, SimulatorConfig, TrafficConfig};
use serde_json::Value;

use super::asking::{
    CLAUDE, GLM, GOOGLE, KIMI, MINIMAX, WHAM, XAI, ask, file, limit, nominal_used, percent, pool,
    set_used, truth,
};
use super::support::{Client, start};

async fn newest(client: &mut Client) -> Value {
    let records = client.pop(100_000).await;
    serde_json::from_slice(records.last().expect("a record")).unwrap()
}

fn header<'a>(record: &'a Value, name: &str) -> &'a str {
    record["response_headers"][name][0].as_str().expect(name)
}

fn tokens(record: &Value) -> u64 {
    record["token_breakdown"]["total_tokens"].as_u64().unwrap()
}

#[tokio::test]
async fn what_traffic_uses_is_what_is_counted() {
    let (_, simulator) = pool(&["codex"], 1).await;
    let before = truth(&simulator, "codex", 0);
    simulator.generate(200);
    let mut client = Client::authenticated(simulator.addr()).await;
    let records = client.pop(1_000).await;
    let records: Vec<Value> = records
        .iter()
        .map(|record| serde_json::from_slice(record).unwrap())
        .collect();
    let sum: u64 = records.iter().map(tokens).sum();
    let after = truth(&simulator, "codex", 0);
    for window in ["5h", "weekly"] {
        let (before, after) = (
            limit(&before, "main", window),
            limit(&after, "main", window),
        );
        assert_eq!(after.used - before.used, sum);
        assert_eq!((after.counts, after.resets), ("tokens", 0));
    }
}

#[tokio::test]
async fn limits_of_some_models_count_those_only() {
    let (_, simulator) = pool(&["claude"], 2).await;
    let before = truth(&simulator, "claude", 1);
    simulator.generate(300);
    let after = truth(&simulator, "claude", 1);
    let grown = |name| limit(&after, name, "weekly").used - limit(&before, name, "weekly").used;
    let scoped = [grown("opus"), grown("sonnet"), grown("fable")];
    assert!(scoped.iter().all(|&grown| grown > 0));
    assert!(scoped.iter().sum::<u64>() < grown("main"), "Haiku has none");
}

#[tokio::test]
async fn codex_tells_the_truth_in_headers_and_when_asked() {
    let (_, simulator) = pool(&["codex"], 1).await;
    simulator.generate(1);
    let mut client = Client::authenticated(simulator.addr()).await;
    let record = newest(&mut client).await;
    let account = truth(&simulator, "codex", 0);
    let (status, told) = ask(&simulator, &account.account, WHAM).await;
    assert_eq!(status, 200);
    assert_eq!(told["plan_type"], account.plan);
    for (window, name, block) in [
        ("5h", "Primary", "primary_window"),
        ("weekly", "Secondary", "secondary_window"),
    ] {
        let (limit, told) = (limit(&account, "main", window), &told["rate_limit"][block]);
        assert_eq!(told["used_percent"], percent(limit));
        assert_eq!(told["limit_window_seconds"], limit.window_seconds);
        assert_eq!(told["reset_at"], limit.reset_ms.unwrap() / 1000);
        let header = |suffix| header(&record, &format!("X-Codex-{name}-{suffix}")).to_owned();
        assert_eq!(header("Used-Percent"), percent(limit).to_string());
        assert_eq!(
            header("Reset-At"),
            (limit.reset_ms.unwrap() / 1000).to_string()
        );
        assert_eq!(
            header("Window-Minutes"),
            (limit.window_seconds / 60).to_string()
        );
    }
}

#[tokio::test]
async fn plans_of_codex_differ_in_their_windows() {
    let (_, simulator) = pool(&["codex"], 16).await;
    let told = async |plan: &str| {
        let quotas = simulator.quotas();
        let mut accounts = quotas.accounts.iter();
        // Keys of the same provider have no plan that tells more than the plainest.
        let account = accounts.find(|one| one.plan == plan).expect("the plan");
        ask(&simulator, &account.account, WHAM).await.1
    };
    let pro = told("pro").await;
    assert_eq!(
        pro["additional_rate_limits"][0]["metered_feature"],
        "codex_bengalfox"
    );
    assert!(pro["code_review_rate_limit"]["primary_window"]["used_percent"].is_u64());
    let team = told("team").await;
    let month = &team["rate_limit"]["primary_window"]["limit_window_seconds"];
    assert_eq!(month, 43_800 * 60);
    assert!(team["rate_limit"]["secondary_window"].is_null());
    assert!(team["spend_control"]["individual_limit"]["limit"].is_string());
    assert_eq!(told("prolite").await["credits"]["has_credits"], true);
}

#[tokio::test]
async fn claude_tells_the_truth_in_headers_and_when_asked() {
    let (_, simulator) = pool(&["claude"], 1).await;
    simulator.generate(1);
    let mut client = Client::authenticated(simulator.addr()).await;
    let record = newest(&mut client).await;
    let account = truth(&simulator, "claude", 0);
    let (_, told) = ask(&simulator, &account.account, CLAUDE).await;
    for (window, name, key) in [("5h", "5h", "five_hour"), ("weekly", "7d", "seven_day")] {
        let limit = limit(&account, "main", window);
        let share = limit.used * 10_000 / limit.capacity;
        let header = |suffix: &str| {
            let name = format!("Anthropic-Ratelimit-Unified-{name}-{suffix}");
            header(&record, &name).to_owned()
        };
        assert_eq!(header("Utilization"), format!("0.{share:04}"));
        assert_eq!(
            header("Reset"),
            (limit.reset_ms.unwrap() / 1000).to_string()
        );
        let utilization = told[key]["utilization"].as_f64().unwrap();
        assert!((utilization - limit.used_ratio * 100.0).abs() < 0.11);
        let reset: jiff::Timestamp = told[key]["resets_at"].as_str().unwrap().parse().unwrap();
        // The session's has microseconds, which the header has not.
        assert_eq!(reset.as_second(), limit.reset_ms.unwrap() / 1000);
    }
    let profile = CLAUDE.replace("usage", "profile");
    let (_, profile) = ask(&simulator, &account.account, &profile).await;
    let tier = &profile["organization"]["rate_limit_tier"];
    assert_eq!(tier, "default_claude_max_5x");
}

#[tokio::test]
async fn every_provider_tells_the_truth() {
    let providers = ["antigravity", "kimi", "xai", "gemini-cli", "glm", "minimax"];
    let (_, simulator) = pool(&providers, 12).await;
    simulator.generate(100);
    let of = |provider| truth(&simulator, provider, 0);

    let (account, summary) = (of("antigravity"), "retrieveUserQuotaSummary");
    let (_, told) = ask(&simulator, &account.account, &format!("{GOOGLE}{summary}")).await;
    let left = told["groups"][0]["buckets"][0]["remainingFraction"].as_f64();
    let used = limit(&account, "gemini", "5h").used_ratio;
    assert!((left.unwrap() + used - 1.0).abs() < 0.000_11);

    let account = of("kimi");
    let (_, told) = ask(&simulator, &account.account, KIMI).await;
    let used = nominal_used(limit(&account, "main", "5h"));
    assert_eq!(told["limits"][0]["detail"]["used"], used.to_string());

    let account = of("xai");
    let (_, told) = ask(&simulator, &account.account, XAI).await;
    let used = nominal_used(limit(&account, "spend", "monthly"));
    assert_eq!(told["config"]["used"]["val"], used);
    let weekly = format!("{XAI}?format=credits");
    let (_, told) = ask(&simulator, &account.account, &weekly).await;
    let used = percent(limit(&account, "main", "weekly"));
    assert_eq!(told["config"]["creditUsagePercent"], used);

    let account = of("gemini-cli");
    let quota = format!("{GOOGLE}retrieveUserQuota");
    let (_, told) = ask(&simulator, &account.account, &quota).await;
    let limit_of = limit(&account, "gemini-2.5-pro", "daily");
    let left = limit_of.nominal - nominal_used(limit_of);
    assert_eq!(told["buckets"][0]["remainingAmount"], left.to_string());
    let tier = format!("{GOOGLE}loadCodeAssist");
    let (_, told) = ask(&simulator, &account.account, &tier).await;
    assert_eq!(told["currentTier"]["id"], account.plan);

    let account = of("glm");
    let (_, told) = ask(&simulator, &account.account, GLM).await;
    assert_eq!(
        (&told["success"], &told["code"]),
        (&true.into(), &200.into())
    );
    let rows = told["data"]["limits"].as_array().unwrap();
    assert_eq!(
        rows[0]["percentage"],
        percent(limit(&account, "main", "5h"))
    );
    let reset = limit(&account, "main", "weekly").reset_ms;
    assert_eq!(rows[1]["nextResetTime"].as_i64(), reset);

    let account = of("minimax");
    let (_, told) = ask(&simulator, &account.account, MINIMAX).await;
    assert_eq!(told["base_resp"]["status_code"], 0);
    let (row, short) = (&told["model_remains"][0], limit(&account, "general", "5h"));
    let used = nominal_used(short);
    assert_eq!(row["current_interval_usage_count"], used);
    let old = MINIMAX.replace("token_plan", "coding_plan");
    let (_, told) = ask(&simulator, &account.account, &old).await;
    let row = &told["model_remains"][0];
    assert_eq!(row["current_interval_usage_count"], short.nominal - used);
}

/// Fills a limit and looks at what becomes of the account until the reset.
async fn used_up(provider: &str, name: &str, window: &str, body: &str) {
    let (millis, simulator) = pool(&[provider], 1).await;
    let account = truth(&simulator, provider, 0);
    let index = &account.account;
    simulator.generate(1);
    set_used(&simulator, index, &format!("{name}/{window}"), 1.0).await;
    // Each model rests only once it was refused.
    simulator.generate(60);
    let mut client = Client::authenticated(simulator.addr()).await;
    let record = newest(&mut client).await;
    assert_eq!(record["fail"]["status_code"], 429, "{provider}");
    let told = record["fail"]["body"].as_str().unwrap();
    assert!(told.contains(body), "{provider}: {told}");

    let full = truth(&simulator, provider, 0);
    let full = limit(&full, name, window);
    assert!(full.used_ratio >= 1.0);
    let entry = file(&simulator, index).await.expect("its auth file");
    assert_eq!(
        (&entry["status"], &entry["unavailable"]),
        (&"error".into(), &true.into())
    );
    assert!(entry["status_message"].as_str().unwrap().contains(body));
    let retry: jiff::Timestamp = entry["next_retry_after"].as_str().unwrap().parse().unwrap();
    assert_eq!(Some(retry.as_millisecond()), full.reset_ms, "{provider}");

    millis.store(full.reset_ms.unwrap(), Ordering::Relaxed);
    let after = truth(&simulator, provider, 0);
    let after = limit(&after, name, window);
    assert_eq!((after.used, after.resets), (0, full.resets + 1));
    simulator.generate(60);
    let entry = file(&simulator, index).await.expect("its auth file");
    assert_eq!(entry["unavailable"], false);
    let records = client.pop(1_000).await;
    let failed = records.iter().filter(|record| {
        let record: Value = serde_json::from_slice(record).unwrap();
        record["failed"] == true
    });
    assert!(failed.count() * 5 < records.len(), "{provider} works again");
}

#[tokio::test]
async fn a_used_up_account_is_refused_and_rests_until_its_reset() {
    used_up("codex", "main", "5h", "usage_limit_reached").await;
    used_up("claude", "main", "5h", "rate_limit_error").await;
    used_up("kimi", "main", "weekly", "rate_limit_exceeded").await;
    used_up("xai", "main", "weekly", "rate_limit_exceeded").await;
}

#[tokio::test]
async fn codex_names_the_reset_when_it_refuses() {
    let (_, simulator) = pool(&["codex"], 1).await;
    let account = truth(&simulator, "codex", 0);
    set_used(&simulator, &account.account, "main/weekly", 1.0).await;
    simulator.generate(1);
    let mut client = Client::authenticated(simulator.addr()).await;
    let record = newest(&mut client).await;
    let body: Value = serde_json::from_str(record["fail"]["body"].as_str().unwrap()).unwrap();
    let week = truth(&simulator, "codex", 0);
    let reset = limit(&week, "main", "weekly").reset_ms.unwrap() / 1000;
    assert_eq!(body["error"]["resets_at"], reset);
    assert_eq!(body["error"]["plan_type"], account.plan);
    let reached = header(&record, "X-Codex-Rate-Limit-Reached-Type");
    assert_eq!(reached, "secondary");
    assert_eq!(header(&record, "X-Codex-Secondary-Used-Percent"), "100");
    let (_, told) = ask(&simulator, &account.account, WHAM).await;
    assert_eq!(told["rate_limit"]["limit_reached"], true);
}

#[tokio::test]
async fn a_session_begins_with_its_first_request() {
    let (millis, simulator) = pool(&["claude"], 1).await;
    let account = truth(&simulator, "claude", 0).account;
    millis.fetch_add(6 * 3_600_000, Ordering::Relaxed);
    let (_, told) = ask(&simulator, &account, CLAUDE).await;
    assert!(told["five_hour"]["resets_at"].is_null());
    assert_eq!(told["five_hour"]["utilization"], 0.0);
    let used = || limit(&truth(&simulator, "claude", 0), "main", "5h").used;
    while used() == 0 {
        simulator.generate(1);
    }
    let begun = millis.load(Ordering::Relaxed);
    let session = truth(&simulator, "claude", 0);
    let session = limit(&session, "main", "5h");
    assert_eq!(session.reset_ms, Some(begun + 5 * 3_600_000));
    assert_eq!(session.resets, 1);
}

#[tokio::test]
async fn windows_that_passed_unseen_are_counted() {
    let (millis, simulator) = pool(&["kimi"], 1).await;
    let before = truth(&simulator, "kimi", 0);
    let hours = 24 * 5;
    millis.fetch_add(hours * 3_600_000, Ordering::Relaxed);
    let after = truth(&simulator, "kimi", 0);
    assert_eq!(limit(&after, "main", "5h").resets, 24);
    let moved = limit(&after, "main", "5h").reset_ms.unwrap();
    assert_eq!(
        moved - limit(&before, "main", "5h").reset_ms.unwrap(),
        hours * 3_600_000
    );
}

#[tokio::test]
async fn time_can_go_faster_everywhere() {
    let (millis, clock) = super::support::movable();
    let start_ms = millis.load(Ordering::Relaxed);
    let simulator = start(SimulatorConfig {
        clock,
        time_scale: 3_600,
        traffic: TrafficConfig {
            rate: Some(100.0),
            records: Some(0),
            providers: vec!["codex".to_owned()],
            accounts: 1,
            ..TrafficConfig::default()
        },
        ..SimulatorConfig::default()
    })
    .await;
    simulator.generate(1);
    let first = truth(&simulator, "codex", 0);
    // Ten seconds are ten hours, in which the session has ended.
    millis.fetch_add(10_000, Ordering::Relaxed);
    let now = start_ms + 10 * 3_600_000;
    assert_eq!(simulator.clock().now().as_millis(), now);
    assert_eq!(simulator.quotas().now_ms, now);
    simulator.generate(1);
    let second = truth(&simulator, "codex", 0);
    assert_eq!(limit(&second, "main", "5h").resets, 1);
    assert!(limit(&second, "main", "5h").capacity == limit(&first, "main", "5h").capacity);
    let mut client = Client::authenticated(simulator.addr()).await;
    // Retention keeps to the clock: after ten of sixty seconds both records are there.
    let records = client.pop(10).await;
    assert_eq!(records.len(), 2);
    let record: Value = serde_json::from_slice(&records[1]).unwrap();
    let made: jiff::Timestamp = record["timestamp"].as_str().unwrap().parse().unwrap();
    let latency = record["latency_ms"].as_i64().unwrap();
    assert!((made.as_millisecond() + latency - now).abs() < 5_000);
    let (_, told) = ask(&simulator, &second.account, WHAM).await;
    let reset = told["rate_limit"]["primary_window"]["reset_at"].as_i64();
    assert_eq!(reset, Some(now / 1000 + 5 * 3_600));
}

#[test]
fn a_scaled_clock_agrees_at_its_start() {
    let slow = Clock::new(|| UnixNanos::from_millis(1_000));
    let fast = slow.scaled(60);
    assert_eq!(fast.now(), slow.now());
    let (millis, slow) = super::support::movable();
    let fast = slow.scaled(60);
    let start = fast.now();
    millis.fetch_add(1_000, Ordering::Relaxed);
    assert_eq!(fast.now().since(start), Duration::from_mins(1));
}
