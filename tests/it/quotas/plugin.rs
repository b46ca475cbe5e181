//! A provider that only a plugin of CPA 8 supports: its quota comes only from `quota/fetch`.

use cpa_exporter::simulator::{CpaVersion, QuotaFaultMode, Simulator};
use reqwest::Method;
use tempfile::tempdir;

use super::{agrees, calls_of, labels};
use crate::harness::{Exporter, simulator, sum};

const TOKEN: &str = "api-token-for-tests";

async fn pool(version: CpaVersion) -> Simulator {
    simulator(|config| {
        config.version = version;
        config.traffic.accounts = 4;
        config.traffic.providers = vec!["devin".to_owned()];
        // Plans small enough for some hundred requests to show, and no traffic of the simulator.
        config.traffic.rate = Some(1.0);
        config.traffic.records = Some(0);
    })
    .await
}

async fn is_read_by_the_plugin(version: &str) {
    let simulator = pool(version.parse().unwrap()).await;
    let dir = tempdir().unwrap();
    let token = dir.path().join("api");
    std::fs::write(&token, TOKEN).unwrap();
    let token = token.to_str().unwrap();
    let flags = ["--web.api-token-file", token, "--accounts.interval", "1s"];
    let exporter = Exporter::start(&simulator, &dir.path().join("data"), &flags).await;
    exporter
        .when("every account and its plan", |page| {
            let infos = page.keys().filter(|name| name.contains("account_info{"));
            let infos: Vec<&String> = infos.collect();
            let of = |plan: &str| infos.iter().filter(|info| info.contains(plan)).count();
            of("plan=\"team\"") == 2 && of("plan=\"core\"") == 2
        })
        .await;
    let page = agrees(&exporter, &simulator).await;

    // Usage shows with the next poll.
    simulator.generate(400);
    let (status, _, refreshed) = exporter
        .api(Method::POST, "quota/refresh", Some(TOKEN))
        .await;
    assert_eq!(status, 200, "{refreshed}");
    let later = agrees(&exporter, &simulator).await;
    let used = |page| sum(page, "cpa_quota_used_ratio");
    assert!(used(&later) > used(&page), "nothing was used");
    for account in simulator.quotas().accounts {
        let ways: Vec<&String> = account.calls.keys().collect();
        match account.login {
            "direct" => assert!(ways.is_empty(), "{ways:?}"),
            _ => assert_eq!(ways, ["quota/fetch"], "{}", account.account),
        }
    }
    assert_eq!(sum(&later, "cpa_quota_polls_total"), 8.0);
    assert_eq!(sum(&later, "cpa_quota_poll_failures_total"), 0.0);
}

/// Early releases have a v8 path.
#[tokio::test(flavor = "multi_thread")]
async fn an_early_v8_is_polled_at_its_v8_path() {
    is_read_by_the_plugin("8.0.4").await;
}

/// Later releases have only the v0 path.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_v8_is_polled_at_the_v0_path() {
    is_read_by_the_plugin("8.0.10").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_plugin_affects_no_other_account() {
    let simulator = simulator(|config| {
        config.version = "8.0.10".parse().unwrap();
        config.traffic.accounts = 4;
        config.traffic.providers = vec!["devin".to_owned(), "kimi".to_owned()];
        let fault = QuotaFaultMode::ServerError.into();
        config.quota_faults = [("devin".to_owned(), fault)].into();
    })
    .await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    let page = exporter
        .when("both kinds of end", |page| {
            let success = |name: &&String| name.starts_with("cpa_quota_last_success_");
            page.keys().filter(success).count() == 2
                && sum(page, "cpa_quota_poll_failures_total") == 2.0
        })
        .await;
    let failures = "cpa_quota_poll_failures_total{provider=\"plugin\",reason=\"transient\"}";
    assert_eq!(page.get(failures), Some(&2.0), "{page:#?}");
}

/// A server without plugins lists no such account for a poll.
#[tokio::test(flavor = "multi_thread")]
async fn a_v7_is_not_polled_for_plugin_quotas() {
    let simulator = pool(CpaVersion::CAPTURED).await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    let page = exporter
        .when("every account", |page| labels(page).len() == 4)
        .await;
    assert_eq!(sum(&page, "cpa_quota_polls_total"), 0.0);
    let accounts = simulator.quotas().accounts;
    assert_eq!(accounts.iter().map(calls_of).sum::<u64>(), 0);
}
