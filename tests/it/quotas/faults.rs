//! Faulty quota responses: counted by class, and the last reading stays.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use cpa_exporter::http_client::{self, Proxy, Timeouts};
use cpa_exporter::simulator::{AccountQuotas, QuotaFault, QuotaFaultMode, Simulator};
use reqwest::Method;
use tempfile::{TempDir, tempdir};

use super::files::quota_file;
use super::{agrees, calls_of, labels, of_provider};
use crate::harness::{Exporter, Samples, eventually, simulator, sum};

const TOKEN: &str = "api-token-for-tests";
/// Accounts in a refresh: of 38 and those of the file.
const ASKED: f64 = 27.0;

/// An exporter that accepts refreshes, and the directory of its files.
async fn refreshable(simulator: &Simulator, flags: &[&str]) -> (TempDir, Exporter) {
    let dir = tempdir().unwrap();
    let token = dir.path().join("token");
    fs::write(&token, TOKEN).unwrap();
    let file = quota_file(simulator, dir.path());
    let mut all = vec![
        "--web.api-token-file",
        token.to_str().unwrap(),
        "--quota.file",
        file.to_str().unwrap(),
        // A busy machine needs more than a second for 10 MiB.
        "--quota.timeout",
        "8s",
    ];
    all.extend_from_slice(flags);
    let exporter = Exporter::start(simulator, &dir.path().join("data"), &all).await;
    exporter
        .when("own accounts", |page| {
            page.keys().any(|name| name.contains("generic-0\",limit="))
        })
        .await;
    agrees(&exporter, simulator).await;
    (dir, exporter)
}

/// Failure reasons by account in the response to a refresh.
async fn refreshed(exporter: &Exporter) -> BTreeMap<String, String> {
    let (status, _, body) = exporter
        .api(Method::POST, "quota/refresh", Some(TOKEN))
        .await;
    assert_eq!(status, 200, "{body}");
    let text = |of: &serde_json::Value| of.as_str().unwrap().to_owned();
    let failed = body["failed"].as_array().unwrap().iter();
    let failed = failed.map(|one| (text(&one["account"]), text(&one["reason"])));
    failed.collect()
}

fn failures(page: &Samples, provider: &str, reason: &str) -> f64 {
    page[&format!("cpa_quota_poll_failures_total{{provider=\"{provider}\",reason=\"{reason}\"}}")]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_class_is_counted_and_keeps_the_last_reading() {
    use QuotaFaultMode as Mode;
    let modes = [
        (Mode::Unauthorized, "unauthorized"),
        (Mode::PaymentRequired, "payment"),
        (Mode::Forbidden, "forbidden"),
        (Mode::NotFound, "unsupported"),
        (Mode::RateLimited, "throttled"),
        (Mode::ServerError, "transient"),
        (Mode::Html, "parse"),
        (Mode::Huge, "parse"),
        (Mode::BareNan, "parse"),
        (Mode::ErrorInside, "parse"),
        (Mode::Hang, "transient"),
    ];
    let simulator = simulator(|config| {
        config.traffic.providers = vec!["kimi".to_owned()];
        config.traffic.accounts = modes.len() + 2;
    })
    .await;
    let (_dir, exporter) = refreshable(&simulator, &["--quota.concurrency", "8"]).await;
    let names = labels(&exporter.samples().await);
    let accounts = of_provider(&simulator, "kimi");
    let mut expected = BTreeMap::new();
    for (account, (mode, reason)) in accounts.iter().zip(modes) {
        simulator.set_quota_fault(&account.account, Some(mode.into()));
        let name = names[&account.account].rsplit('"').nth(1).unwrap();
        expected.insert(name.to_owned(), reason.to_owned());
    }
    assert_eq!(refreshed(&exporter).await, expected);
    let page = agrees(&exporter, &simulator).await;
    for (_, reason) in modes {
        let times = modes.iter().filter(|(_, other)| *other == reason).count();
        assert_eq!(failures(&page, "kimi", reason), times as f64, "{reason}");
    }
    assert_eq!(
        sum(&page, "cpa_quota_poll_failures_total"),
        modes.len() as f64
    );
    let log = exporter.log();
    assert!(
        !log.contains("\"ERROR\"") && !log.contains("panicked"),
        "{log}"
    );
}

/// All providers return nonsense: the windows on the page before and after, and the failure reasons.
struct Nonsense {
    before: Vec<String>,
    after: Vec<String>,
    failed: BTreeMap<String, String>,
}

async fn answers(simulator: &Simulator, exporter: &Exporter, mode: QuotaFaultMode) -> Nonsense {
    let rows = |page: &Samples| -> Vec<String> {
        let names = page.keys();
        let ratios = names.filter(|name| name.starts_with("cpa_quota_used_ratio{"));
        ratios.cloned().collect()
    };
    let page = exporter.samples().await;
    let before = rows(&page);
    let polls = sum(&page, "cpa_quota_polls_total");
    simulator.set_quota_fault("*", Some(mode.into()));
    let failed = refreshed(exporter).await;
    // The page is updated a moment after the response to the refresh.
    let is_on_page = |page: &Samples| sum(page, "cpa_quota_polls_total") >= polls + ASKED;
    let page = exporter.when("the second polls", is_on_page).await;
    Nonsense {
        before,
        after: rows(&page),
        failed,
    }
}

/// All of it is ignored.
async fn nonsense(mode: QuotaFaultMode) -> BTreeMap<String, String> {
    let simulator = simulator(|config| config.traffic.accounts = 38).await;
    let (_dir, exporter) = refreshable(&simulator, &["--quota.concurrency", "8"]).await;
    let answers = answers(&simulator, &exporter, mode).await;
    assert_eq!(answers.after, answers.before, "{mode:?}");
    let page = agrees(&exporter, &simulator).await;
    let resets = page
        .iter()
        .filter(|(name, _)| name.starts_with("cpa_quota_reset_timestamp"));
    assert!(resets.map(|(_, at)| *at).all(|at| at < 4e9), "{mode:?}");
    assert_eq!(sum(&page, "cpa_quota_resets_total"), 0.0);
    answers.failed
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_numbers_are_ignored() {
    nonsense(QuotaFaultMode::Nan).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn negative_numbers_remove_no_window() {
    nonsense(QuotaFaultMode::Negative).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_times_are_ignored() {
    assert_eq!(nonsense(QuotaFaultMode::FarFuture).await, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_with_status_200_is_a_failure() {
    let failed = nonsense(QuotaFaultMode::ErrorInside).await;
    let all = |name: &str| {
        let reasons = failed
            .iter()
            .filter(|(account, _)| account.starts_with(name));
        let reasons: Vec<&str> = reasons.map(|(_, reason)| reason.as_str()).collect();
        assert!(!reasons.is_empty(), "{name} {failed:?}");
        reasons
    };
    assert!(all("codex").iter().all(|reason| *reason == "parse"));
    // The bodies of these two say that the key is wrong.
    let keys = failed.values().filter(|reason| *reason == "unauthorized");
    assert!(keys.count() >= 4, "{failed:?}");
}

/// Providers whose accounts may be polled every second, so that pauses are visible.
pub(super) fn hurried(directory: &Path, providers: &[(&str, &str, &str)]) -> String {
    let path = directory.join("quota.toml");
    let described = providers.iter().map(|(provider, url, place)| {
        format!(
            "[[provider]]\nname = \"{provider}-often\"\nprovider = \"{provider}\"\n\
             url = \"{url}\"\nheaders = {{ Authorization = \"Bearer $TOKEN$\" }}\n\
             min_interval = \"1s\"\n[[provider.limit]]\nname = \"main\"\nwindow = \"5h\"\n\
             used_percent = \"{place}\"\n"
        )
    });
    fs::write(&path, described.collect::<String>()).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn refresh_token(simulator: &Simulator, account: &str) {
    let client = http_client::build(Timeouts::default(), Proxy::Never, None).unwrap();
    let url = format!("http://{}/simulator/accounts", simulator.addr());
    let body = serde_json::json!({ "auth_index": account, "refresh": true });
    let answer = client.patch(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

fn statuses(of: &AccountQuotas) -> BTreeMap<u16, u64> {
    let mut all = BTreeMap::new();
    for (status, count) in of.calls.values().flat_map(|calls| &calls.statuses) {
        *all.entry(*status).or_default() += count;
    }
    all
}

fn shortest_gap(of: &AccountQuotas) -> Duration {
    let gaps = of.calls.values().filter_map(|calls| calls.shortest_gap_ms);
    Duration::from_millis(gaps.min().unwrap_or(0).try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failure_class_sets_the_time_of_the_next_poll() {
    let simulator = simulator(|config| {
        config.traffic.providers = vec!["kimi".to_owned()];
        config.traffic.accounts = 4;
    })
    .await;
    let accounts = of_provider(&simulator, "kimi");
    let index = |n: usize| accounts[n].account.as_str();
    simulator.set_quota_fault(index(1), Some(QuotaFaultMode::Unauthorized.into()));
    let throttled = QuotaFault {
        retry_after: Some(4),
        ..QuotaFaultMode::RateLimited.into()
    };
    simulator.set_quota_fault(index(2), Some(throttled));
    simulator.set_quota_fault(index(3), Some(QuotaFaultMode::ServerError.into()));
    let dir = tempdir().unwrap();
    let url = "https://api.kimi.com/coding/v1/usages";
    let file = hurried(dir.path(), &[("kimi", url, "/limits/0/detail/used")]);
    let flags = [
        "--quota.file",
        &file,
        "--quota.interval",
        "1s",
        "--accounts.interval",
        "1s",
    ];
    let _exporter = Exporter::start(&simulator, &dir.path().join("data"), &flags).await;
    let now = eventually("a dozen polls of the healthy account", async || {
        let now = of_provider(&simulator, "kimi");
        (calls_of(&now[0]) >= 12).then_some(now)
    })
    .await;
    let second = Duration::from_secs(1);
    assert!(shortest_gap(&now[0]) >= second, "{:?}", now[0].calls);
    assert_eq!(statuses(&now[1]), BTreeMap::from([(401, 1)]));
    let [throttled, broken] = [2, 3].map(|n| calls_of(&now[n]));
    assert!((2..=5).contains(&throttled), "{:?}", now[2].calls);
    assert!(shortest_gap(&now[2]) >= 4 * second, "{:?}", now[2].calls);
    assert!((3..=6).contains(&broken), "{:?}", now[3].calls);
    assert!(shortest_gap(&now[3]) >= second, "{:?}", now[3].calls);
    // A new token is tried at once, not in two hours.
    simulator.set_quota_fault(index(1), None);
    refresh_token(&simulator, index(1)).await;
    eventually("the refreshed account is asked", async || {
        let now = of_provider(&simulator, "kimi");
        statuses(&now[1]).contains_key(&200).then_some(())
    })
    .await;
}
