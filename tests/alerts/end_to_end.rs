//! From a switch in CPA to a message: simulated CPA, exporter, Prometheus with the shipped
//! configuration, Alertmanager, webhook.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cpa_exporter::simulator::{Simulator, SimulatorConfig, TrafficConfig};
use serde_json::Value;
use tempfile::tempdir;

use crate::sinks::Sinks;
use crate::support::{Alertmanager, Process, client, eventually, free_port, get, have, read, root};

/// Time of each step since the switch.
struct Steps {
    begin: Instant,
    report: String,
}

impl Steps {
    fn done(&mut self, what: &str) {
        let after = self.begin.elapsed();
        writeln!(self.report, "{:>7.2} s  {what}", after.as_secs_f64()).unwrap();
    }

    fn print(&self) {
        let mut stderr = std::io::stderr();
        write!(stderr, "from switch to message:\n{}", self.report).unwrap();
    }
}

fn exporter(simulator: &Simulator, dir: &Path, address: &str) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpa-exporter"));
    command
        .env_clear()
        .env("CPA_MANAGEMENT_KEY", simulator.management_key())
        .env("CPA_EXPORTER_STORAGE_PATH", dir.join("exporter"))
        .args(["--cpa.url", &format!("http://{}", simulator.addr())])
        .args(["--cpa.check-interval", "5s"])
        .args(["--web.listen-address", address]);
    Process::start(&mut command)
}

/// The repository's own files; only addresses and times are changed.
fn prometheus(dir: &Path, exporter: &str, alertmanager: &str) -> (Process, String) {
    let rules = dir.join("rules");
    std::fs::create_dir(&rules).unwrap();
    let exporter_rules = read("alerts/rules/exporter.yml").replace("for: 5m", "for: 2s");
    std::fs::write(rules.join("exporter.yml"), exporter_rules).unwrap();
    let recording = root().join("prometheus/recording.rules.yml");
    let config = read("prometheus/prometheus.yml")
        .replace(
            "scrape_interval: 15s",
            "scrape_interval: 1s\n  scrape_timeout: 1s",
        )
        .replace("evaluation_interval: 30s", "evaluation_interval: 1s")
        .replace(
            "- recording.rules.yml",
            &format!("- {}", recording.display()),
        )
        .replace("../alerts/rules/", &format!("{}/", rules.display()))
        .replace("127.0.0.1:10317", exporter)
        .replace("127.0.0.1:9093", alertmanager.trim_start_matches("http://"));
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
        .arg(format!("--web.listen-address={address}"))
        // Otherwise an alert is repeated only after a minute, and its resolution is as late.
        .arg("--rules.alert.resend-delay=1s");
    (Process::start(&mut command), format!("http://{address}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_switch_in_cpa_sends_a_message_and_a_resolution() {
    if !have(&["prometheus", "prometheus-alertmanager"]) {
        return;
    }
    let simulator = Simulator::start(SimulatorConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        retention: Duration::from_hours(1),
        traffic: TrafficConfig::default(),
        ..SimulatorConfig::default()
    })
    .await
    .unwrap();
    let dir = tempdir().unwrap();
    let sinks = Sinks::start().await;
    let config = format!(
        "route: {{receiver: hook, group_wait: 0s, group_interval: 1s, group_by: [alertname]}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: 'http://{}/hook', send_resolved: true}}]}}]\n",
        sinks.http
    );
    let alertmanager = Alertmanager::start(dir.path(), &config).await;
    let address = format!("127.0.0.1:{}", free_port());
    let _exporter = exporter(&simulator, dir.path(), &address);
    let (_prometheus, prometheus) = prometheus(dir.path(), &address, &alertmanager.url);
    eventually("Prometheus sees statistics on", async || {
        (queried(&prometheus).await? == "1").then_some(())
    })
    .await;

    let mut steps = Steps {
        begin: Instant::now(),
        report: String::new(),
    };
    simulator.set_usage_statistics(false);
    let message = followed(&mut steps, &address, &prometheus, &alertmanager.url, &sinks).await;
    let annotations = &message["alerts"][0]["annotations"];
    assert_eq!(
        annotations["summary"],
        format!("CPA behind {address} creates no usage records.")
    );
    assert_eq!(
        annotations["runbook_url"],
        "alerts/RUNBOOK.md#cpausagestatisticsoff"
    );

    steps.begin = Instant::now();
    simulator.set_usage_statistics(true);
    hooked(&sinks, "resolved").await;
    steps.done("after it was put right: the end at the webhook");
    steps.print();
    simulator.shutdown().await;
}

/// Waits for each step and returns the message.
async fn followed(
    steps: &mut Steps,
    exporter: &str,
    prometheus: &str,
    alertmanager: &str,
    sinks: &Sinks,
) -> Value {
    let page = format!("http://{exporter}/metrics");
    eventually("the exporter says so", async || {
        let page = client().get(&page).send().await.ok()?.text().await.ok()?;
        page.contains("\ncpa_usage_statistics_enabled 0\n")
            .then_some(())
    })
    .await;
    steps.done("on the exporter's page (it looks every 5 s)");
    eventually("Prometheus has scraped it", async || {
        (queried(prometheus).await? == "0").then_some(())
    })
    .await;
    steps.done("scraped (every 1 s)");
    for state in ["pending", "firing"] {
        eventually(state, async || alert(prometheus, state).await).await;
        steps.done(&format!("rule is {state} (evaluated every 1 s, for: 2s)"));
    }
    let list = format!("{alertmanager}/api/v2/alerts");
    eventually("Alertmanager has it", async || {
        let alerts = get(&list).await?;
        of_name(alerts.as_array()?, "/labels/alertname").map(|_| ())
    })
    .await;
    steps.done("Alertmanager has it");
    let message = hooked(sinks, "firing").await;
    steps.done("message at the webhook");
    message
}

async fn queried(prometheus: &str) -> Option<String> {
    let url = format!("{prometheus}/api/v1/query?query=cpa_usage_statistics_enabled");
    let answer = get(&url).await?;
    let value = answer.pointer("/data/result/0/value/1")?;
    value.as_str().map(str::to_owned)
}

fn of_name<'a>(alerts: &'a [Value], pointer: &str) -> Option<&'a Value> {
    let wanted = |alert: &&Value| {
        alert
            .pointer(pointer)
            .is_some_and(|name| name == "CPAUsageStatisticsOff")
    };
    alerts.iter().find(wanted)
}

async fn alert(prometheus: &str, state: &str) -> Option<()> {
    let answer = get(&format!("{prometheus}/api/v1/alerts")).await?;
    let alerts = answer.pointer("/data/alerts")?.as_array()?;
    let found = of_name(alerts, "/labels/alertname")?;
    // A firing rule has been pending.
    (found["state"] == state || found["state"] == "firing").then_some(())
}

async fn hooked(sinks: &Sinks, status: &str) -> Value {
    eventually(status, async || {
        let arrived = sinks.at("/hook");
        let messages = arrived
            .iter()
            .map(|a| serde_json::from_str(&a.body).unwrap());
        let mut messages = messages.filter(|message: &Value| {
            message["status"] == status
                && message["groupLabels"]["alertname"] == "CPAUsageStatisticsOff"
        });
        messages.next()
    })
    .await
}
