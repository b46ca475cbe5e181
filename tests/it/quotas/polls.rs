//! Every provider is polled, through CPA or directly, and the readings are true.

use cpa_exporter::simulator::{CpaVersion, Simulator};
use tempfile::tempdir;

use super::files::{DIRECT, quota_file};
use super::{agrees, calls, calls_of, truth};
use crate::harness::{Exporter, simulator, sum};

async fn pool(version: CpaVersion) -> Simulator {
    simulator(|config| {
        config.version = version;
        // Two of every kind of credential.
        config.traffic.accounts = 38;
    })
    .await
}

/// The first refresh polls each account once and gets all readings.
async fn all_readings(version: CpaVersion) {
    let simulator = pool(version).await;
    let dir = tempdir().unwrap();
    let file = quota_file(&simulator, dir.path());
    let data = dir.path().join("data");
    let flags = ["--quota.file", file.to_str().unwrap()];
    let exporter = Exporter::start(&simulator, &data, &flags).await;
    let quotas = simulator.quotas();
    let asked = || quotas.accounts.iter().filter(|a| truth::can_be_polled(a));
    let all = asked().count() as f64;
    let page = exporter
        .when("every poll", |page| {
            let polled = |name: &&String| name.starts_with("cpa_quota_last_success_");
            page.keys().filter(polled).count() as f64 == all
        })
        .await;
    assert_eq!(sum(&page, "cpa_quota_poll_failures_total"), 0.0);
    let page = agrees(&exporter, &simulator).await;
    let shown = |name: &str| page.keys().any(|key| key.contains(name));
    for (name, _, _) in DIRECT {
        assert!(shown(&format!("account=\"{name}\",limit=")), "{name}");
    }
    let providers = asked().map(|a| &a.provider);
    let providers: std::collections::BTreeSet<_> = providers.collect();
    assert_eq!(providers.len(), 11, "{providers:?}");

    let accounts = simulator.quotas().accounts;
    for account in accounts.iter().filter(|a| !truth::can_be_polled(a)) {
        assert_eq!(calls_of(account), 0, "{} is asked in vain", account.account);
    }
    let endpoints = accounts.iter().flat_map(|a| &a.calls);
    let twice: Vec<_> = endpoints.filter(|(_, calls)| calls.calls > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let before = calls(&simulator);
    for _ in 0..200 {
        exporter.samples().await;
    }
    assert_eq!(calls(&simulator), before, "a scrape causes no poll");
    assert_eq!(
        sum(&exporter.samples().await, "cpa_quota_polls_total"),
        before as f64
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_readings_through_a_v0_match_the_providers() {
    all_readings(CpaVersion::CAPTURED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_readings_through_a_v8_match_the_providers() {
    all_readings("8.0.10".parse().unwrap()).await;
}
