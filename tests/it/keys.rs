//! API keys of CPA's configuration, whose only known state is their failure count.

use cpa_exporter::simulator::Simulator;
use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::accounts::{all_named, status};
use crate::cpa::Cpa;
use crate::harness::{Exporter, account_labels as labels, eventually, simulator};

const FLAGS: [&str; 2] = ["--accounts.interval", "1s"];

/// An exporter that knows the counts of all keys and then sees that one is cooling down.
async fn with_cooling_key(simulator: &Simulator) -> (Exporter, TempDir, String) {
    simulator.generate(500);
    let index = Cpa::new(simulator).keys().await.pop_first().unwrap();
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(simulator, dir.path(), &FLAGS).await;
    all_named(&exporter, 16).await;
    eventually("listening", async || {
        (simulator.error_subscribers() > 0).then_some(())
    })
    .await;
    let event = json!({
        "timestamp": "2026-11-22T04:37:00Z", "model": "m", "auth_index": index, "status_code": 429, "body": "{}",
        "auth_status": {
            "status": "error", "status_message": "quota exhausted", "disabled": false, "unavailable": true,
            "next_retry_after": "2199-01-01T00:00:00Z", "quota": { "exceeded": true, "reason": "quota" },
        },
    });
    simulator.push_error(event.to_string());
    becomes(&exporter, &index, "cooling").await;
    (exporter, dir, index)
}

async fn becomes(exporter: &Exporter, index: &str, wanted: &str) {
    let page = exporter
        .when(wanted, |s| status(s, index).as_deref() == Some(wanted))
        .await;
    let up = format!("cpa_account_up{{{}}}", labels(&page)[index]);
    assert_eq!(page[&up], f64::from(u8::from(wanted != "cooling")));
}

/// CPA keeps cool-downs in memory only.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_cpa_ends_the_cooldown_of_a_key() {
    let simulator = simulator(|_| {}).await;
    let (exporter, _dir, index) = with_cooling_key(&simulator).await;
    simulator.restart().await.unwrap();
    becomes(&exporter, &index, "unknown").await;
}

/// As after `reset-quota`, or with another model.
#[tokio::test(flavor = "multi_thread")]
async fn a_success_ends_the_cooldown_of_a_key() {
    let simulator = simulator(|_| {}).await;
    let (exporter, _dir, index) = with_cooling_key(&simulator).await;
    eventually("free", async || {
        simulator.generate(50);
        let page = exporter.samples().await;
        (status(&page, &index).as_deref() == Some("unknown")).then_some(())
    })
    .await;
}
