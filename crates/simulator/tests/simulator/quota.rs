//! The plans behind the records: they fill with traffic, are used up, and reset.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cpa_exporter_simulator::{SimulatorConfig, TrafficConfig};
use serde_json::{Value, json};

use super::support::{Client, KEY, get, http, movable, start};

/// Eleven hours of traffic at one request per second, made in steps of a minute without waiting.
async fn two_windows() -> Vec<Value> {
    let (millis, clock) = movable();
    let simulator = start(SimulatorConfig {
        clock,
        retention: Duration::from_hours(24),
        traffic: TrafficConfig {
            // Sizes the plans; with no record left the driver itself makes none.
            rate: Some(1.0),
            records: Some(0),
            ..TrafficConfig::default()
        },
        ..SimulatorConfig::default()
    })
    .await;
    for _ in 0..11 * 60 {
        simulator.generate(60);
        millis.fetch_add(60_000, Ordering::Relaxed);
    }
    let mut client = Client::authenticated(simulator.addr()).await;
    let records = client.pop(100_000).await;
    let records = records.iter().map(|record| serde_json::from_slice(record));
    records.collect::<Result<_, _>>().unwrap()
}

fn header(record: &Value, name: &str) -> Option<u64> {
    record["response_headers"][name][0].as_str()?.parse().ok()
}

#[tokio::test]
async fn plans_fill_up_and_reset() {
    let records = two_windows().await;
    let mut resets: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for record in &records {
        let used = header(record, "X-Codex-Primary-Used-Percent");
        let reset = header(record, "X-Codex-Primary-Reset-At");
        if let (Some(used), Some(reset)) = (used, reset) {
            let account = record["auth_index"].as_str().unwrap();
            resets.entry(account).or_default().push((reset, used));
        }
    }
    for readings in resets.values() {
        // Within a window the share only grows, and a reset only moves forward.
        assert!(readings.is_sorted());
        assert!(readings.first().unwrap().0 < readings.last().unwrap().0);
    }
    let limited = records.iter().filter(|record| {
        let body = record["fail"]["body"].as_str().unwrap();
        body.contains("usage_limit_reached")
    });
    let limited = limited.count();
    assert!(limited > 0, "no plan was ever used up");
    let failed = records.iter().filter(|record| record["failed"] == true);
    let failed = failed.count();
    // CPA goes round an account whose plan is used up.
    assert!(failed * 10 < records.len(), "{failed} of {}", records.len());
}

#[tokio::test]
async fn an_account_that_is_switched_off_gets_no_traffic() {
    let simulator = start(SimulatorConfig::default()).await;
    let files = get(&simulator, "/v0/management/auth-files").await.json();
    let files = files["files"].as_array().unwrap();
    let claude = files.iter().find(|file| file["provider"] == "claude");
    let claude = claude.expect("an account of Claude");
    let mut subscriber = Client::subscribed(simulator.addr()).await;
    let body = json!({ "name": claude["name"], "disabled": true }).to_string();
    let key = [("X-Management-Key", KEY)];
    let path = "/v0/management/auth-files/status";
    let answer = http(simulator.addr(), "PATCH", path, &key, &body).await;
    assert_eq!(answer.status, 200);
    let told = String::from_utf8(subscriber.frame().await).unwrap();
    assert!(told.contains(r#"{"refresh":true}"#));
    simulator.generate(200);
    let totals = simulator.totals();
    let mut series = totals.series.iter();
    assert!(series.all(|one| claude["auth_index"] != *one.auth_index));
}

#[tokio::test]
async fn api_call_and_records_tell_the_same_quota() {
    let (_, clock) = movable();
    let simulator = start(SimulatorConfig {
        clock,
        traffic: TrafficConfig {
            providers: vec!["codex".to_owned()],
            accounts: 1,
            backlog: 50,
            ..TrafficConfig::default()
        },
        ..SimulatorConfig::default()
    })
    .await;
    let mut client = Client::authenticated(simulator.addr()).await;
    let records = client.pop(50).await;
    let records = records
        .iter()
        .rev()
        .map(|record| serde_json::from_slice(record).unwrap());
    let newest: Value = records
        .into_iter()
        .find(|record: &Value| header(record, "X-Codex-Primary-Used-Percent").is_some())
        .expect("a record with quota");
    let files = get(&simulator, "/v0/management/auth-files").await.json();
    let ask = json!({
        "auth_index": files["files"][0]["auth_index"], "method": "GET",
        "url": "https://chatgpt.com/backend-api/wham/usage",
        "header": { "Authorization": "Bearer $TOKEN$" },
    });
    let key = [("X-Management-Key", KEY)];
    let path = "/v0/management/api-call";
    let answer = http(simulator.addr(), "POST", path, &key, &ask.to_string())
        .await
        .json();
    let told: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let window = &told["rate_limit"]["primary_window"];
    assert_eq!(
        window["reset_at"].as_u64(),
        header(&newest, "X-Codex-Primary-Reset-At")
    );
    assert_eq!(
        window["used_percent"].as_u64(),
        header(&newest, "X-Codex-Primary-Used-Percent")
    );
}
