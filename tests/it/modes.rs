//! Every ingest mode from the simulator to the page, with exact token counts.

use cpa_exporter::simulator::{Simulator, Totals};
use tempfile::tempdir;

use crate::harness::{Exporter, Samples, counted, database, samples, simulator, stored, sum};

const RECORDS: usize = 1500;
const STEP: usize = 150;

/// Generates half of the records before the exporter starts and half after, and compares.
async fn equal_to_the_token(simulator: &Simulator, flags: &[&str]) -> String {
    let dir = tempdir().unwrap();
    simulator.generate(RECORDS / 2);
    let exporter = Exporter::start(simulator, dir.path(), flags).await;
    exporter.ready().await;
    let arrived = |n: usize| {
        move |s: &Samples| {
            s.get("cpa_store_events")
                .is_some_and(|events| *events >= n as f64)
        }
    };
    exporter.when("first half", arrived(RECORDS / 2)).await;
    // In steps that fit a subscriber's buffer of 256 records on a slow machine.
    for step in 1..=RECORDS / 2 / STEP {
        simulator.generate(STEP);
        exporter
            .when("next step", arrived(RECORDS / 2 + step * STEP))
            .await;
    }
    let totals = simulator.totals();
    let want = expected(&totals);
    let page = exporter.when("shown", |s| counted(s) == want).await;
    assert_eq!(stored(dir.path()), want);
    compare_series(&page, &totals, dir.path());
    let (_, open_metrics) = exporter
        .get("/metrics", "application/openmetrics-text")
        .await;
    assert!(open_metrics.ends_with("# EOF\n"));
    assert_eq!(counted(&samples(&open_metrics)), want);
    let (status, log) = exporter.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    log
}

fn expected(totals: &Totals) -> [f64; 3] {
    let mut want = [0.0; 3];
    for series in &totals.series {
        want[0] += series.produced.requests as f64;
        want[1] += series.produced.failures as f64;
        want[2] += series.produced.tokens.total() as f64;
    }
    want
}

/// One series of each kind.
fn compare_series(page: &Samples, totals: &Totals, directory: &std::path::Path) {
    let conn = database(directory);
    let label = |auth_index: &str| -> String {
        let sql = "SELECT label FROM dimension WHERE dimension = 5 AND value = ?1";
        conn.query_row(sql, [auth_index], |row| row.get(0)).unwrap()
    };
    assert!(totals.series.len() > 10);
    for series in &totals.series {
        let labels = format!(
            "provider=\"{}\",model=\"{}\",account=\"{}\"",
            series.provider,
            series.model,
            label(&series.auth_index)
        );
        let requests = page[&format!("cpa_requests_total{{{labels}}}")];
        assert_eq!(requests, series.produced.requests as f64, "{labels}");
        let kinds = [
            "input",
            "cache_read",
            "cache_write",
            "output",
            "reasoning",
            "unclassified",
        ];
        for (kind, want) in kinds.iter().zip(series.produced.tokens.by_kind()) {
            let got = page[&format!("cpa_tokens_total{{{labels},kind=\"{kind}\"}}")];
            assert_eq!(got, want as f64, "{labels} {kind}");
        }
    }
    let by_client = sum(page, "cpa_client_tokens_total");
    assert_eq!(by_client, sum(page, "cpa_tokens_total"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pop() {
    let simulator = simulator(|_| {}).await;
    equal_to_the_token(&simulator, &["--cpa.mode", "pop"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribe() {
    let simulator = simulator(|_| {}).await;
    equal_to_the_token(&simulator, &["--cpa.mode", "subscribe"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_of_v7() {
    let simulator = simulator(|_| {}).await;
    let flags = ["--cpa.mode", "http", "--cpa.http-poll-interval", "500ms"];
    let log = equal_to_the_token(&simulator, &flags).await;
    assert!(log.contains("\"api\":\"v0\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_of_v8() {
    let simulator = simulator(|config| config.version = "8.0.10".parse().unwrap()).await;
    let flags = ["--cpa.mode", "http", "--cpa.http-poll-interval", "500ms"];
    let log = equal_to_the_token(&simulator, &flags).await;
    assert!(log.contains("\"api\":\"v8\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_pop() {
    for version in ["6.9.38", "7.0.7"] {
        let simulator = simulator(|config| config.version = version.parse().unwrap()).await;
        let dir = tempdir().unwrap();
        simulator.generate(300);
        let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
        let want = expected(&simulator.totals());
        exporter.when(version, |s| counted(s)[0] == want[0]).await;
        assert_eq!(stored(dir.path())[0], want[0], "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_selects_http_where_resp_was_removed() {
    let simulator = simulator(|config| config.version = "7.1.17".parse().unwrap()).await;
    let flags = ["--cpa.http-poll-interval", "500ms"];
    let log = equal_to_the_token(&simulator, &flags).await;
    assert!(log.contains("serves no RESP"), "{log}");
}
