//! Traffic as it happens: its rate, who is told, and what CPA counts beside the records.

use cpa_exporter_simulator::TrafficConfig;
use serde_json::Value;

use super::support::{Client, bulks, command, eventually, get, http, start};
use super::traffic::{backlog, config};

#[tokio::test]
async fn traffic_flows_at_its_rate_until_it_is_over() {
    let simulator = start(config(TrafficConfig {
        rate: Some(20_000.0),
        records: Some(700),
        ..TrafficConfig::default()
    }))
    .await;
    eventually("all records made", || simulator.is_traffic_over()).await;
    assert_eq!(simulator.totals().produced.records, 700);
}

#[tokio::test]
async fn a_subscriber_that_reads_keeps_up() {
    // Far more than CPA's buffer of 256 in all, and never more than it between two reads.
    const BURST: usize = 200;
    let simulator = start(config(TrafficConfig::default())).await;
    let mut client = Client::subscribed(simulator.addr()).await;
    for _ in 0..15 {
        simulator.generate(BURST);
        for _ in 0..BURST {
            client.frame().await;
        }
    }
    let totals = simulator.totals();
    assert_eq!((totals.cut, totals.queued), (0, 0));
    assert_eq!(totals.published.records, 3_000);
}

#[tokio::test]
async fn an_endless_queue_never_runs_dry() {
    let simulator = start(config(TrafficConfig {
        endless: true,
        ..TrafficConfig::default()
    }))
    .await;
    let mut client = Client::authenticated(simulator.addr()).await;
    for _ in 0..3 {
        assert_eq!(client.pop(250).await.len(), 250);
    }
}

/// CPA's own counters grow whoever takes the records, and whether or not there are any.
#[tokio::test]
async fn credential_counters_follow_the_traffic_and_not_the_records() {
    let simulator = start(config(TrafficConfig::default())).await;
    let counted = async || {
        let files = get(&simulator, "/v0/management/auth-files").await.json();
        let keys = get(&simulator, "/v0/management/api-key-usage").await.json();
        let of =
            |entry: &Value| entry["success"].as_u64().unwrap() + entry["failed"].as_u64().unwrap();
        let files: u64 = files["files"].as_array().unwrap().iter().map(of).sum();
        let keys = keys.as_object().unwrap().values();
        let keys: u64 = keys
            .flat_map(|keys| keys.as_object().unwrap().values())
            .map(of)
            .sum();
        files + keys
    };
    assert_eq!(counted().await, 0);
    simulator.set_usage_statistics(false);
    simulator.generate(1_000);
    let unrecorded = counted().await;
    // A few percent are aborted or keyless, which CPA does not count.
    assert!((900..1_000).contains(&unrecorded), "{unrecorded}");
    assert_eq!(simulator.totals().unrecorded, 1_000);
    simulator.set_usage_statistics(true);
    simulator.faults().set(|f| f.competing_subscriber = true);
    simulator.generate(1_000);
    assert!(counted().await > unrecorded + 900);
    assert_eq!(simulator.totals().taken_by_competitor, 1_000);
    simulator.restart().await.unwrap();
    assert_eq!(counted().await, 0);
}

#[tokio::test]
async fn totals_are_served_without_a_key() {
    let simulator = start(config(backlog(10))).await;
    let answer = http(simulator.addr(), "GET", "/simulator/totals", &[], "").await;
    assert_eq!(answer.status, 200);
    let totals = answer.json();
    assert_eq!(totals["queued"], 10);
    assert!(totals["series"][0]["produced"]["tokens"]["cache_read"].is_u64());
}

#[tokio::test]
async fn failed_attempts_are_told_on_the_errors_channel() {
    let simulator = start(config(TrafficConfig::default())).await;
    let mut client = Client::authenticated(simulator.addr()).await;
    client.send(&command(&["SUBSCRIBE", "errors"])).await;
    client.frame().await;
    // Usage statistics are of no matter to it.
    simulator.set_usage_statistics(false);
    simulator.generate(300);
    let event = bulks(&client.frame().await).pop().expect("a payload");
    let event: Value = serde_json::from_slice(&event).unwrap();
    assert!(event["status_code"].as_u64().unwrap() >= 400);
    assert_eq!(event["auth_status"]["status"], "error");
    assert_eq!(event["auth_status"]["status_message"], event["body"]);
    assert_eq!(event["auth_status"]["model"]["name"], event["model"]);
}
