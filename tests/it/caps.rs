//! Which label values have series when there are more than the cap.

use std::collections::BTreeSet;

use serde_json::json;
use tempfile::tempdir;

use crate::harness::{Exporter, Samples, count, simulator};

/// The cap of the label `code`, and five more.
const CODES: u32 = 45;

fn codes(page: &Samples) -> BTreeSet<String> {
    let failures = page
        .keys()
        .filter(|name| name.starts_with("cpa_request_failures_total{"));
    let codes = failures.filter_map(|name| name.split("code=\"").nth(1)?.split('"').next());
    codes.map(str::to_owned).collect()
}

fn failed(number: u32, status: u32) -> String {
    json!({
        "timestamp": format!("2026-11-01T00:{:02}:{:02}Z", number / 60, number % 60),
        "provider": "codex", "model": "gpt-5.4", "auth_index": "37e10dbe", "failed": true,
        "fail": { "status_code": status, "body": "no" },
    })
    .to_string()
}

/// Codes do not show their order; the database does.
#[tokio::test(flavor = "multi_thread")]
async fn status_codes_above_the_cap_are_the_same_after_a_restart() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let start = async || Exporter::start(&simulator, dir.path(), &[]).await;
    let all = |n: u32| {
        move |page: &Samples| {
            crate::harness::sum(page, "cpa_request_failures_total") == f64::from(n)
        }
    };
    let exporter = start().await;
    // The highest first.
    for number in 0..CODES {
        simulator.push(failed(number, 599 - number));
    }
    let first = codes(&exporter.when("all", all(CODES)).await);
    let mut expected: BTreeSet<String> = (560..=599).map(|code| code.to_string()).collect();
    expected.insert("other".to_owned());
    assert_eq!(first, expected);
    exporter.terminate().await;
    let again = start().await;
    assert_eq!(codes(&again.when("all again", all(CODES)).await), first);
    // One known code without a series, and a new one.
    simulator.push(failed(100, 555));
    simulator.push(failed(101, 400));
    let later = codes(&again.when("two more", all(CODES + 2)).await);
    assert_eq!(later, first);
    again.kill();
    let last = start().await;
    assert_eq!(codes(&last.when("once more", all(CODES + 2)).await), first);
    let known = "SELECT count(*) FROM dimension WHERE dimension = 13";
    assert_eq!(count(dir.path(), known), i64::from(CODES) + 1);
}
