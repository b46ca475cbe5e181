//! Use of one model's own limit fires no alert about the plan: records, exporter, shipped rules.

use std::process::Command;
use std::time::Duration;

use cpa_exporter::clock::Clock;
use cpa_exporter::simulator::{Simulator, SimulatorConfig, TrafficConfig};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Process, eventually, eventually_or, free_port, get, have, read, root};

/// A record of the fixture with the current time and this account.
fn record(line: &str, account: &str, change: impl FnOnce(&mut Value)) -> String {
    let now = Clock::system().now().as_millis() / 1000;
    let at = jiff::Timestamp::from_second(now).unwrap().to_string();
    let mut record: Value = serde_json::from_str(line).unwrap();
    record["timestamp"] = at.into();
    record["auth_index"] = account.into();
    for (name, values) in record["response_headers"].as_object_mut().unwrap() {
        let after = values[0].as_str().unwrap().strip_prefix("@epoch+");
        if let Some(after) = after.map(|after| after.parse::<i64>().unwrap()) {
            assert!(name.ends_with("-Reset-At"));
            *values = json!([(now + after).to_string()]);
        }
    }
    change(&mut record);
    record.to_string()
}

/// A CPA with one Codex account and no simulated traffic.
async fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        retention: Duration::from_hours(1),
        traffic: TrafficConfig {
            providers: vec!["codex".to_owned()],
            accounts: 1,
            ..TrafficConfig::default()
        },
        ..SimulatorConfig::default()
    })
    .await
    .unwrap()
}

fn exporter(simulator: &Simulator, dir: &std::path::Path, address: &str) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpa-exporter"));
    command
        .env_clear()
        .env("CPA_MANAGEMENT_KEY", simulator.management_key())
        .env("CPA_EXPORTER_STORAGE_PATH", dir.join("exporter"))
        .args(["--cpa.url", &format!("http://{}", simulator.addr())])
        .args(["--quota.enabled=false", "--accounts.interval", "1s"])
        .args(["--web.listen-address", address]);
    Process::start(&mut command)
}

/// Prometheus with the shipped quota rules and short intervals.
fn prometheus(dir: &std::path::Path, exporter: &str) -> (Process, String) {
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}']\n\
         scrape_configs: [{{job_name: cpa-exporter, static_configs: [{{targets: ['{exporter}']}}]}}]\n",
        root().join("alerts/rules/quota.yml").display()
    );
    let file = dir.join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("tsdb").display()
        ))
        .arg(format!("--web.listen-address={address}"));
    (Process::start(&mut command), format!("http://{address}"))
}

/// `name limit/window severity` of all firing or pending alerts.
async fn alerts(prometheus: &str) -> Option<Vec<String>> {
    let answer = get(&format!("{prometheus}/api/v1/alerts")).await?;
    let alerts = answer.pointer("/data/alerts")?.as_array()?.iter();
    let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or("").to_owned();
    let mut alerts: Vec<String> = alerts
        .map(|alert| {
            let [name, limit, window, severity] =
                ["alertname", "limit", "window", "severity"].map(|name| label(alert, name));
            format!("{name} {limit}/{window} {severity}")
        })
        .collect();
    alerts.sort();
    Some(alerts)
}

async fn value(prometheus: &str, query: &str) -> Option<f64> {
    let url =
        url::Url::parse_with_params(&format!("{prometheus}/api/v1/query"), [("query", query)]);
    let answer = get(url.unwrap().as_str()).await?;
    answer
        .pointer("/data/result/0/value/1")?
        .as_str()?
        .parse()
        .ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_one_model_fires_no_alert_about_the_plan() {
    if !have(&["prometheus"]) {
        return;
    }
    let simulator = simulator().await;
    let account = simulator.quotas().accounts.remove(0).account;
    let dir = tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let _exporter = exporter(&simulator, dir.path(), &address);
    let (_prometheus, prometheus) = prometheus(dir.path(), &address);

    let fixture = read("tests/fixtures/cases/codex-active-limit.jsonl");
    let mut lines = fixture.lines();
    // So much of the plan is used that an alert about its limit would fire.
    let plan = record(lines.next().unwrap(), &account, |record| {
        record["response_headers"]["X-Codex-Primary-Used-Percent"] = json!(["85"]);
    });
    let model = lines.next().unwrap();
    simulator.push(plan);
    eventually("the plan", async || {
        let query = r#"cpa_quota_used_ratio{limit="main",window="weekly"}"#;
        (value(&prometheus, query).await? >= 0.85).then_some(())
    })
    .await;
    simulator.push(record(model, &account, |_| ()));
    eventually("the model's limit, several times", async || {
        let query = r#"count_over_time(cpa_quota_exhausted{limit="bengalfox",window="5h"}[1m])"#;
        (value(&prometheus, query).await? >= 5.0).then_some(())
    })
    .await;
    let expected = [
        "CPAQuotaExhausted bengalfox/5h critical",
        "CPAQuotaUsageHigh bengalfox/5h critical",
        "CPAQuotaUsageHigh bengalfox/5h warning",
        "CPAQuotaUsageHigh main/weekly warning",
    ];
    let last = std::sync::Mutex::new(Vec::new());
    eventually_or(
        "the alerts",
        async || {
            let alerts = alerts(&prometheus).await?;
            let is_it = alerts == expected;
            *last.lock().unwrap() = alerts;
            is_it.then_some(())
        },
        || format!("{:#?}", last.lock().unwrap()),
    )
    .await;
    let resets = value(&prometheus, "sum(increase(cpa_quota_resets_total[5m]))").await;
    assert_eq!(resets, Some(0.0));
    simulator.shutdown().await;
}
