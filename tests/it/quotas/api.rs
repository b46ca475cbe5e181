//! `/api/v1/quota`, its authorization, and its state after a restart.

use std::fs;

use reqwest::Method;
use tempfile::tempdir;

use super::files::quota_file;
use super::{agrees, calls, of_provider, truth};
use crate::harness::{Exporter, Samples, simulator};

const TOKEN: &str = "api-token-for-tests";

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_the_api_is_read_only() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    agrees(&exporter, &simulator).await;
    let before = calls(&simulator);
    let (status, _, body) = exporter.api(Method::GET, "quota", None).await;
    assert_eq!(status, 200);
    assert_eq!(body["accounts"].as_array().unwrap().len(), 16);
    let codex = of_provider(&simulator, "codex").len();
    let path = "quota?provider=codex";
    let (_, _, body) = exporter.api(Method::GET, path, None).await;
    let accounts = body["accounts"].as_array().unwrap();
    let with_limits = accounts
        .iter()
        .filter(|a| a["limits"][0]["used_ratio"].is_f64());
    assert_eq!(with_limits.count(), codex);
    let path = "quota?provider=codx";
    let (status, _, body) = exporter.api(Method::GET, path, None).await;
    let error = body["detail"].as_str().unwrap();
    assert_eq!(status, 400);
    assert!(
        error.starts_with("there is no provider \"codx\""),
        "{error}"
    );
    assert!(error.contains("claude, codex"), "{error}");
    let (status, _, body) = exporter
        .api(Method::POST, "quota/refresh", Some(TOKEN))
        .await;
    assert_eq!((status, body["detail"].is_string()), (403, true));
    assert_eq!(calls(&simulator), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_requires_the_token_and_respects_the_cooldown() {
    let simulator = simulator(|config| config.traffic.accounts = 38).await;
    let dir = tempdir().unwrap();
    let token = dir.path().join("token");
    fs::write(&token, TOKEN).unwrap();
    let data = dir.path().join("data");
    let flags = ["--web.api-token-file", token.to_str().unwrap()];
    let exporter = Exporter::start(&simulator, &data, &flags).await;
    agrees(&exporter, &simulator).await;
    let before = calls(&simulator);
    for (method, path) in [(Method::GET, "quota"), (Method::POST, "quota/refresh")] {
        for wrong in [
            None,
            Some("api-token-for-test"),
            Some("api-token-for-testz"),
        ] {
            let (status, _, _) = exporter.api(method.clone(), path, wrong).await;
            assert_eq!(status, 401, "{path} {wrong:?}");
        }
    }
    assert_eq!(calls(&simulator), before);
    let (status, _, body) = exporter.api(Method::GET, "quota", Some(TOKEN)).await;
    assert_eq!(status, 200);
    assert_eq!(body["accounts"].as_array().unwrap().len(), 38);

    let mut accounts = simulator.quotas().accounts;
    accounts.retain(|one| one.login != "direct");
    let asked = accounts
        .iter()
        .filter(|one| truth::can_be_polled(one))
        .count();
    let (status, _, body) = exporter
        .api(Method::POST, "quota/refresh", Some(TOKEN))
        .await;
    let counts = ["asked", "answered", "not_asked"].map(|key| body[key].as_u64().unwrap());
    let expected = [asked, asked, accounts.len() - asked].map(|n| n as u64);
    assert_eq!((status, counts), (200, expected), "{body}");
    let after = calls(&simulator);
    assert!(after >= before + asked as u64, "{before} {after}");
    let (status, wait, body) = exporter
        .api(Method::POST, "quota/refresh", Some(TOKEN))
        .await;
    assert_eq!((status, &body["status"]), (429, &"cooling_down".into()));
    assert!((1..=300).contains(&wait.unwrap()), "{wait:?}");
    assert_eq!(body["retry_after_seconds"], wait.unwrap());
    assert_eq!(calls(&simulator), after, "no poll during the cooldown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_starts_a_refresh_and_the_log_reports_it() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    agrees(&exporter, &simulator).await;
    let before = calls(&simulator);
    exporter.signal("USR1");
    let line = exporter.logged("manual quota refresh finished").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let asked = simulator.quotas().accounts;
    let asked = asked
        .iter()
        .filter(|a| a.login != "direct" && truth::can_be_polled(a));
    let asked = asked.count();
    assert_eq!(
        (&line["asked"], &line["answered"]),
        (&asked.into(), &asked.into())
    );
    assert!(calls(&simulator) >= before + asked as u64);
    exporter.signal("USR1");
    exporter.logged("the last one is too recent").await;
}

/// The readings without their times.
fn readings(page: &Samples) -> Samples {
    let families = [
        "cpa_quota_used_ratio{",
        "cpa_quota_reset_timestamp_seconds{",
        "cpa_quota_used{",
    ];
    let mut readings = page.clone();
    readings.retain(|name, _| families.iter().any(|family| name.starts_with(family)));
    readings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_shows_the_last_readings_before_the_first_poll() {
    let simulator = simulator(|config| config.traffic.accounts = 38).await;
    let dir = tempdir().unwrap();
    let file = quota_file(&simulator, dir.path());
    let data = dir.path().join("data");
    let flags = ["--quota.file", file.to_str().unwrap()];
    let first = Exporter::start(&simulator, &data, &flags).await;
    first
        .when("own accounts", |page| {
            page.keys().any(|name| name.contains("generic-0\",limit="))
        })
        .await;
    let before = readings(&agrees(&first, &simulator).await);
    assert!(before.len() > 50, "{before:#?}");
    let (status, log) = first.terminate().await;
    assert!(status.success(), "{log}");
    let called = calls(&simulator);
    // No account can be polled.
    let env = [("CPA_MANAGEMENT_KEY", simulator.management_key())];
    let url = "http://127.0.0.1:9";
    let second = Exporter::start_at(url, &env, &data, &["--quota.enabled=false"]).await;
    second
        .when("the last readings", |page| readings(page) == before)
        .await;
    let (_, _, body) = second.api(Method::GET, "quota", None).await;
    assert!(body["accounts"].to_string().contains("used_ratio"));
    assert_eq!(calls(&simulator), called);
}
