//! Whether the page says that the numbers are complete, in all cases in which they are and are not.

use std::time::{Duration, Instant};

use cpa_exporter::simulator::{Management, Simulator};
use tempfile::tempdir;

use crate::harness::{Exporter, Samples, eventually, simulator};

/// Checks as often as allowed.
const CHECK: [&str; 2] = ["--cpa.check-interval", "5s"];
/// CPA's retention.
const RETENTION: Duration = Duration::from_secs(4);
const GAP: &str = "cpa_ingest_gap_seconds_total";

async fn busy(rate: f64) -> Simulator {
    simulator(|config| config.traffic.rate = Some(rate)).await
}

async fn short_retention() -> Simulator {
    simulator(|config| {
        config.retention = RETENTION;
        config.traffic.rate = Some(20.0);
    })
    .await
}

fn complete(page: &Samples) -> Option<f64> {
    page.get("cpa_ingest_complete").copied()
}

fn mode(page: &Samples, mode: &str) -> bool {
    page[&format!("cpa_ingest_mode{{mode=\"{mode}\"}}")] == 1.0
}

/// Waits until CPA's switches and counts have been read.
async fn settled(exporter: &Exporter) {
    exporter
        .when("records and counts", |s| {
            s.get("cpa_store_events")
                .is_some_and(|events| *events > 20.0)
                && s.contains_key("cpa_usage_statistics_enabled")
                && s.keys().any(|name| name.starts_with("cpa_account_info"))
        })
        .await;
    exporter
        .when("complete", |s| complete(s) == Some(1.0))
        .await;
}

/// A time in which the exporter does nothing, as the subject of a test.
async fn pass(length: Duration) {
    let begin = Instant::now();
    eventually("the time to pass", async || {
        (begin.elapsed() >= length).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_popper_that_takes_half_is_told_and_auto_subscribes() {
    let simulator = busy(40.0).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    settled(&exporter).await;
    simulator.faults().set(|f| f.competing_popper = 50);
    exporter.logged("finding out why").await;
    let line = exporter.logged("another client takes records from").await;
    assert!(line.contains("\"subscribed\""), "{line}");
    let page = exporter
        .when("subscribing", |s| {
            mode(s, "subscribe") && complete(s) == Some(0.0)
        })
        .await;
    assert_eq!(page[GAP], 0.0);
    // Nobody can take a subscriber's records.
    exporter
        .when("fed", |s| s["cpa_ingest_starved"] == 0.0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cpa_counts_without_a_record_are_no_loss() {
    let simulator = busy(10.0).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    settled(&exporter).await;
    let counting = async {
        loop {
            simulator.count_without_record(5);
            pass(Duration::from_millis(250)).await;
        }
    };
    tokio::select! {
        () = counting => {}
        line = exporter.logged("no other client takes records") => {
            assert!(line.contains("\"popping\":0."), "{line}");
        }
    }
    let page = exporter.when("popping again", |s| mode(s, "pop")).await;
    assert_eq!(complete(&page), Some(1.0));
    assert_eq!((page["cpa_ingest_starved"], page[GAP]), (0.0, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_beyond_the_retention_is_a_gap_and_a_known_loss_survives_a_restart() {
    let simulator = short_retention().await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    settled(&exporter).await;
    exporter.terminate().await;
    let stopped = Duration::from_secs(8);
    pass(stopped).await;
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    let page = exporter.when("gap", |s| s[GAP] > 0.0).await;
    let gap = Duration::from_secs_f64(page[GAP]);
    assert!(gap + RETENTION >= stopped, "{gap:?}");
    assert!(gap < stopped + Duration::from_secs(20), "{gap:?}");
    assert_eq!(complete(&page), Some(0.0));
    let line = exporter.logged("records may be missing").await;
    assert!(line.contains("the exporter was stopped"), "{line}");
    // The next restart alone is no gap.
    simulator.set_retention(Duration::from_hours(1));
    exporter.terminate().await;
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    let page = exporter
        .when("restored", |s| {
            complete(s) == Some(0.0) && s["cpa_up"] == 1.0
        })
        .await;
    assert_eq!(page[GAP], 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_traffic_is_no_gap() {
    let simulator = simulator(|config| config.retention = RETENTION).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    simulator.generate(50);
    settled(&exporter).await;
    exporter.terminate().await;
    pass(2 * RETENTION).await;
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    let page = exporter
        .when("complete", |s| complete(s) == Some(1.0))
        .await;
    assert_eq!(page[GAP], 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_cpa_is_no_gap_and_a_cut_network_is_one() {
    let simulator = short_retention().await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    simulator.generate(2000);
    settled(&exporter).await;
    // Until these counts have been read.
    pass(Duration::from_secs(7)).await;
    simulator.faults().set(|f| {
        f.refuse_connections = true;
        f.close_at_pops = 1;
    });
    exporter.when("down", |s| s["cpa_up"] == 0.0).await;
    pass(2 * RETENTION).await;
    simulator.restart().await.unwrap();
    simulator.faults().set(|f| f.refuse_connections = false);
    exporter.logged("CPA was restarted").await;
    settled(&exporter).await;
    assert_eq!(exporter.samples().await[GAP], 0.0);
    // CPA serves on and drops what nobody reads.
    simulator.faults().set(|f| {
        f.refuse_connections = true;
        f.close_at_pops = 1;
    });
    exporter.when("down", |s| s["cpa_up"] == 0.0).await;
    exporter
        .when("not complete", |s| complete(s) != Some(1.0))
        .await;
    pass(2 * RETENTION).await;
    simulator.faults().set(|f| f.refuse_connections = false);
    let page = exporter.when("gap", |s| s[GAP] > 0.0).await;
    assert_eq!(complete(&page), Some(0.0));
    exporter.logged("the queue was not read for longer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_disabled_statistics_is_a_gap() {
    let simulator = busy(20.0).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    settled(&exporter).await;
    simulator.set_usage_statistics(false);
    let page = exporter
        .when("off", |s| {
            s["cpa_usage_statistics_enabled"] == 0.0 && s[GAP] >= 3.0
        })
        .await;
    assert_eq!(complete(&page), Some(0.0));
    simulator.set_usage_statistics(true);
    exporter.logged("usage statistics are on again").await;
    let page = exporter
        .when("on", |s| s["cpa_usage_statistics_enabled"] == 1.0)
        .await;
    assert_eq!(complete(&page), Some(0.0));
    assert_eq!(page["cpa_ingest_starved"], 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_disabled_management_is_a_gap() {
    let simulator = busy(20.0).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    settled(&exporter).await;
    simulator.set_management(Management::Disabled);
    exporter.when("down", |s| s["cpa_up"] == 0.0).await;
    pass(Duration::from_secs(3)).await;
    simulator.set_management(Management::Enabled);
    // The exporter tries again after 30 s. CPA's retention, an hour here, does not count.
    let page = exporter.when("gap", |s| s[GAP] >= 3.0).await;
    assert_eq!(complete(&page), Some(0.0));
    exporter.logged("management was off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cpa_that_was_never_reached_is_not_complete() {
    let dir = tempdir().unwrap();
    let key = [("CPA_MANAGEMENT_KEY", "key-0123456789")];
    let exporter = Exporter::start_at("http://127.0.0.1:9", &key, dir.path(), &CHECK).await;
    exporter.logged("CPA is unreachable").await;
    assert_eq!(complete(&exporter.samples().await), None);
}
