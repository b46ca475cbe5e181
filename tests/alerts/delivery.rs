//! A real Alertmanager with the shipped configuration sends each kind of alert to each channel.

use std::path::Path;

use cpa_exporter::clock::Clock;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::messages::text;
use crate::script;
use crate::sinks::{Arrival, Sinks};
use crate::source::{Alert, FILES, alerts};
use crate::support::{Alertmanager, eventually_or, have, read, yaml};

/// Receivers of each channel's messages.
const CHANNELS: [&str; 6] = ["/bot", "/mail", "/slack", "/discord", "/webhook", "/ntfy"];

struct Rig {
    alertmanager: Alertmanager,
    sinks: Sinks,
    _dir: TempDir,
}

impl Rig {
    /// Without quiet hours, at any time of the test run.
    async fn start(language: &str) -> Self {
        let loud = |config: String| {
            let quiet = "mute_time_intervals: [quiet-hours]";
            config.replace(quiet, "mute_time_intervals: []")
        };
        Self::start_with(language, loud).await
    }

    async fn start_with(language: &str, change: impl Fn(String) -> String) -> Self {
        let dir = tempdir().unwrap();
        let sinks = Sinks::start().await;
        let config = change(config(dir.path(), &sinks, language));
        Self {
            alertmanager: Alertmanager::start(dir.path(), &config).await,
            sinks,
            _dir: dir,
        }
    }

    /// Waits until every channel has `count` messages that match `which`.
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
        let arrived = || {
            let all = self.sinks.arrived();
            let all = all.iter().map(|a| format!("{}: {}", a.path, text(a)));
            all.collect::<Vec<_>>().join("\n")
        };
        eventually_or("every channel has its messages", check, arrived).await
    }
}

/// The script's output for receiver `all`, with short waits and a local Telegram address.
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
        .replace("group_interval: 5m", "group_interval: 1s");
    assert!(!made.contains(".invalid"), "{made}");
    made
}

/// One of each kind and severity, with labels and annotations that promtool has verified. A job and
/// an instance of its own keep each from inhibiting others.
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
    let expects = |alert: &&Alert| {
        each.iter().any(|one| {
            one["labels"]["alertname"] == alert.name.as_str()
                && one["labels"]["severity"] == alert.severity()
        })
    };
    let alerts = alerts();
    let untested = alerts.iter().find(|alert| !expects(alert));
    if let Some(Alert { file, name, .. }) = untested {
        panic!("alerts/tests/{file}.yml has no test in which {name} fires with its severity");
    }
    assert_eq!(each.len(), alerts.len());
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

/// Complete, with all markup of the labels escaped for the channel.
#[tokio::test(flavor = "multi_thread")]
async fn a_runbook_url_is_configurable() {
    if !have(&["prometheus-alertmanager", "amtool"]) {
        return;
    }
    let rig = Rig::start("en").await;
    let page = format!(
        "https://wiki.example/{}/RUN_BOOK.md#cpadown",
        "x_y/".repeat(30)
    );
    let alert = json!([{
        "labels": {"alertname": "CPADown", "severity": "critical"},
        "annotations": {"runbook_url": page},
    }]);
    rig.alertmanager.push(&alert).await;
    let arrived = rig.arrived(1, |_| true).await;
    for (channel, messages) in CHANNELS.iter().zip(&arrived) {
        let text = text(&messages[0]);
        let wanted = match *channel {
            "/bot" => format!("<i>{page}</i>"),
            "/mail" => format!("<a href=\"{page}\">{page}</a>"),
            "/discord" => format!("<{page}>"),
            _ => page.clone(),
        };
        assert!(text.contains(&wanted), "{channel}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolution_is_sent_except_for_a_reset() {
    if !have(&["prometheus-alertmanager", "amtool"]) {
        return;
    }
    let rig = Rig::start("en").await;
    let alert = |name: &str, severity: &str, account: &str, ends: &str| {
        let labels = json!({"alertname": name, "severity": severity, "account": account});
        json!({"labels": labels, "startsAt": "2026-01-01T00:00:00Z", "endsAt": ends})
    };
    let running = "2100-01-01T00:00:00Z";
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
    let now = Clock::system().now().as_millis();
    let over = jiff::Timestamp::from_millisecond(now).unwrap().to_string();
    push("CPAQuotaReset", "info", "one", &over).await;
    push("CPADown", "critical", "one", &over).await;
    rig.arrived(1, |text| {
        text.contains("CPA does not answer – resolved")
            || text.contains("\"status\":\"resolved\"")
            || text.contains("answer</b> – resolved")
            || text.contains("answer** – resolved")
    })
    .await;
    // The next message of the same group comes later than a resolution would.
    push("CPAQuotaReset", "info", "two", running).await;
    let resets = rig.arrived(2, reset).await;
    for message in resets.iter().flatten() {
        let text = text(message);
        assert!(!text.contains("resolved"), "{text}");
    }
}

/// Quiet hours of the whole day.
#[tokio::test(flavor = "multi_thread")]
async fn at_night_only_critical_alerts_are_sent() {
    if !have(&["prometheus-alertmanager", "amtool"]) {
        return;
    }
    let all_day = |config: String| {
        config
            .replace("start_time: '22:00'", "start_time: '07:00'")
            .replace("location: Local", "location: UTC")
    };
    let rig = Rig::start_with("en", all_day).await;
    let push = async |name: &str, severity: &str| {
        let labels = json!({"alertname": name, "severity": severity});
        rig.alertmanager.push(&json!([{"labels": labels}])).await;
    };
    push("CPAIngestStarved", "warning").await;
    push("CPAAccountCooling", "info").await;
    push("CPAQuotaReset", "info").await;
    push("CPATest", "warning").await;
    rig.arrived(1, |_| true).await;
    // The first messages would arrive before a second one.
    push("CPADown", "critical").await;
    rig.arrived(2, |_| true).await;
    for arrival in rig.sinks.arrived() {
        let text = text(&arrival);
        let told = ["A test", "CPATest", "CPA does not answer", "CPADown"];
        assert!(told.iter().any(|t| text.contains(t)), "{text}");
    }
}
