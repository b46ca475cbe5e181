//! A limit that both a provider reports and a local rule counts.

use std::fs;

use cpa_exporter::simulator::QuotaFaultMode;
use tempfile::tempdir;

use super::{labels, of_provider};
use crate::harness::{Exporter, Samples, simulator};

/// Kimi reports a `main` of five hours; no provider reports `mine`.
const RULES: &str = r#"
[[quota]]
name = "main"
provider = "kimi"
measure = "attempts"
window = "rolling"
length = "5h"
limit = 1_000_000

[[quota]]
name = "mine"
provider = "kimi"
measure = "attempts"
window = "rolling"
length = "5h"
limit = 1_000_000
"#;

/// The sources of an account's limit.
fn sources(page: &Samples, account: &str, limit: &str) -> Vec<String> {
    let start =
        format!("cpa_quota_source_info{{{account},limit=\"{limit}\",window=\"5h\",source=\"");
    let found = page.keys().filter_map(|name| name.strip_prefix(&start));
    found
        .map(|rest| rest.trim_end_matches("\"}").to_owned())
        .collect()
}

fn ratio(page: &Samples, account: &str, limit: &str) -> Option<f64> {
    let name = format!("cpa_quota_used_ratio{{{account},limit=\"{limit}\",window=\"5h\"}}");
    page.get(&name).copied()
}

/// The rule applies while the provider has no reading, and not once it has one.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_overrides_a_local_rule_of_the_same_limit() {
    let simulator = simulator(|config| {
        config.traffic.providers = vec!["kimi".to_owned()];
        config.traffic.accounts = 2;
    })
    .await;
    let accounts = of_provider(&simulator, "kimi");
    for account in &accounts {
        let silent = Some(QuotaFaultMode::ServerError.into());
        simulator.set_quota_fault(&account.account, silent);
    }
    let dir = tempdir().unwrap();
    let file = dir.path().join("limits.toml");
    fs::write(&file, RULES).unwrap();
    let flags = ["--limits.file", file.to_str().unwrap()];
    let exporter = Exporter::start(&simulator, &dir.path().join("data"), &flags).await;
    simulator.generate(200);

    let account = &accounts[0];
    let name = |page: &Samples| labels(page).get(&account.account).cloned();
    let local = |page: &Samples| {
        name(page).is_some_and(|account| {
            ["main", "mine"].iter().all(|limit| {
                sources(page, &account, limit) == ["local"]
                    && ratio(page, &account, limit).is_some_and(|ratio| ratio > 0.0)
            })
        })
    };
    let page = exporter.when("the rules speak", local).await;
    let labels = name(&page).unwrap();
    assert!(ratio(&page, &labels, "main").unwrap() < 0.001);

    // With a new reading of the provider, only that is shown.
    simulator.set_quota_fault(&account.account, None);
    exporter.signal("USR1");
    let told = |page: &Samples| sources(page, &labels, "main") == ["poll"];
    let page = exporter.when("the provider has a reading", told).await;
    let quotas = simulator.quotas();
    let truth = quotas
        .accounts
        .iter()
        .find(|one| one.account == account.account)
        .and_then(|one| {
            let mut limits = one.limits.iter();
            limits.find(|limit| limit.limit == "main" && limit.window == "5h")
        })
        .unwrap();
    let used = truth.used as f64 / truth.capacity as f64;
    let shown = ratio(&page, &labels, "main").unwrap();
    assert!((shown - used).abs() <= 0.01, "{shown}, in truth {used}");
    assert_eq!(sources(&page, &labels, "mine"), ["local"]);

    // The rule applies to another account without a reading.
    let other = super::labels(&page)[&accounts[1].account].clone();
    assert_eq!(sources(&page, &other, "main"), ["local"]);
    exporter.terminate().await;
}
