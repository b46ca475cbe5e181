//! Small inputs from public reports, from CPA to the page.

use std::path::Path;

use cpa_exporter::clock::Clock;
use cpa_exporter::http_client::{self, Proxy, Timeouts};
use tempfile::tempdir;

use super::headers::{DEAF, of_window};
use super::{calls, calls_of, labels, of_provider};
use crate::harness::{Exporter, Samples, eventually, simulator};

/// The records of a file, with current times and this account.
fn records(name: &str, account: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
    let text = std::fs::read_to_string(path.join(name)).unwrap();
    let text = text.replace("aa30000000000000", account);
    let now = Clock::system().now().as_millis() / 1000;
    text.lines().map(|line| timed(line, now)).collect()
}

/// `@epoch+9000` is so many seconds from now, `@now-59` so many ago.
fn timed(line: &str, now: i64) -> String {
    let mut timed = line.to_owned();
    for (mark, sign) in [("@epoch+", 1), ("@now-", -1)] {
        while let Some((before, after)) = timed.split_once(mark) {
            let end = after.find(|c: char| !c.is_ascii_digit()).unwrap();
            let (seconds, rest) = after.split_at(end);
            let at = now + sign * seconds.parse::<i64>().unwrap();
            let shown = match sign {
                1 => at.to_string(),
                _ => jiff::Timestamp::from_second(at).unwrap().to_string(),
            };
            timed = format!("{before}{shown}{rest}");
        }
    }
    timed
}

/// A sample of any window.
fn of_limit(page: &Samples, family: &str, account: &str, limit: &str, window: &str) -> Option<f64> {
    let labels = labels(page).get(account)?.clone();
    let name = format!("{family}{{{labels},limit=\"{limit}\",window=\"{window}\"}}");
    page.get(&name).copied()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_one_model_is_not_a_limit_of_the_plan() {
    let simulator = simulator(|config| {
        config.traffic.providers = vec!["codex".to_owned()];
        config.traffic.accounts = 1;
    })
    .await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &DEAF).await;
    let account = of_provider(&simulator, "codex").remove(0).account;
    let of_plan = |page: &Samples, family: &str| of_window(page, family, &account, "weekly");
    let mut records = records("codex-active-limit.jsonl", &account).into_iter();
    simulator.push(records.next().unwrap());
    exporter
        .when("the plan", |page| {
            of_plan(page, "cpa_quota_used_ratio") == Some(0.55)
        })
        .await;
    simulator.push(records.next().unwrap());
    let page = exporter
        .when("the model's limit", |page| {
            of_limit(page, "cpa_quota_exhausted", &account, "bengalfox", "5h") == Some(1.0)
        })
        .await;
    let of_model = |family, window| of_limit(&page, family, &account, "bengalfox", window);
    assert_eq!(of_model("cpa_quota_used_ratio", "5h"), Some(1.0));
    assert_eq!(of_model("cpa_quota_used_ratio", "weekly"), Some(0.11));
    assert_eq!(of_plan(&page, "cpa_quota_used_ratio"), Some(0.55));
    assert_eq!(of_plan(&page, "cpa_quota_exhausted"), Some(0.0));
    assert_eq!(of_plan(&page, "cpa_quota_resets_total"), Some(0.0));
    let short = page
        .keys()
        .filter(|name| name.contains("limit=\"main\",window=\"5h\""));
    assert_eq!(short.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_of_the_plan_shows_no_other_limit() {
    let simulator = simulator(|config| {
        config.traffic.providers = vec!["codex".to_owned()];
        config.traffic.accounts = 1;
    })
    .await;
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &DEAF).await;
    let account = of_provider(&simulator, "codex").remove(0).account;
    for record in records("codex-429-active-limit.jsonl", &account) {
        simulator.push(record);
    }
    let page = exporter
        .when("exhausted", |page| {
            of_window(page, "cpa_quota_exhausted", &account, "5h") == Some(1.0)
        })
        .await;
    assert_eq!(
        of_window(&page, "cpa_quota_used_ratio", &account, "weekly"),
        Some(0.4)
    );
    let others = page.keys().filter(|name| {
        let is_limit = name.starts_with("cpa_quota_") && name.contains(",limit=\"");
        is_limit && !name.contains(",limit=\"main\"")
    });
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_is_polled_while_only_one_model_is_used() {
    let simulator = simulator(|config| {
        config.traffic.providers = vec!["codex".to_owned()];
        config.traffic.accounts = 1;
    })
    .await;
    let dir = tempdir().unwrap();
    let place = "/rate_limit/primary_window/used_percent";
    let page = "https://chatgpt.com/backend-api/wham/usage";
    let file = super::faults::hurried(dir.path(), &[("codex", page, place)]);
    let flags = ["--quota.file", &file, "--quota.interval", "1s"];
    let _exporter = Exporter::start(&simulator, &dir.path().join("data"), &flags).await;
    let account = of_provider(&simulator, "codex").remove(0).account;
    eventually("polls between the model's requests", async || {
        let record = records("codex-active-limit.jsonl", &account).remove(1);
        // With the current time: the account's headers are never older than the interval.
        let now = jiff::Timestamp::from_millisecond(Clock::system().now().as_millis()).unwrap();
        let mut record: serde_json::Value = serde_json::from_str(&record).unwrap();
        record["timestamp"] = now.to_string().into();
        record["ttft_ms"] = 0.into();
        record["latency_ms"] = 0.into();
        simulator.push(record.to_string());
        (calls_of(&of_provider(&simulator, "codex")[0]) >= 4).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_v0_of_7_3_lists_windows() {
    let simulator = simulator(|config| {
        config.version = "7.3.18".parse().unwrap();
        config.traffic.providers = ["codex", "claude"].map(str::to_owned).into();
        config.traffic.accounts = 2;
    })
    .await;
    simulator.generate(50);
    // Another client pops the records, so that only the list shows the limit.
    let client = http_client::build(Timeouts::default(), Proxy::Never, None).unwrap();
    let queue = format!(
        "http://{}/v0/management/usage-queue?count=1000",
        simulator.addr()
    );
    let taken = client.get(queue).bearer_auth(simulator.management_key());
    let taken = taken.send().await.unwrap().text().await.unwrap();
    assert!(taken.len() > 1000, "{taken}");
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &DEAF).await;
    let accounts = [
        of_provider(&simulator, "codex"),
        of_provider(&simulator, "claude"),
    ]
    .concat();
    assert_eq!(accounts.len(), 2);
    let page = exporter
        .when("every window", |page| {
            accounts
                .iter()
                .all(|account| super::headers::is_shown(page, account))
        })
        .await;
    assert_eq!(page.get("cpa_store_events"), Some(&0.0));
    assert_eq!(calls(&simulator), 0);
}
