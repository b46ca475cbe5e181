//! Quota headers of ordinary responses, without polls.

use std::path::Path;

use cpa_exporter::clock::Clock;
use cpa_exporter::http_client::{self, Proxy, Timeouts};
use cpa_exporter::simulator::{AccountQuotas, Simulator};
use tempfile::tempdir;

use super::{calls, calls_of, labels, of_provider, truth};
use crate::harness::{Exporter, Samples, eventually, simulator};

pub(super) const DEAF: [&str; 3] = ["--quota.enabled=false", "--accounts.interval", "1s"];

/// A sample of an account's window.
pub(super) fn of_window(page: &Samples, family: &str, account: &str, window: &str) -> Option<f64> {
    let labels = labels(page).get(account)?.clone();
    let name = format!("{family}{{{labels},limit=\"main\",window=\"{window}\"}}");
    page.get(&name).copied()
}

pub(super) fn is_shown(page: &Samples, account: &AccountQuotas) -> bool {
    let mut main = account.limits.iter().filter(|limit| limit.limit == "main");
    main.all(|limit| {
        let get = |family| of_window(page, family, &account.account, &limit.window);
        let (used, reset) = (
            get("cpa_quota_used_ratio"),
            get("cpa_quota_reset_timestamp_seconds"),
        );
        let true_reset = limit.reset_ms.map(|reset| reset as f64 / 1000.0);
        // Headers have whole percent.
        used.is_some_and(|used| (used - limit.used_ratio).abs() <= 0.01)
            && reset
                .zip(true_reset)
                .is_none_or(|(shown, is)| (shown - is).abs() <= 60.0)
    })
}

fn accounts_with_headers(simulator: &Simulator) -> Vec<AccountQuotas> {
    let mut accounts = of_provider(simulator, "codex");
    accounts.append(&mut of_provider(simulator, "claude"));
    accounts
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_appear_from_headers_without_a_poll() {
    let simulator = simulator(|config| {
        config.traffic.providers = ["codex", "claude"].map(str::to_owned).into();
    })
    .await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &DEAF).await;
    simulator.generate(500);
    let accounts = accounts_with_headers(&simulator);
    assert!(accounts.len() > 5);
    let page = exporter
        .when("every window", |page| {
            accounts_with_headers(&simulator)
                .iter()
                .all(|a| is_shown(page, a))
        })
        .await;
    let sources = page
        .keys()
        .filter(|name| name.starts_with("cpa_quota_source_info{"));
    assert!(sources.clone().count() >= accounts.len());
    for source in sources {
        assert!(source.contains("source=\"header\""), "{source}");
    }
    assert_eq!(calls(&simulator), 0);
    assert!(
        !page
            .keys()
            .any(|name| name.starts_with("cpa_quota_last_success_"))
    );
    assert!(
        truth::can_be_polled(&accounts[0]),
        "though it could be asked"
    );
}

async fn exhaust(simulator: &Simulator, account: &str) {
    let client = http_client::build(Timeouts::default(), Proxy::Never, None).unwrap();
    let url = format!("http://{}/simulator/accounts", simulator.addr());
    let body = serde_json::json!({ "auth_index": account, "used": { "main/5h": 1.0 } });
    let answer = client.patch(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_shows_the_window_as_exhausted_at_once() {
    for provider in ["codex", "claude"] {
        let simulator = simulator(|config| {
            config.traffic.providers = vec![provider.to_owned()];
            config.traffic.accounts = 1;
        })
        .await;
        let dir = tempdir().unwrap();
        let exporter = Exporter::start(&simulator, dir.path(), &DEAF).await;
        let account = of_provider(&simulator, provider).remove(0).account;
        simulator.generate(3);
        exporter
            .when("open", |page| {
                of_window(page, "cpa_quota_exhausted", &account, "5h") == Some(0.0)
            })
            .await;
        exhaust(&simulator, &account).await;
        // All requests get 429 until the window ends.
        simulator.generate(3);
        let page = exporter
            .when("exhausted", |page| {
                of_window(page, "cpa_quota_exhausted", &account, "5h") == Some(1.0)
            })
            .await;
        let reset = of_window(&page, "cpa_quota_reset_timestamp_seconds", &account, "5h").unwrap();
        let truth = of_provider(&simulator, provider).remove(0).limits;
        let truth = truth.iter().find(|limit| limit.window == "5h").unwrap();
        assert!((reset - truth.reset_ms.unwrap() as f64 / 1000.0).abs() <= 60.0);
        assert_eq!(calls(&simulator), 0);
    }
}

/// A captured record with another account, time and share.
fn record(account: &str, second: u32, percent: u32) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records/codex.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut lines = lines.filter(|line| {
        line["failed"] == false
            && line["response_headers"]["X-Codex-Primary-Used-Percent"].is_array()
    });
    let mut record = lines.next().unwrap();
    let now = Clock::system().now().as_millis() / 1000;
    let at = jiff::Timestamp::from_second(now - 100 + i64::from(second)).unwrap();
    let headers = &mut record["response_headers"];
    let date = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .unwrap();
    headers["Date"][0] = date.into();
    headers["X-Codex-Primary-Used-Percent"][0] = percent.to_string().into();
    headers["X-Codex-Primary-Reset-At"][0] = (now + 3600).to_string().into();
    headers["X-Codex-Primary-Reset-After-Seconds"][0] = "3600".into();
    record["timestamp"] = at.to_string().into();
    record["auth_index"] = account.into();
    record["auth_type"] = "oauth".into();
    record["latency_ms"] = 0.into();
    record.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_reading_wins_in_any_order_of_arrival() {
    let simulator = simulator(|config| {
        config.traffic.providers = vec!["codex".to_owned()];
        config.traffic.accounts = 1;
    })
    .await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &DEAF).await;
    let account = of_provider(&simulator, "codex").remove(0).account;
    let used = |page: &Samples| of_window(page, "cpa_quota_used_ratio", &account, "5h");
    let mut records = 0.0;
    for (second, percent, shown) in [(10, 40, 0.40), (5, 10, 0.40), (20, 41, 0.41)] {
        simulator.push(record(&account, second, percent));
        records += 1.0;
        // The gauge is published a moment after the count.
        exporter
            .when("the newest", |page| {
                page.get("cpa_store_events") == Some(&records) && used(page) == Some(shown)
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_fresh_headers_is_not_polled() {
    let simulator = simulator(|config| {
        config.traffic.providers = ["codex", "kimi"].map(str::to_owned).into();
        // Three of the one, one of the other.
        config.traffic.accounts = 4;
        config.traffic.rate = Some(60.0);
    })
    .await;
    let dir = tempdir().unwrap();
    let file = super::faults::hurried(
        dir.path(),
        &[
            (
                "kimi",
                "https://api.kimi.com/coding/v1/usages",
                "/limits/0/detail/used",
            ),
            (
                "codex",
                "https://chatgpt.com/backend-api/wham/usage",
                "/rate_limit/primary_window/used_percent",
            ),
        ],
    );
    let flags = ["--quota.file", &file, "--quota.interval", "3s"];
    let exporter = Exporter::start(&simulator, &dir.path().join("data"), &flags).await;
    let calls = |provider| -> u64 {
        let accounts = of_provider(&simulator, provider);
        accounts.iter().map(calls_of).sum()
    };
    // A machine that stalls for an interval lets headers expire, so the test searches a span
    // without a stall. Polls despite fresh headers would hit every account once each interval.
    let mut since = (calls("kimi"), calls("codex"));
    eventually(
        "four polls of who has no headers, and none of who has",
        async || {
            let now = (calls("kimi"), calls("codex"));
            if now.1 != since.1 {
                since = now;
            }
            (now.1 >= 3 && now.0 >= since.0 + 4).then_some(())
        },
    )
    .await;
    let account = of_provider(&simulator, "codex").remove(0).account;
    let page = exporter.samples().await;
    let labels = labels(&page)[&account].clone();
    let source =
        format!("cpa_quota_source_info{{{labels},limit=\"main\",window=\"5h\",source=\"header\"}}");
    assert_eq!(page.get(&source), Some(&1.0));
}
