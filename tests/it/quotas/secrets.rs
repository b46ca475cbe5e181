//! Secrets that quota polls could leak: tokens, keys, addresses, ids of accounts and projects.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cpa_exporter::simulator::{CpaVersion, QuotaFaultMode, Simulator};
use reqwest::Method;
use tempfile::tempdir;

use super::files::{DIRECT, quota_file};
use super::labels;
use crate::cpa::Cpa;
use crate::harness::{Exporter, simulator};

const TOKEN: &str = "api-token-for-tests";
const PROFILE: &str = "arn:fake:profile/kiro";
/// Of every Google account.
const PROJECT: &str = "vproj-fake";
/// Secrets in the providers' requests and responses.
const IDS: [&str; 9] = [
    PROJECT,
    "user-fake",
    "acc-fake",
    "acc-fake-1",
    "11111111-2222-4333-8444-555555555550",
    "99999999-2222-4333-8444-555555555555",
    "Example Org",
    PROFILE,
    TOKEN,
];

async fn all_secrets(simulator: &Simulator) -> BTreeSet<String> {
    let mut secrets = Cpa::new(simulator).secrets().await;
    secrets.extend(IDS.map(str::to_owned));
    secrets.extend(DIRECT.map(|(_, _, token)| token.to_owned()));
    secrets.insert(simulator.management_key().to_owned());
    secrets
}

fn read_below(dir: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_below(&path, out);
        } else if path.is_file() {
            out.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

/// An exporter with the most verbose log, after polls of all accounts.
async fn verbose_exporter(simulator: &Simulator, directory: &Path) -> Exporter {
    let (file, token) = (quota_file(simulator, directory), directory.join("api"));
    fs::write(&token, TOKEN).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let kiro = "provider = \"kiro\"\n";
    let with_profile = text.replace(kiro, &format!("{kiro}profile_arn = \"{PROFILE}\"\n"));
    fs::write(&file, with_profile).unwrap();
    let flags = [
        ["--quota.file", file.to_str().unwrap()],
        ["--web.api-token-file", token.to_str().unwrap()],
        ["--log.level", "trace"],
        ["--quota.timeout", "1s"],
        ["--quota.concurrency", "8"],
    ];
    let exporter = Exporter::start(simulator, &directory.join("data"), &flags.concat()).await;
    exporter
        .when("own accounts", |page| {
            page.keys().any(|name| name.contains("generic-0\",limit="))
        })
        .await;
    exporter
}

/// All output of the exporter, by place.
async fn answers(exporter: &Exporter) -> [(&'static str, String); 5] {
    let (status, _, refreshed) = exporter
        .api(Method::POST, "quota/refresh", Some(TOKEN))
        .await;
    assert_eq!(status, 200);
    let (_, _, quota) = exporter.api(Method::GET, "quota", Some(TOKEN)).await;
    [
        ("refresh", refreshed.to_string()),
        ("quota", quota.to_string()),
        ("text", exporter.page().await),
        (
            "openmetrics",
            exporter
                .get("/metrics", "application/openmetrics-text")
                .await
                .1,
        ),
        ("landing page", exporter.get("/", "").await.1),
    ]
}

async fn check_no_leak(version: CpaVersion) {
    let simulator = simulator(|config| {
        config.version = version;
        config.traffic.accounts = 38;
    })
    .await;
    let secrets = all_secrets(&simulator).await;
    assert!(secrets.len() > 50, "{secrets:?}");
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let exporter = verbose_exporter(&simulator, dir.path()).await;
    let mut places = Vec::new();
    read_below(&data, &mut places);
    nowhere(&places, &secrets);
    simulator.generate(300);
    let page = exporter
        .when("records", |page| {
            page.get("cpa_store_events") >= Some(&300.0)
        })
        .await;
    let indexes: Vec<String> = labels(&page).into_keys().collect();
    // Failures have other messages than successes.
    simulator.set_quota_fault("codex", Some(QuotaFaultMode::Unauthorized.into()));
    simulator.set_quota_fault("claude", Some(QuotaFaultMode::Html.into()));
    simulator.set_quota_fault("copilot", Some(QuotaFaultMode::Hang.into()));
    simulator.set_quota_fault("kiro", Some(QuotaFaultMode::ServerError.into()));
    let answers = answers(&exporter).await;
    let mut places = Vec::new();
    read_below(&data, &mut places);
    let log = exporter.terminate().await.1;
    read_below(&data, &mut places);
    let said = answers.into_iter().chain([("log", log)]);
    let said: Vec<_> = said.map(|(place, said)| (place.to_owned(), said)).collect();
    for index in &indexes {
        for (place, said) in &said {
            let mut lines = said
                .lines()
                .filter(|line| !line.starts_with("cpa_account_info{"));
            let found = lines.find(|line| line.contains(index.as_str()));
            assert_eq!(found, None, "{index} is in {place}");
        }
    }
    let said = said.into_iter();
    let said: Vec<_> = said
        .map(|(place, said)| (place, said.into_bytes()))
        .collect();
    nowhere(&said, &secrets);
    nowhere(&places, &secrets);
}

fn nowhere(places: &[(String, Vec<u8>)], secrets: &BTreeSet<String>) {
    for (place, bytes) in places {
        let text = String::from_utf8_lossy(bytes);
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_account_secret_leaks_with_a_v0() {
    check_no_leak(CpaVersion::CAPTURED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_account_secret_leaks_with_a_v8() {
    check_no_leak("8.0.10".parse().unwrap()).await;
}
