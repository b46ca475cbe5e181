//! A real Alertmanager with the shipped configuration tells each channel each kind of alert.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::messages::text;
use crate::script;
use crate::sinks::{Arrival, Sinks};
use crate::source::{FILES, alerts};
use crate::support::{Alertmanager, eventually, get, have, read, yaml};

/// Where each channel's messages arrive.
const CHANNELS: [&str; 6] = ["/bot", "/mail", "/slack", "/discord", "/webhook", "/ntfy"];

struct Rig {
    alertmanager: Alertmanager,
    sinks: Sinks,
    _dir: TempDir,
}

impl Rig {
    async fn start(language: &str) -> Self {
        let dir = tempdir().unwrap();
        let sinks = Sinks::start().await;
        let config = config(dir.path(), &sinks, language);
        Self {
            alertmanager: Alertmanager::start(dir.path(), &config).await,
            sinks,
            _dir: dir,
        }
    }

    /// Waits for `count` messages in every channel that `which` finds right.
    async fn arrived(&self, count: usize, which: impl Fn(&str) -> bool) -> Vec<Vec<Arrival>> {
        let check = async || {
            let mut found = Vec::new();
            for channel in CHANNELS {
                let mut of_channel = self.sinks.at(channel);
                of_channel.retain(|arrival| which(&text(arrival)));
                if of_channel.len() < count {
                    return None;
                }
                found.push(of_channel);
            }
            Some(found)
        };
        eventually("every channel is told", check).await
    }
}

/// What the script makes for receiver `all`, with waits made short and Telegram's address ours.
fn config(dir: &Path, sinks: &Sinks, language: &str) -> String {
    let http = sinks.http;
    for (name, content) in [
        ("telegram-token", "1:token-of-the-bot".to_owned()),
        ("slack-url", format!("http://{http}/slack")),
        ("discord-url", format!("http://{http}/discord")),
        ("ntfy-url", format!("http://{http}/ntfy")),
        ("smtp-password", "password".to_owned()),
        ("webhook-token", "token-of-the-webhook".to_owned()),
    ] {
        std::fs::write(dir.join(name), content).unwrap();
    }
    let webhook = format!("http://{http}/webhook");
    let smarthost = sinks.smtp.to_string();
    let made = script::run(&[
        "--receiver",
        "all",
        "--secrets",
        dir.to_str().unwrap(),
        "--language",
        language,
        "--chat-id",
        "-100",
        "--email-to",
        "ops@example.org",
        "--smarthost",
        &smarthost,
        "--webhook-url",
        &webhook,
    ])
    .unwrap();
    let made = made
        .replace(
            "parse_mode: HTML",
            &format!("parse_mode: HTML\n        api_url: http://{http}"),
        )
        .replace("require_tls: true", "require_tls: false")
        .replace("group_wait: 30s", "group_wait: 0s")
        .replace("group_interval: 5m", "group_interval: 1s")
        // Whatever the time is when the test runs.
        .replace(
            "mute_time_intervals: [quiet-hours]",
            "mute_time_intervals: []",
        );
    assert!(!made.contains(".invalid"), "{made}");
    made
}

/// One of each kind and severity, with labels and annotations as promtool has proved them; a job and an instance of
/// its own keep them from muting each other.
fn one_of_each() -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for file in FILES {
        let tests = yaml(&read(format!("alerts/tests/{file}.yml")));
        let checks = tests["tests"].as_array().unwrap().iter();
        for check in checks.flat_map(|test| test["alert_rule_test"].as_array().unwrap()) {
            for expected in check["exp_alerts"].as_array().unwrap() {
                let mut labels = expected["exp_labels"].clone();
                labels["alertname"] = check["alertname"].clone();
                let known = found.iter().any(|alert| {
                    alert["labels"]["alertname"] == labels["alertname"]
                        && alert["labels"]["severity"] == labels["severity"]
                });
                if !known {
                    labels["instance"] = format!("exporter-{}:10317", found.len()).into();
                    labels["job"] = format!("cpa-{}", found.len()).into();
                    found.push(
                        json!({"labels": labels, "annotations": expected["exp_annotations"]}),
                    );
                }
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_alert_reaches_each_channel_in_each_language() {
    if !have(&["prometheus-alertmanager", "amtool"]) {
        return;
    }
    let each = one_of_each();
    assert_eq!(each.len(), alerts().len());
    for language in ["en", "vi", "zh"] {
        let rig = Rig::start(language).await;
        rig.alertmanager.push(&json!(each)).await;
        let arrived = rig.arrived(each.len(), |_| true).await;
        for (channel, messages) in CHANNELS.iter().zip(&arrived) {
            let mut texts: Vec<String> = messages.iter().map(text).collect();
            texts.sort();
            assert_eq!(texts.len(), each.len(), "{channel}");
            if ["/webhook", "/ntfy"].contains(channel) {
                for alert in &each {
                    let name = format!("\"alertname\":{}", alert["labels"]["alertname"]);
                    assert!(texts.iter().any(|t| t.contains(&name)), "{channel}: {name}");
                }
                continue;
            }
            let name = format!("{language}_{}", &channel[1..]);
            insta::assert_snapshot!(name, texts.join("\n----\n"));
        }
        assert!(rig.sinks.at("/bot1:token-of-the-bot/sendMessage").len() == each.len());
        let webhook = &rig.sinks.at("/webhook")[0];
        assert_eq!(webhook.authorization, "Bearer token-of-the-webhook");
    }
}

const HOSTILE: &str = "<b>x</b> & \"q\" '\n_u_ *s* [l](http://e) `c`";

#[tokio::test(flavor = "multi_thread")]
async fn hostile_labels_are_text_everywhere() {
    if !have(&["prometheus-alertmanager", "amtool"]) {
        return;
    }
    let rig = Rig::start("en").await;
    let alert = json!([{
        "labels": {"alertname": "CPAQuotaUsageHigh", "severity": "critical", "job": "cpa",
            "account": HOSTILE, "provider": "</code><a href=\"http://e\">", "window": "<!channel> @everyone"},
        "annotations": {"figure": "<i>9</i>", "resets_in": "<u>", "runbook_url": "a.md#<x>"},
    }]);
    rig.alertmanager.push(&alert).await;
    let arrived = rig.arrived(1, |_| true).await;
    for (channel, messages) in CHANNELS.iter().zip(&arrived) {
        let text = text(&messages[0]);
        if ["/webhook", "/ntfy"].contains(channel) {
            let json: Value = serde_json::from_str(&messages[0].body).unwrap();
            assert_eq!(json["alerts"][0]["labels"]["account"], HOSTILE);
            continue;
        }
        let name = format!("hostile_{}", &channel[1..]);
        insta::assert_snapshot!(name, text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_told_but_not_of_a_reset() {
    if !have(&["prometheus-alertmanager", "amtool"]) {
        return;
    }
    let rig = Rig::start("en").await;
    let alert = |name: &str, severity: &str, account: &str, ends: &str| {
        let labels = json!({"alertname": name, "severity": severity, "account": account});
        json!({"labels": labels, "startsAt": "2026-01-01T00:00:00Z", "endsAt": ends})
    };
    let (running, over) = ("2100-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let push = async |name: &str, severity: &str, account: &str, ends: &str| {
        let alerts = json!([alert(name, severity, account, ends)]);
        rig.alertmanager.push(&alerts).await;
    };
    push("CPAQuotaReset", "info", "one", running).await;
    push("CPADown", "critical", "one", running).await;
    let reset = |text: &str| text.contains("has been reset") || text.contains("CPAQuotaReset");
    rig.arrived(1, reset).await;
    rig.arrived(1, |text| {
        text.contains("CPA does not answer") || text.contains("CPADown")
    })
    .await;
    push("CPAQuotaReset", "info", "one", over).await;
    push("CPADown", "critical", "one", over).await;
    rig.arrived(1, |text| {
        text.contains("CPA does not answer – resolved")
            || text.contains("\"status\":\"resolved\"")
            || text.contains("answer</b> – resolved")
            || text.contains("answer** – resolved")
    })
    .await;
    // The next message of the same group is later than one about its end would have been.
    push("CPAQuotaReset", "info", "two", running).await;
    let resets = rig.arrived(2, reset).await;
    for message in resets.iter().flatten() {
        let text = text(message);
        assert!(!text.contains("resolved"), "{text}");
    }
}

/// Alerts at the same time, and which of them are sent. `name severity label=value…`
const SCENES: &[(&str, &[&str], &[&str])] = &[
    (
        "90 % mutes 80 % of the same window only",
        &[
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPAQuotaUsageHigh warning account=a window=5h limit=main",
            "CPAQuotaUsageHigh warning account=a window=weekly limit=main",
            "CPAQuotaUsageHigh warning account=a window=5h limit=opus",
            "CPAQuotaUsageHigh warning account=b window=5h limit=main",
        ],
        &[
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPAQuotaUsageHigh warning account=a window=weekly limit=main",
            "CPAQuotaUsageHigh warning account=a window=5h limit=opus",
            "CPAQuotaUsageHigh warning account=b window=5h limit=main",
        ],
    ),
    (
        "what is used up needs no warning and explains the rest",
        &[
            "CPAQuotaExhausted critical account=a window=5h limit=main",
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPAQuotaForecast warning account=a window=5h limit=main",
            "CPAAccountCooling info account=a",
            "CPAAccountCooling info account=b",
        ],
        &[
            "CPAQuotaExhausted critical account=a window=5h limit=main",
            "CPAAccountCooling info account=b",
        ],
    ),
    (
        "the pool speaks for its accounts",
        &[
            "CPAQuotaPoolLow critical window=5h",
            "CPAQuotaPoolLow warning window=5h",
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPAQuotaExhausted critical account=b window=5h limit=main",
            "CPAQuotaUsageHigh critical account=a window=weekly limit=main",
            "CPARateLimited warning",
        ],
        &[
            "CPAQuotaPoolLow critical window=5h",
            "CPAQuotaUsageHigh critical account=a window=weekly limit=main",
        ],
    ),
    (
        "a low pool does not hide 90 %",
        &[
            "CPAQuotaPoolLow warning window=5h",
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPAQuotaUsageHigh warning account=b window=5h limit=main",
        ],
        &[
            "CPAQuotaPoolLow warning window=5h",
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
        ],
    ),
    (
        "a provider that is down explains its accounts and failures",
        &[
            "CPAProviderDown critical",
            "CPAAccountDown warning account=a",
            "CPAFailureRatioHigh warning",
            "CPAModelFailing warning model=m",
            "CPAStoreFailing critical",
        ],
        &["CPAProviderDown critical", "CPAStoreFailing critical"],
    ),
    (
        "a dead exporter explains everything, but no test",
        &[
            "CPAExporterDown critical",
            "CPADown critical",
            "CPAQuotaUsageHigh critical account=a window=5h limit=main",
            "CPATest warning",
        ],
        &["CPAExporterDown critical", "CPATest warning"],
    ),
    (
        "a refused key explains that CPA seems down",
        &[
            "CPAAccessRefused critical reason=wrong_key",
            "CPADown critical",
            "CPAIngestStarved warning",
            "CPAQuotaReadingsStale warning account=a",
            "CPAQuotaExhausted critical account=a window=5h limit=main",
        ],
        &[
            "CPAAccessRefused critical reason=wrong_key",
            "CPAQuotaExhausted critical account=a window=5h limit=main",
        ],
    ),
    (
        "a failing provider explains its models; others stay",
        &[
            "CPAFailureRatioHigh warning",
            "CPAModelFailing warning model=m",
            "CPALatencyHigh warning model=m",
            "CPATimeToFirstTokenHigh warning model=m",
            "CPALatencyHigh warning model=n",
        ],
        &[
            "CPAFailureRatioHigh warning",
            "CPATimeToFirstTokenHigh warning model=m",
            "CPALatencyHigh warning model=n",
        ],
    ),
];

/// Every scene on an instance of its own.
#[tokio::test(flavor = "multi_thread")]
async fn one_cause_sends_one_message() {
    if !have(&["prometheus-alertmanager"]) {
        return;
    }
    let dir = tempdir().unwrap();
    let alertmanager = Alertmanager::start(dir.path(), &crate::tools::shipped()).await;
    for (instance, (_, pushed, _)) in SCENES.iter().enumerate() {
        let alerts: Vec<Value> = pushed
            .iter()
            .map(|alert| json!({"labels": labels(alert, instance)}))
            .collect();
        alertmanager.push(&json!(alerts)).await;
    }
    let all: usize = SCENES.iter().map(|(_, pushed, _)| pushed.len()).sum();
    let url = format!("{}/api/v2/alerts", alertmanager.url);
    let seen = eventually("all alerts are there", async || {
        let seen = get(&url).await?;
        (seen.as_array()?.len() == all).then_some(seen)
    })
    .await;
    for (instance, (scene, _, sent)) in SCENES.iter().enumerate() {
        let mut want: Vec<Value> = sent.iter().map(|alert| labels(alert, instance)).collect();
        let active = seen.as_array().unwrap().iter();
        let mut active: Vec<Value> = active
            .filter(|alert| alert["status"]["state"] != "suppressed")
            .map(|alert| alert["labels"].clone())
            .filter(|labels| labels["instance"].as_str() == Some(&instance.to_string()))
            .collect();
        want.sort_by_key(Value::to_string);
        active.sort_by_key(Value::to_string);
        assert_eq!(active, want, "{scene}");
    }
}

fn labels(alert: &str, instance: usize) -> Value {
    let mut words = alert.split(' ');
    let mut labels = json!({"job": "cpa", "instance": instance.to_string()});
    labels["alertname"] = words.next().into();
    labels["severity"] = words.next().into();
    if alert.contains("account")
        || alert.contains("Provider")
        || alert.contains("Pool")
        || ["CPARate", "CPAFail", "CPAModel", "CPALat", "CPATime"]
            .iter()
            .any(|n| alert.starts_with(n))
    {
        labels["provider"] = "claude".into();
    }
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        labels[name] = value.into();
    }
    labels
}
