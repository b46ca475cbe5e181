//! How fresh the page is under a steady load.

use cpa_exporter::simulator::QuotaFaultMode;
use tempfile::tempdir;

use crate::harness::{Exporter, simulator, sum};

/// A thousand records a second for eight seconds: 99 of 100 are committed within a second.
async fn fresh_within_a_second(mode: &str, flags: &[&str], faults: &[(&str, QuotaFaultMode)]) {
    let simulator = simulator(|config| {
        config.traffic.rate = Some(1000);
        config.traffic.records = Some(8000);
        let faults = faults
            .iter()
            .map(|(of, mode)| ((*of).to_owned(), (*mode).into()));
        config.quota_faults = faults.collect();
    })
    .await;
    let dir = tempdir().unwrap();
    let flags = [&["--cpa.mode", mode], flags].concat();
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    let page = exporter
        .when("all", |s| s.get("cpa_store_events") == Some(&8000.0))
        .await;
    let within = page["cpa_ingest_lag_seconds_bucket{le=\"1.0\"}"];
    assert!(
        within >= 0.99 * page["cpa_ingest_lag_seconds_count"],
        "{within} within a second"
    );
    assert_eq!(page["cpa_ingest_subscriber_cuts_total"], 0.0);
    assert_eq!(page["cpa_ingest_complete"], 1.0);
    let failures = sum(&page, "cpa_quota_poll_failures_total");
    assert_eq!(failures > 0.0, !faults.is_empty(), "{failures} failures");
}

#[tokio::test(flavor = "multi_thread")]
async fn popping() {
    fresh_within_a_second("pop", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribing() {
    fresh_within_a_second("subscribe", &[], &[]).await;
}

/// As many polls as can be wait for answers that never come.
#[tokio::test(flavor = "multi_thread")]
async fn while_no_provider_answers() {
    let flags = [
        "--quota.concurrency",
        "32",
        "--quota.timeout",
        "2s",
        "--quota.interval",
        "1s",
    ];
    let faults = [("*", QuotaFaultMode::Hang)];
    fresh_within_a_second("subscribe", &flags, &faults).await;
}
