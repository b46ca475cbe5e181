//! Faults of CPA: refusals, outages, starvation, changes.

use std::time::Duration;

use cpa_exporter::simulator::{Clock, Management, Simulator};
use tempfile::tempdir;

use crate::harness::{Exporter, eventually, simulator};

/// Checks as often as allowed.
const CHECK: [&str; 2] = ["--cpa.check-interval", "5s"];

fn refused(reason: &str) -> String {
    format!("cpa_access_refused{{reason=\"{reason}\"}}")
}

async fn takes_records(simulator: &Simulator, exporter: &Exporter, n: usize) {
    let before = exporter
        .samples()
        .await
        .get("cpa_store_events")
        .copied()
        .unwrap_or(0.0);
    simulator.generate(n);
    let want = before + n as f64;
    exporter
        .when("records", |s| s.get("cpa_store_events") == Some(&want))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_costs_one_login_and_a_corrected_file_takes_effect() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "not-the-key-0123456789").unwrap();
    let url = format!("http://{}", simulator.addr());
    let flags = ["--cpa.management-key-file", key.to_str().unwrap()];
    let exporter = Exporter::start_at(&url, &[], &dir.path().join("data"), &flags).await;
    let page = exporter
        .when("refused", |s| s[&refused("wrong_key")] == 1.0)
        .await;
    assert_eq!(page["cpa_up"], 0.0);
    assert_eq!(exporter.get("/-/healthy", "").await.0, 200);
    let line = exporter.logged("refused the management key").await;
    assert!(line.contains("\"next_try\":\"5m\""), "{line}");
    // Four more failures would ban; a right key at once shows that there were fewer.
    std::fs::write(&key, format!("{}\n", simulator.management_key())).unwrap();
    exporter
        .when("access accepted", |s| {
            s[&refused("wrong_key")] == 0.0 && s["cpa_up"] == 1.0
        })
        .await;
    takes_records(&simulator, &exporter, 20).await;
    assert!(
        !exporter.log().contains("not-the-key"),
        "the key is in the log"
    );
}

/// CPA keeps open connections when its secret changes: records arrive, and new logins are refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_is_detected_while_records_need_no_login() {
    const OTHER: &str = "another-key-0123456789";
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, simulator.management_key()).unwrap();
    let url = format!("http://{}", simulator.addr());
    let flags = ["--cpa.management-key-file", key.to_str().unwrap()];
    let flags = [&flags[..], &CHECK[..]].concat();
    let exporter = Exporter::start_at(&url, &[], &dir.path().join("data"), &flags).await;
    takes_records(&simulator, &exporter, 20).await;
    simulator.change_management_key(OTHER);
    let page = exporter
        .when("refused", |s| s[&refused("wrong_key")] == 1.0)
        .await;
    assert_eq!(page["cpa_up"], 1.0);
    takes_records(&simulator, &exporter, 20).await;
    std::fs::write(&key, OTHER).unwrap();
    let page = exporter
        .when("access accepted", |s| s[&refused("wrong_key")] == 0.0)
        .await;
    // On the open connection.
    assert_eq!(page["cpa_ingest_reconnects_total{reason=\"down\"}"], 0.0);
    assert_eq!(page["cpa_ingest_reconnects_total{reason=\"refused\"}"], 0.0);
    takes_records(&simulator, &exporter, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_exposed_with_its_reason() {
    for (management, reason, mode) in [
        (Management::KeyNotSet, "no_key_set", "auto"),
        (Management::Home, "home_mode", "auto"),
        (Management::Disabled, "management_off", "auto"),
        (Management::Disabled, "management_off", "pop"),
        (Management::Disabled, "management_off", "http"),
    ] {
        let simulator = simulator(|config| config.management = management).await;
        let dir = tempdir().unwrap();
        let mode = ["--cpa.mode", mode];
        let exporter = Exporter::start(&simulator, dir.path(), &mode).await;
        exporter.when(reason, |s| s[&refused(reason)] == 1.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_is_retried_once_a_minute() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let client = reqwest_client();
    for _ in 0..5 {
        let url = format!("http://{}/v0/management/debug", simulator.addr());
        let answer = client.get(url).bearer_auth("wrong").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 401);
    }
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    exporter
        .when("banned", |s| s[&refused("banned")] == 1.0)
        .await;
    let line = exporter.logged("has banned this address").await;
    assert!(line.contains("\"next_try\":\"1m\""), "{line}");
}

fn reqwest_client() -> reqwest::Client {
    use cpa_exporter::http_client::{Proxy, Timeouts, build};
    build(Timeouts::default(), Proxy::Never, None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_competing_subscriber_switches_the_mode_to_subscribe() {
    let simulator = simulator(|config| config.traffic.rate = Some(20.0)).await;
    let dir = tempdir().unwrap();
    simulator.faults().set(|f| f.competing_subscriber = true);
    let exporter = Exporter::start(&simulator, dir.path(), &CHECK).await;
    exporter.logged("finding out why").await;
    let line = exporter.logged("another client takes records from").await;
    assert!(line.contains("\"popping\":0.0"), "{line}");
    let page = exporter
        .when("subscribing", |s| {
            s["cpa_ingest_mode{mode=\"subscribe\"}"] == 1.0
                && s["cpa_ingest_reconnects_total{reason=\"starved\"}"] == 1.0
        })
        .await;
    assert_eq!(page["cpa_ingest_complete"], 0.0);
    let before = page.get("cpa_store_events").copied().unwrap_or(0.0);
    exporter
        .when("records", |s| {
            s.get("cpa_store_events").copied().unwrap_or(-1.0) > before + 20.0
        })
        .await;
    exporter
        .when("fed", |s| s["cpa_ingest_starved"] == 0.0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_survives_restarts_cuts_and_errors() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    takes_records(&simulator, &exporter, 50).await;
    simulator.restart().await.unwrap();
    takes_records(&simulator, &exporter, 50).await;
    simulator.faults().set(|f| f.refuse_connections = true);
    simulator.faults().set(|f| f.cut_replies = 1);
    // The reply that is cut in the middle of its frame.
    simulator.generate(1);
    exporter.when("down", |s| s["cpa_up"] == 0.0).await;
    simulator.faults().set(|f| f.refuse_connections = false);
    exporter.when("up again", |s| s["cpa_up"] == 1.0).await;
    exporter.logged("CPA is unreachable").await;
    exporter.logged("CPA is reachable again").await;
    takes_records(&simulator, &exporter, 50).await;
    let page = exporter.samples().await;
    assert!(page["cpa_ingest_reconnects_total{reason=\"down\"}"] >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_errors_lose_nothing() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let flags = ["--cpa.mode", "http", "--cpa.http-poll-interval", "500ms"];
    let exporter = Exporter::start(&simulator, dir.path(), &flags).await;
    takes_records(&simulator, &exporter, 100).await;
    simulator.faults().set(|f| f.http_503 = true);
    exporter.when("down", |s| s["cpa_up"] == 0.0).await;
    simulator.generate(100);
    simulator.faults().set(|f| f.http_503 = false);
    exporter
        .when("all", |s| {
            s.get("cpa_store_events").copied().unwrap_or(-1.0) == 200.0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_records_of_a_stopping_cpa_are_ingested() {
    // A real CPA closed connections 270 ms after its last request had ended.
    let grace = Duration::from_millis(600);
    let simulator = simulator(|config| config.shutdown_grace = grace).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    takes_records(&simulator, &exporter, 10).await;
    simulator.generate(5);
    simulator
        .shutdown_with_in_flight(3, Duration::from_millis(800))
        .await;
    exporter
        .when("18", |s| {
            s.get("cpa_store_events").copied().unwrap_or(-1.0) == 18.0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_statistics_are_logged_and_can_be_enabled() {
    let simulator = simulator(|config| config.usage_statistics = false).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, &dir.path().join("a"), &CHECK).await;
    exporter
        .when("off", |s| {
            s.get("cpa_usage_statistics_enabled") == Some(&0.0)
        })
        .await;
    exporter.logged("usage-statistics-enabled: true").await;
    exporter.terminate().await;
    let flags = [
        "--cpa.manage-usage-statistics",
        "--cpa.check-interval",
        "5s",
    ];
    let exporter = Exporter::start(&simulator, &dir.path().join("b"), &flags).await;
    exporter
        .when("on", |s| {
            s.get("cpa_usage_statistics_enabled") == Some(&1.0)
        })
        .await;
    takes_records(&simulator, &exporter, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_reads_the_key_again() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &["--web.enable-lifecycle"]).await;
    takes_records(&simulator, &exporter, 10).await;
    exporter.signal("HUP");
    exporter.logged("configuration reloaded").await;
    takes_records(&simulator, &exporter, 10).await;
    let page = exporter.samples().await;
    assert_eq!(page["cpa_exporter_config_last_reload_successful"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_is_disconnected_and_reconnects() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &["--cpa.mode", "subscribe"]).await;
    eventually("subscribed", async || {
        (simulator.subscribers() == 1).then_some(())
    })
    .await;
    exporter.signal("STOP");
    simulator.generate(60_000);
    eventually("cut", async || (simulator.subscribers() == 0).then_some(())).await;
    exporter.signal("CONT");
    exporter
        .when("counted", |s| s["cpa_ingest_subscriber_cuts_total"] >= 1.0)
        .await;
    let lost = simulator.totals().cut;
    exporter
        .when("the rest", |s| {
            s.get("cpa_store_events").copied().unwrap_or(-1.0) >= (60_000 - lost) as f64
        })
        .await;
    takes_records(&simulator, &exporter, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_and_a_short_retention_are_logged() {
    let ahead = Duration::from_mins(2);
    let simulator = simulator(|config| {
        let system = Clock::system();
        config.clock = Clock::new(move || system.now().saturating_add(ahead));
        config.retention = Duration::from_secs(4);
    })
    .await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    let page = exporter
        .when("skew", |s| s.contains_key("cpa_clock_skew_seconds"))
        .await;
    let skew = page["cpa_clock_skew_seconds"];
    assert!((115.0..125.0).contains(&skew), "{skew}");
    exporter
        .logged("the clocks of CPA and of this machine differ")
        .await;
    exporter.logged("CPA's retention is short").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_complete_records_of_a_cut_reply_are_kept() {
    let simulator = simulator(|config| config.traffic.backlog = 1000).await;
    let dir = tempdir().unwrap();
    simulator.faults().set(|f| f.cut_replies = 3);
    let exporter = Exporter::start(&simulator, dir.path(), &["--cpa.mode", "pop"]).await;
    eventually("drained", async || {
        (simulator.totals().queued == 0).then_some(())
    })
    .await;
    let page = exporter
        .when("committed", |s| {
            s["cpa_ingest_reconnects_total{reason=\"down\"}"] >= 3.0
                && s.get("cpa_spool_pending_bytes").copied().unwrap_or(-1.0) == 0.0
                && s.get("cpa_store_events").copied().unwrap_or(-1.0) > 900.0
        })
        .await;
    // The first pops request 16 records; about half of each cut reply was complete.
    let missing = 1000.0 - page["cpa_store_events"];
    assert!(
        (3.0..=3.0 * 16.0 * 0.6).contains(&missing),
        "{missing} missing"
    );
    assert_eq!(page["cpa_ingest_rejects_total{reason=\"json\"}"], 0.0);
    let losses = page["cpa_ingest_losses_total{reason=\"reply_cut\"}"];
    assert_eq!(losses, missing, "each lost record is counted");
    assert_eq!(page["cpa_ingest_complete"], 0.0);
}
