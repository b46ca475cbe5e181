//! A real Prometheus and a real promtool read the page.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cpa_exporter::simulator::Simulator;
use tempfile::tempdir;

use crate::harness::{Exporter, eventually, simulator, stored};

/// The program, or a skip with a message. In CI a missing program is a failure.
pub(crate) fn program(name: &str) -> Option<&str> {
    let mut asked = Command::new(name);
    asked
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if asked.status().is_ok() {
        return Some(name);
    }
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{name} is not installed"
    );
    let mut stderr = std::io::stderr();
    writeln!(
        stderr,
        "SKIPPED: {name} is not installed; scripts/test installs it"
    )
    .unwrap();
    None
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Killed on drop.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start_prometheus(dir: &Path, target: &str) -> (Process, String) {
    start_prometheus_with(dir, target, "")
}

/// `settings` are lines of the scrape configuration.
pub(crate) fn start_prometheus_with(dir: &Path, target: &str, settings: &str) -> (Process, String) {
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs:\n- job_name: cpa\n  static_configs: [{{targets: ['{target}']}}]\n{settings}"
    );
    let file = dir.join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("tsdb").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .arg("--enable-feature=exemplar-storage")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Process(child), format!("http://{address}"))
}

pub(crate) async fn query(base: &str, path: &str) -> Option<serde_json::Value> {
    use cpa_exporter::http_client::{Proxy, Timeouts, build};
    let client = build(Timeouts::default(), Proxy::Never, None).unwrap();
    let body = client
        .get(format!("{base}{path}"))
        .send()
        .await
        .ok()?
        .bytes()
        .await
        .ok()?;
    serde_json::from_slice(&body).ok()
}

/// The result of `increase()`: growth between samples, a decrease being a reset to zero.
fn growth(series: &serde_json::Value) -> (f64, f64) {
    let values: Vec<f64> = series["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sample| sample[1].as_str().unwrap().parse().unwrap())
        .collect();
    let steps = values
        .windows(2)
        .map(|w| if w[1] >= w[0] { w[1] - w[0] } else { w[1] });
    (values[0], steps.sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn increase_over_a_restart_equals_the_database() {
    if program("prometheus").is_none() {
        return;
    }
    let simulator = simulator(|config| {
        config.traffic.rate = Some(60.0);
        config.traffic.records = Some(800);
    })
    .await;
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let flags = [
        "--web.listen-address",
        listen.as_str(),
        "--metrics.zero-hold",
        "2s",
    ];
    let exporter = Exporter::start(&simulator, &data, &flags).await;
    let (_prometheus, base) = start_prometheus(dir.path(), &listen);
    let scraped = async || {
        let up = query(&base, "/api/v1/query?query=up").await?;
        (up["data"]["result"][0]["value"][1] == "1").then_some(())
    };
    eventually("scraped", scraped).await;
    // Counted in the database: a scrape of the test would count as having seen new series before
    // Prometheus has seen them at zero.
    let holds = async |n: f64| {
        eventually("records", async || (stored(&data)[0] > n).then_some(())).await;
    };
    holds(300.0).await;
    exporter.terminate().await;
    let _exporter = Exporter::start(&simulator, &data, &flags).await;
    let want = eventually("all stored", async || {
        let popped = simulator.totals().popped.records as f64;
        let all = simulator.is_traffic_over() && simulator.totals().queued == 0;
        (all && stored(&data)[0] == popped).then_some(popped)
    })
    .await;
    assert!(want >= 800.0, "{want}");
    let path = "/api/v1/query?query=cpa_requests_total%5B10m%5D";
    eventually("increase equals the sum", async || {
        let answer = query(&base, path).await?;
        let series = answer["data"]["result"].as_array()?.clone();
        let mut total = 0.0;
        for one in &series {
            let (first, grown) = growth(one);
            assert_eq!(first, 0.0, "{} is first seen at {first}", one["metric"]);
            total += grown;
        }
        (total == want).then_some(())
    })
    .await;
    scraped_well(&base).await;
}

/// No error at the target, and exemplars with request ids.
async fn scraped_well(base: &str) {
    let targets = query(base, "/api/v1/targets").await.unwrap();
    assert_eq!(targets["data"]["activeTargets"][0]["lastError"], "");
    let exemplars =
        "/api/v1/query_exemplars?query=cpa_request_duration_seconds_bucket&start=0&end=4000000000";
    let exemplars = query(base, exemplars).await.unwrap();
    let first = &exemplars["data"][0]["exemplars"][0]["labels"]["request_id"];
    assert!(
        first.as_str().is_some_and(|id| !id.is_empty()),
        "{exemplars}"
    );
}

/// Families without samples here: the simulator never sends the one, the other needs local rules.
const NOT_SIMULATED: [&str; 2] = [
    "cpa_quota_reset_credits",
    "cpa_quota_oldest_expiry_timestamp_seconds",
];

/// Waits until every family of accounts and quotas has a sample.
async fn all_families(exporter: &Exporter, simulator: &Simulator) {
    let listening = async || (simulator.error_subscribers() > 0).then_some(());
    eventually("listening", listening).await;
    let account = simulator.quotas().accounts.remove(0).account;
    let event = serde_json::json!({ "auth_index": account, "status_code": 500, "body": "{}",
        "auth_status": { "status": "active" } });
    simulator.push_error(event.to_string());
    let docs = include_str!("../../docs/metrics.md");
    let families = docs
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let starts = ["cpa_account", "cpa_quota_", "cpa_credits_", "cpa_spend_"];
    let families = families.filter(|family| starts.iter().any(|start| family.starts_with(start)));
    let families: Vec<&str> = families
        .filter(|family| !NOT_SIMULATED.contains(family))
        .collect();
    assert!(families.len() > 25, "{families:?}");
    exporter
        .when("records and quotas", |s| {
            let is_there = |family: &&str| s.keys().any(|name| name.starts_with(*family));
            s.get("cpa_store_events") == Some(&3000.0) && families.iter().all(is_there)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_reports_no_problem() {
    if program("promtool").is_none() {
        return;
    }
    let simulator = simulator(|config| {
        config.traffic.backlog = 3000;
        config.traffic.accounts = 38;
        config.states = true;
    })
    .await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    all_families(&exporter, &simulator).await;
    let page = exporter.page().await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
    assert_eq!(String::from_utf8_lossy(&said), "");
}
