//! Small inputs from public reports, from CPA to the page.

use std::path::Path;

use cpa_exporter::clock::Clock;
use cpa_exporter::http_client::{self, Proxy, Timeouts};
use cpa_exporter::simulator::Simulator;
use cpa_exporter::simulator::{QuotaFault, QuotaFaultMode};
use serde_json::{Value, json};
use tempfile::tempdir;

use super::headers::{DEAF, of_window};
use super::{calls, calls_of, labels, of_provider};
use crate::harness::{Exporter, Samples, eventually, simulator};

fn case(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
    std::fs::read_to_string(path.join(name)).unwrap()
}

/// The records of a file, with current times and this account.
fn records(name: &str, account: &str) -> Vec<String> {
    let text = case(name).replace("aa30000000000000", account);
    let now = Clock::system().now().as_millis() / 1000;
    text.lines().map(|line| timed(line, now)).collect()
}

/// `@epoch+9000` and `@iso+9000` are so many seconds from now, `@now-59` so many ago.
fn timed(line: &str, now: i64) -> String {
    let mut timed = line.to_owned();
    for (mark, sign) in [("@epoch+", 1), ("@iso+", 1), ("@now-", -1)] {
        while let Some((before, after)) = timed.split_once(mark) {
            let end = after.find(|c: char| !c.is_ascii_digit()).unwrap();
            let (seconds, rest) = after.split_at(end);
            let at = now + sign * seconds.parse::<i64>().unwrap();
            let shown = match mark {
                "@epoch+" => at.to_string(),
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

/// A CPA with a single account.
async fn one_codex() -> Simulator {
    simulator(|config| {
        config.traffic.providers = vec!["codex".to_owned()];
        config.traffic.accounts = 1;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_one_model_is_not_a_limit_of_the_plan() {
    let (simulator, dir) = (one_codex().await, tempdir().unwrap());
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
async fn the_plan_of_a_header_replaces_the_one_of_the_list() {
    let (simulator, dir) = (one_codex().await, tempdir().unwrap());
    let exporter = Exporter::start(&simulator, dir.path(), &DEAF).await;
    let account = of_provider(&simulator, "codex").remove(0).account;
    let plans = |page: &Samples| {
        let labels = labels(page).remove(&account).unwrap_or_default();
        let infos = page
            .keys()
            .filter(|name| name.starts_with("cpa_account_info{"));
        let own = infos.filter(|name| name.contains(&labels)).cloned();
        own.collect::<Vec<String>>()
    };
    let listed = |page: &Samples| plans(page).iter().any(|info| !info.contains("plan=\"\""));
    let page = exporter.when("the plan of CPA's list", listed).await;
    assert!(!plans(&page)[0].contains("plan=\"business\""));
    let record = records("codex-active-limit.jsonl", &account).remove(0);
    let pro = r#""X-Codex-Plan-Type": ["pro"]"#;
    assert!(record.contains(pro), "{record}");
    simulator.push(record.replace(pro, r#""X-Codex-Plan-Type": ["business"]"#));
    exporter
        .when("the plan of the header", |page| {
            plans(page)
                .iter()
                .all(|info| info.contains("plan=\"business\""))
        })
        .await;
    assert_eq!(calls(&simulator), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_of_the_plan_shows_no_other_limit() {
    let (simulator, dir) = (one_codex().await, tempdir().unwrap());
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
    let (simulator, dir) = (one_codex().await, tempdir().unwrap());
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
        let mut record: Value = serde_json::from_str(&record).unwrap();
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

/// A provider's page, and the used share of each (limit, window) that it states.
struct PageCase {
    provider: &'static str,
    page: Value,
    shares: Vec<(&'static str, &'static str, f64)>,
    has_reset: bool,
    /// Unit, used, limit and remaining of the only row with amounts.
    amounts: Option<(&'static str, [f64; 3])>,
}

fn page_cases() -> Vec<PageCase> {
    let now = Clock::system().now().as_millis() / 1000;
    let kimi: Value = serde_json::from_str(&timed(&case("kimi-usages.json"), now)).unwrap();
    let of = |provider, page, shares| PageCase {
        provider,
        page,
        shares,
        has_reset: true,
        amounts: None,
    };
    let never = json!({ "usages": { "limit_5h": {
        "used_ratio": 0.25, "reset_time": "9999-12-31T23:59:59Z" } } });
    let nothing = json!({
        "usage": { "limit": "0", "remaining": "0" },
        "limits": [{ "window": { "duration": 300, "timeUnit": "TIME_UNIT_MINUTE" },
            "detail": { "limit": "100", "remaining": "60",
                "resetTime": jiff::Timestamp::from_second(now + 9000).unwrap().to_string() } }],
    });
    let individual = json!({ "plan_type": "business", "spend_control": { "individual_limit": {
        "limit": "50", "used": "12.5", "remaining": "37.5", "used_percent": 25,
        "reset_at": now + 900_000 } } });
    vec![
        of(
            "kimi",
            kimi[0]["body"].clone(),
            vec![
                ("code", "monthly", 0.5),
                ("main", "5h", 0.0),
                ("main", "monthly", 0.9338),
            ],
        ),
        of(
            "kimi",
            kimi[1]["body"].clone(),
            vec![
                ("main", "5h", 0.3),
                ("main", "monthly", 0.4),
                ("main", "weekly", 0.85),
            ],
        ),
        PageCase {
            has_reset: false,
            ..of("kimi", never, vec![("main", "5h", 0.25)])
        },
        of("kimi", nothing, vec![("main", "5h", 0.4)]),
        PageCase {
            amounts: Some(("credits", [12.5, 50.0, 37.5])),
            ..of(
                "codex",
                individual,
                vec![("individual_limit", "monthly", 0.25)],
            )
        },
    ]
}

impl PageCase {
    /// Samples of the families that this page decides, for an account of these labels.
    fn samples(&self, labels: &str) -> Samples {
        let mut samples = Samples::new();
        for (limit, window, share) in &self.shares {
            let row = format!("{labels},limit=\"{limit}\",window=\"{window}\"");
            samples.insert(format!("cpa_quota_used_ratio{{{row}}}"), *share);
            if let Some((unit, amounts)) = self.amounts {
                let names = ["used", "limit", "remaining"].into_iter();
                for (name, amount) in names.zip(amounts) {
                    let name = format!("cpa_quota_{name}{{{row},unit=\"{unit}\"}}");
                    samples.insert(name, amount);
                }
            }
        }
        samples
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_reports_reach_the_metrics() {
    let simulator = simulator(|config| {
        config.traffic.providers = ["kimi", "codex"].map(str::to_owned).into();
        config.traffic.accounts = 38;
    })
    .await;
    let mut accounts = [
        of_provider(&simulator, "kimi"),
        of_provider(&simulator, "codex"),
    ]
    .concat();
    let cases: Vec<(String, PageCase)> = page_cases()
        .into_iter()
        .map(|case| {
            let place = accounts.iter().position(|a| a.provider == case.provider);
            (accounts.remove(place.unwrap()).account, case)
        })
        .collect();
    for (account, case) in &cases {
        let fault = QuotaFault {
            body: case.page.clone(),
            ..QuotaFaultMode::Page.into()
        };
        simulator.set_quota_fault(account, Some(fault));
    }
    let dir = tempdir().unwrap();
    let exporter = Exporter::start(&simulator, dir.path(), &[]).await;
    let page = exporter
        .when("every account", |page| {
            let labels = labels(page);
            cases.iter().all(|(account, _)| {
                labels.get(account).is_some_and(|labels| {
                    let start = format!("cpa_quota_used_ratio{{{labels},");
                    page.keys().any(|name| name.starts_with(&start))
                })
            })
        })
        .await;
    let labels = labels(&page);
    let families = ["used_ratio", "used", "limit", "remaining"];
    for (account, case) in &cases {
        let labels = &labels[account];
        let mut shown = page.clone();
        shown.retain(|name, _| {
            let is = |family: &str| name.starts_with(&format!("cpa_quota_{family}{{{labels},"));
            families.into_iter().any(is)
        });
        assert_eq!(shown, case.samples(labels), "{}", case.page);
        let resets = page.keys().filter(|name| {
            name.starts_with(&format!("cpa_quota_reset_timestamp_seconds{{{labels},"))
        });
        assert_eq!(resets.count() > 0, case.has_reset, "{}", case.page);
    }
}
