//! Failed logins: one per key value, because five ban the exporter's address.

use std::fs;

use cpa_exporter::simulator::Simulator;
use tempfile::tempdir;

use crate::harness::{Exporter, eventually, simulator};

const NEW_KEY: &str = "the-key-after-the-rotation";
const REFUSED: &str = r#"cpa_access_refused{reason="wrong_key"}"#;

/// CPA's secret changes while eight polls run in parallel; the key file follows after four reloads.
async fn rotate(simulator: &Simulator, mode: &str) {
    let dir = tempdir().unwrap();
    let file = dir.path().join("key");
    fs::write(&file, simulator.management_key()).unwrap();
    let url = format!("http://{}", simulator.addr());
    let flags = [
        ["--cpa.management-key-file", file.to_str().unwrap()],
        ["--cpa.mode", mode],
        ["--quota.concurrency", "8"],
    ];
    let data = dir.path().join("data");
    let exporter = Exporter::start_at(&url, &[], &data, flags.as_flattened()).await;
    let polls = |simulator: &Simulator| {
        let accounts = simulator.quotas().accounts;
        let calls = accounts.iter().flat_map(|account| account.calls.values());
        calls.map(|calls| calls.calls).sum::<u64>()
    };
    eventually("polls", async || (polls(simulator) > 8).then_some(())).await;

    simulator.change_management_key(NEW_KEY);
    exporter.signal("USR1");
    exporter.when("refused", |page| page[REFUSED] == 1.0).await;
    for reloads in 1..=4 {
        exporter.signal("HUP");
        eventually("reloaded", async || {
            let lines = exporter.log();
            let lines = lines.matches("\"message\":\"configuration reloaded\"");
            (lines.count() == reloads).then_some(())
        })
        .await;
        exporter.signal("USR1");
    }
    fs::write(&file, NEW_KEY).unwrap();
    exporter.signal("HUP");
    exporter
        .when("accepted", |page| {
            page[REFUSED] == 0.0 && page["cpa_up"] == 1.0
        })
        .await;
    let log = exporter.terminate().await.1;
    assert_eq!(simulator.failed_logins(), 1, "{mode}\n{log}");
    assert!(
        log.contains("another key is tried at once, the same one after a pause"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_costs_one_failed_login_with_eight_polls_in_parallel() {
    for mode in ["pop", "subscribe", "http"] {
        let simulator = simulator(|_| {}).await;
        rotate(&simulator, mode).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_with_an_unknown_text_costs_one_failed_login() {
    for mode in ["pop", "http"] {
        let simulator = simulator(|_| {}).await;
        simulator
            .faults()
            .set(|faults| faults.unknown_refusals = true);
        rotate(&simulator, mode).await;
    }
}
