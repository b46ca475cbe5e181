//! `cpa-exporter alerts test` against a real Alertmanager.

use std::process::Command;

use serde_json::json;
use tempfile::tempdir;

use crate::sinks::Sinks;
use crate::support::{Alertmanager, client, eventually, free_port, get, have};
use crate::tools::shipped;

/// Exit code, stdout and stderr.
async fn run(url: &str, flags: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpa-exporter"));
    command
        .env_clear()
        .args(["alerts", "test", "--alertmanager.url", url])
        .args(flags);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn webhook(sinks: &Sinks) -> String {
    format!(
        "route: {{receiver: hook, group_wait: 0s}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: 'http://{}/hook'}}]}}]\n",
        sinks.http
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_alert_arrives_and_is_reported() {
    if !have(&["prometheus-alertmanager"]) {
        return;
    }
    let dir = tempdir().unwrap();
    let sinks = Sinks::start().await;
    let alertmanager = Alertmanager::start(dir.path(), &webhook(&sinks)).await;
    let (code, said, complained) = run(&alertmanager.url, &["--severity", "critical"]).await;
    assert_eq!((code, complained.as_str()), (0, ""), "{said}");
    for part in [
        &format!(
            "at {}/: CPATest, severity critical, test ",
            alertmanager.url
        ),
        "\nrouted to: hook\n",
        "\nsent: webhook, 1 message(s)\n",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let message = &sinks.at("/hook")[0].body;
    assert!(message.contains("\"severity\":\"critical\""), "{message}");
}

/// Before a receiver is configured.
#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_configuration_sends_nothing_and_reports_it() {
    if !have(&["prometheus-alertmanager"]) {
        return;
    }
    let dir = tempdir().unwrap();
    let alertmanager = Alertmanager::start(dir.path(), &shipped()).await;
    let (code, said, _) = run(&alertmanager.url, &["--wait", "1s"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("routed to: nobody\n"), "{said}");
    assert!(
        said.contains("nothing was sent within 1s: either receiver nobody has no channel"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_channel_is_named() {
    if !have(&["prometheus-alertmanager"]) {
        return;
    }
    let dir = tempdir().unwrap();
    let sinks = Sinks::start().await;
    let config = webhook(&sinks).replace(
        "name: hook,",
        &format!(
            "name: hook, slack_configs: [{{api_url: 'http://127.0.0.1:{}/'}}],",
            free_port()
        ),
    );
    let alertmanager = Alertmanager::start(dir.path(), &config).await;
    let (code, said, _) = run(&alertmanager.url, &["--wait", "50s"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("sent: webhook, 1 message(s)\n"), "{said}");
    assert!(said.contains("FAILED: slack, "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_is_named() {
    if !have(&["prometheus-alertmanager"]) {
        return;
    }
    let dir = tempdir().unwrap();
    let sinks = Sinks::start().await;
    let alertmanager = Alertmanager::start(dir.path(), &webhook(&sinks)).await;
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "CPATest", "isRegex": false}],
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "test", "comment": "test",
    });
    let silences = format!("{}/api/v2/silences", alertmanager.url);
    let answer = client().post(&silences).json(&silence).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    eventually("the silence holds", async || {
        (get(&silences).await?[0]["status"]["state"] == "active").then_some(())
    })
    .await;
    let (code, said, _) = run(&alertmanager.url, &["--wait", "1s"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("a silence suppresses it"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_reported_without_the_password() {
    let nobody = format!("http://me:sesame@127.0.0.1:{}", free_port());
    let (code, _, complained) = run(&nobody, &[]).await;
    assert_eq!(code, 1);
    assert!(complained.contains("does not answer"), "{complained}");
    assert!(!complained.contains("sesame"), "{complained}");

    // Another server that answers every request.
    let sinks = Sinks::start().await;
    let (code, _, complained) = run(&format!("http://{}/am", sinks.http), &[]).await;
    assert_eq!(code, 1);
    assert!(
        complained.contains("/am/api/v2/status is not Alertmanager's API v2"),
        "{complained}"
    );

    let (code, _, complained) = run("ftp://127.0.0.1", &[]).await;
    assert_eq!(code, 2);
    assert!(
        complained.contains("ftp is neither http nor https"),
        "{complained}"
    );
}
