//! How fresh the page is under a steady load.

use tempfile::tempdir;

use crate::harness::{Exporter, simulator};

/// A thousand records a second for eight seconds: 99 of 100 are committed within a second.
async fn fresh_within_a_second(mode: &str) {
    let simulator = simulator(|config| {
        config.traffic.rate = Some(1000);
        config.traffic.records = Some(8000);
    })
    .await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &["--cpa.mode", mode]).await;
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
}

#[tokio::test(flavor = "multi_thread")]
async fn popping() {
    fresh_within_a_second("pop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribing() {
    fresh_within_a_second("subscribe").await;
}
