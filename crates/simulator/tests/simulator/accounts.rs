//! Accounts in every state, in great number, and as they come and go.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use cpa_exporter_simulator::{CpaVersion, Simulator, SimulatorConfig, TrafficConfig};
use serde_json::{Value, json};

use super::asking::{WHAM, api_call, ask, call, control, file, set_used, truth};
use super::support::{Client, KEY, bulks, command, frozen, get, http, movable, start};

async fn many(version: CpaVersion, accounts: usize, states: bool) -> Simulator {
    start(SimulatorConfig {
        clock: frozen(),
        version,
        states,
        traffic: TrafficConfig {
            accounts,
            ..TrafficConfig::default()
        },
        ..SimulatorConfig::default()
    })
    .await
}

#[tokio::test]
async fn five_hundred_accounts_of_ten_providers_and_more() {
    let simulator = many(CpaVersion::CAPTURED, 500, true).await;
    let quotas = simulator.quotas();
    assert!(quotas.accounts.len() >= 500);
    let providers: BTreeSet<&str> = quotas
        .accounts
        .iter()
        .map(|one| one.provider.as_str())
        .collect();
    for provider in [
        "codex",
        "claude",
        "antigravity",
        "kimi",
        "xai",
        "gemini-cli",
        "glm",
        "minimax",
        "copilot",
        "kiro",
    ] {
        assert!(providers.contains(provider), "{provider}");
    }
    let indexes: BTreeSet<&str> = quotas
        .accounts
        .iter()
        .map(|one| one.account.as_str())
        .collect();
    assert_eq!(indexes.len(), quotas.accounts.len());
    simulator.generate(2_000);
    let files = get(&simulator, "/v0/management/auth-files").await.json();
    let files = files["files"].as_array().unwrap();
    let states: BTreeSet<&str> = files
        .iter()
        .map(|f| f["status"].as_str().unwrap())
        .collect();
    let all = [
        "active",
        "disabled",
        "error",
        "pending",
        "refreshing",
        "unknown",
    ];
    assert_eq!(states, BTreeSet::from(all));
    assert!(files.iter().any(|file| file["unavailable"] == true));
    assert!(files.iter().any(|file| file["last_refresh"].is_string()));
    let totals = simulator.totals();
    let off = files.iter().filter(|file| file["status"] == "disabled");
    for file in off {
        let mut series = totals.series.iter();
        assert!(series.all(|one| file["auth_index"] != *one.auth_index));
    }
}

#[tokio::test]
async fn equal_seeds_give_equal_quotas() {
    let one = many(CpaVersion::CAPTURED, 40, true).await;
    let two = many(CpaVersion::CAPTURED, 40, true).await;
    one.generate(500);
    two.generate(500);
    assert_eq!(one.quotas(), two.quotas());
}

/// Asking must not change the records that come later.
#[tokio::test]
async fn looking_changes_nothing() {
    let one = many(CpaVersion::new(8, 0, 10), 20, false).await;
    let two = many(CpaVersion::new(8, 0, 10), 20, false).await;
    let account = truth(&one, "codex", 0).account;
    for _ in 0..3 {
        ask(&one, &account, WHAM).await;
        get(&one, "/v8/management/credentials").await;
        get(&one, "/v0/management/auth-files").await;
    }
    one.generate(50);
    two.generate(50);
    let mut clients = [
        Client::authenticated(one.addr()).await,
        Client::authenticated(two.addr()).await,
    ];
    assert!(clients[0].pop(50).await == clients[1].pop(50).await);
}

async fn refreshed(subscriber: &mut Client) {
    let told = String::from_utf8(subscriber.frame().await).unwrap();
    assert!(told.contains(r#"{"refresh":true}"#), "{told}");
}

#[tokio::test]
async fn accounts_come_change_and_go_and_subscribers_are_told() {
    let simulator = start(SimulatorConfig::default()).await;
    let mut subscriber = Client::subscribed(simulator.addr()).await;
    let new = json!({ "provider": "codex", "plan": "pro" });
    let added = control(&simulator, "POST", &new).await.json();
    refreshed(&mut subscriber).await;
    let account = added["auth_index"].as_str().unwrap();
    let entry = file(&simulator, account).await.expect("a new file");
    assert_eq!(entry["id_token"]["plan_type"], "pro");
    assert_eq!(ask(&simulator, account, WHAM).await.1["plan_type"], "pro");
    let has_traffic = |simulator: &Simulator| {
        let totals = simulator.totals();
        totals.series.iter().any(|one| one.auth_index == account)
    };
    while !has_traffic(&simulator) {
        simulator.generate(50);
        drop(subscriber);
        subscriber = Client::subscribed(simulator.addr()).await;
    }

    let change = json!({ "auth_index": account, "plan": "team" });
    control(&simulator, "PATCH", &change).await;
    refreshed(&mut subscriber).await;
    assert_eq!(ask(&simulator, account, WHAM).await.1["plan_type"], "team");
    let until = 1_800_000_000_000_i64;
    let change = json!({ "auth_index": account, "subscription_until_ms": until });
    control(&simulator, "PATCH", &change).await;
    refreshed(&mut subscriber).await;
    let entry = file(&simulator, account).await.expect("its file");
    let told = &entry["id_token"]["chatgpt_subscription_active_until"];
    assert_eq!(told, "2027-01-15T08:00:00+00:00");

    control(&simulator, "DELETE", &json!({ "auth_index": account })).await;
    refreshed(&mut subscriber).await;
    assert!(file(&simulator, account).await.is_none());
    let before = simulator.totals();
    let told = api_call(&simulator, &call(account, "GET", WHAM, "")).await;
    assert_eq!(told.json()["status_code"], 401);
    simulator.set_usage_statistics(true);
    drop(subscriber);
    simulator.generate(500);
    let made = |totals: &cpa_exporter_simulator::Totals| -> u64 {
        let series = totals.series.iter().filter(|one| one.auth_index == account);
        series.map(|one| one.produced.requests).sum()
    };
    assert_eq!(made(&simulator.totals()), made(&before));
}

#[tokio::test]
async fn a_key_is_listed_while_it_is_configured() {
    let simulator = start(SimulatorConfig::default()).await;
    let added = control(&simulator, "POST", &json!({ "provider": "glm" })).await;
    let added = added.json();
    let listed = async || {
        let path = "/v0/management/openai-compatibility";
        let list = get(&simulator, path).await.json();
        let entries = list["openai-compatibility"].as_array().unwrap();
        let glm = entries.iter().find(|entry| entry["name"] == "glm");
        glm.map(|entry| entry["api-key-entries"][0]["auth-index"].clone())
    };
    assert_eq!(listed().await, Some(added["auth_index"].clone()));
    let which = json!({ "auth_index": added["auth_index"] });
    control(&simulator, "DELETE", &which).await;
    assert_eq!(listed().await, None);
}

#[tokio::test]
async fn unknown_accounts_plans_and_limits_are_refused() {
    let simulator = start(SimulatorConfig::default()).await;
    let account = truth(&simulator, "codex", 0).account;
    for (method, body, status) in [
        ("POST", json!({ "provider": "nobody" }), 400),
        ("POST", json!({ "provider": "codex", "plan": "none" }), 400),
        ("PATCH", json!({ "auth_index": "ff" }), 404),
        (
            "PATCH",
            json!({ "auth_index": account, "plan": "none" }),
            400,
        ),
        (
            "PATCH",
            json!({ "auth_index": account, "used": { "x/y": 1 } }),
            400,
        ),
        ("PATCH", json!({ "auth_index": account, "no_such": 1 }), 400),
        ("DELETE", json!({ "auth_index": "ff" }), 404),
    ] {
        let body = body.to_string();
        let path = "/simulator/accounts";
        let answer = http(simulator.addr(), method, path, &[], &body).await;
        assert_eq!(answer.status, status, "{method} {body}");
    }
}

#[tokio::test]
async fn with_nobody_left_there_are_no_records() {
    let simulator = many(CpaVersion::CAPTURED, 1, false).await;
    let account = truth(&simulator, "codex", 0).account;
    let off = json!({ "auth_index": account, "disabled": true });
    control(&simulator, "PATCH", &off).await;
    simulator.generate(10);
    assert_eq!(simulator.totals().produced.records, 0);
}

#[tokio::test]
async fn errors_tell_of_a_used_up_quota() {
    let simulator = many(CpaVersion::CAPTURED, 1, false).await;
    let account = truth(&simulator, "codex", 0).account;
    let mut client = Client::authenticated(simulator.addr()).await;
    client.send(&command(&["SUBSCRIBE", "errors"])).await;
    client.frame().await;
    set_used(&simulator, &account, "main/5h", 1.0).await;
    simulator.generate(1);
    let event = bulks(&client.frame().await).pop().expect("a payload");
    let event: Value = serde_json::from_slice(&event).unwrap();
    assert_eq!(event["status_code"], 429);
    assert_eq!(event["retryable"], true);
    let model = &event["auth_status"]["model"];
    assert_eq!(model["quota"]["exceeded"], true);
    assert_eq!(model["quota"]["next_recover_at"], model["next_retry_after"]);
    assert_eq!(model["unavailable"], true);
    // Other models have not been refused yet.
    assert_eq!(event["auth_status"]["unavailable"], false);
}

#[tokio::test]
async fn a_cooldown_ends_when_cpa_is_told_to_reset_it() {
    let simulator = many(CpaVersion::CAPTURED, 1, false).await;
    let account = truth(&simulator, "codex", 0).account;
    set_used(&simulator, &account, "main/5h", 1.0).await;
    simulator.generate(30);
    let entry = file(&simulator, &account).await.expect("its file");
    assert_eq!(entry["unavailable"], true);
    let body = json!({ "auth_index": account }).to_string();
    let key = [("X-Management-Key", KEY)];
    let path = "/v0/management/reset-quota";
    http(simulator.addr(), "POST", path, &key, &body).await;
    let entry = file(&simulator, &account).await.expect("its file");
    assert_eq!(
        (&entry["status"], &entry["unavailable"]),
        (&"active".into(), &false.into())
    );
    // What is used stays used.
    simulator.generate(1);
    let entry = file(&simulator, &account).await.expect("its file");
    assert_eq!(entry["status"], "error");
}

/// From CPA's sources; none was run.
#[tokio::test]
async fn v8_tells_cooldowns_and_quotas() {
    let simulator = many(CpaVersion::new(8, 0, 4), 40, false).await;
    let account = truth(&simulator, "claude", 0).account;
    set_used(&simulator, &account, "main/5h", 1.0).await;
    simulator.generate(400);
    let path = format!("/v8/management/credentials?auth_index={account}");
    let told = get(&simulator, &path).await.json();
    let entry = &told["files"][0];
    let cooldown = &entry["cooldowns"][0];
    assert_eq!(cooldown["scope"], "credential");
    assert_eq!(cooldown["reason"], "credential_quota");
    assert_eq!(cooldown["retry_at"], entry["next_retry_after"]);
    let signals = &entry["quota"]["signals"];
    assert_eq!(signals["Anthropic-Ratelimit-Unified-5h-Status"], "rejected");
    assert_eq!(entry["supports_quota"], false);

    let key = [("X-Management-Key", KEY)];
    let fetch = async |simulator: &Simulator, account: &str| {
        let body = json!({ "auth_index": account }).to_string();
        let path = "/v8/management/credentials/quota/fetch";
        http(simulator.addr(), "POST", path, &key, &body).await
    };
    let none = fetch(&simulator, &account).await;
    assert_eq!(none.status, 501);
    let plugin = truth(&simulator, "gemini-cli", 0);
    let told = fetch(&simulator, &plugin.account).await.json();
    let left = told["groups"][0]["buckets"][0]["remainingFraction"].as_f64();
    let used = plugin.limits[0].used_ratio;
    assert!((left.unwrap() + used - 1.0).abs() < 0.000_11);
    assert_eq!(told["subscription"]["plan"], plugin.plan);
    let later = many(CpaVersion::new(8, 0, 10), 40, false).await;
    assert_eq!(fetch(&later, &plugin.account).await.status, 404);
}

/// CPA keeps the last answer's headers as they were, even past the reset they name.
#[tokio::test]
async fn v8_signals_are_those_of_the_last_answer() {
    let (millis, clock) = movable();
    let simulator = start(SimulatorConfig {
        clock,
        version: CpaVersion::new(8, 0, 10),
        traffic: TrafficConfig {
            accounts: 1,
            ..TrafficConfig::default()
        },
        ..SimulatorConfig::default()
    })
    .await;
    simulator.generate(20);
    let quota = async || {
        let told = get(&simulator, "/v8/management/credentials").await.json();
        told["files"][0]["quota"].clone()
    };
    let before = quota().await;
    let used = truth(&simulator, "codex", 0).limits[0].used_ratio;
    millis.fetch_add(6 * 3_600_000, Ordering::Relaxed);
    assert_eq!(quota().await, before);
    let ended = truth(&simulator, "codex", 0).limits[0].used_ratio;
    assert!(ended < used);
    simulator.restart().await.unwrap();
    assert!(quota().await.is_null(), "CPA keeps them in memory only");
}
