//! Regression cases from record to tokens by kind to cost.

use std::collections::{BTreeMap, HashMap};

use cpa_exporter::metrics::Aliases;
use cpa_exporter::model::UnixNanos;
use cpa_exporter::pricing::Billing;
use serde_json::{Value, json};

use crate::pipeline::{Money, RECEIVED, run, run_as};

/// The records of a case; `@now-N` is N seconds before they are received.
fn case(name: &str) -> Vec<String> {
    let path = format!("{}/tests/fixtures/cases/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let dated = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let time = record["timestamp"].as_str().unwrap();
        if let Some(ago) = time.strip_prefix("@now-") {
            let ago: i64 = ago.parse().unwrap();
            record["timestamp"] = rfc3339(RECEIVED - ago * 1000).into();
        }
        record.to_string()
    };
    text.lines().map(dated).collect()
}

fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .unwrap()
        .to_string()
}

fn money() -> Money {
    Money {
        billing: Billing::default(),
        references: Vec::new(),
    }
}

type Page = BTreeMap<String, String>;

fn page(records: &[String]) -> Page {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), records, money())
}

/// Sums of a counter by the value of one label.
fn by(page: &Page, family: &str, label: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for (name, value) in page {
        let Some(labels) = name.strip_prefix(family).and_then(|n| n.strip_prefix('{')) else {
            continue;
        };
        let start = format!("{label}=\"");
        let (_, rest) = labels.split_once(&start).unwrap();
        let of = rest.split_once('"').unwrap().0.to_owned();
        *sums.entry(of).or_insert(0.0) += value.parse::<f64>().unwrap();
    }
    sums
}

#[track_caller]
fn assert_tokens(page: &Page, expected: [u32; 6]) {
    let kinds = [
        "input",
        "cache_read",
        "cache_write",
        "output",
        "reasoning",
        "unclassified",
    ];
    let mut found = by(page, "cpa_tokens_total", "kind");
    for (kind, expected) in kinds.into_iter().zip(expected) {
        let found = found.remove(kind).or(Some(0.0));
        assert_eq!(found, Some(f64::from(expected)), "{kind}");
    }
    assert!(found.is_empty(), "{found:?}");
}

/// The exact decimal of the one series.
#[track_caller]
fn value(page: &Page) -> &str {
    let series: Vec<_> = page
        .iter()
        .filter(|(name, _)| name.starts_with("cpa_list_value_usd_total{"))
        .collect();
    assert_eq!(series.len(), 1, "{series:?}");
    series[0].1
}

#[test]
fn reasoning_beside_the_output_is_counted_and_billed_once() {
    let page = page(&case("reasoning-beside-output.jsonl"));
    assert_tokens(&page, [9992, 128, 0, 1499, 2809, 0]);
    assert_eq!(value(&page), "0.0232856");
}

#[test]
fn a_cache_beside_the_input_is_counted_and_billed_once() {
    let records = case("cache-beside-input.jsonl");
    let shown = page(&records);
    assert_tokens(&shown, [100, 5000, 0, 50, 0, 0]);
    assert_eq!(value(&shown), "0.00255");

    // A total that excludes the cache loses no token of it.
    let mut record: Value = serde_json::from_str(&records[0]).unwrap();
    record["tokens"]["total_tokens"] = 150.into();
    let shown = page(&[record.to_string()]);
    assert_tokens(&shown, [100, 5000, 0, 50, 0, 0]);
    assert_eq!(value(&shown), "0.00255");
}

#[test]
fn chatgpt_logins_pay_the_requested_tier_and_keys_the_served_tier() {
    let [login, key] = case("codex-fast-tier.jsonl").try_into().unwrap();
    assert_eq!(value(&page(std::slice::from_ref(&login))), "0.2");
    assert_eq!(value(&page(&[key])), "0.08");

    // The response states more than `default`, so it applies.
    let mut record: Value = serde_json::from_str(&login).unwrap();
    record["response_service_tier"] = "flex".into();
    assert_eq!(value(&page(&[record.to_string()])), "0.04");
    record["service_tier"] = "auto".into();
    record["response_service_tier"] = "default".into();
    assert_eq!(value(&page(&[record.to_string()])), "0.08");
}

#[test]
fn cache_writes_are_priced_by_their_lifetime() {
    let write = |minutes: u64, hour: u64| {
        let record = json!({
            "timestamp": rfc3339(RECEIVED - 1000), "provider": "claude", "auth_index": "f1",
            "executor_type": "ClaudeExecutor", "model": "claude-opus-4-8", "auth_type": "apikey",
            "service_tier": "auto",
            "tokens": {
                "input_tokens": 1200, "output_tokens": 1500, "cache_read_tokens": 90000,
                "cache_creation_tokens": 4000, "cache_creation_5m_tokens": minutes,
                "cache_creation_1h_tokens": hour, "total_tokens": 96700,
            },
        });
        let page = page(&[record.to_string()]);
        assert_tokens(&page, [1200, 90_000, 4000, 1500, 0, 0]);
        value(&page).to_owned()
    };
    // 1200*5 + 90000*0.5 + 1500*25, and the write: 6.25 for five minutes, 10 for an hour.
    assert_eq!(write(0, 0), "0.1135");
    assert_eq!(write(4000, 0), "0.1135");
    assert_eq!(write(0, 4000), "0.1285");
    assert_eq!(write(3000, 1000), "0.11725");
}

#[test]
fn no_latest_time_is_in_the_future() {
    let future = &case("future-timestamp.jsonl")[..1];
    let all = case("future-timestamp.jsonl");
    let received = UnixNanos::from_millis(RECEIVED).as_seconds();
    for records in [future, &all] {
        let page = page(records);
        let times: Vec<f64> = page
            .iter()
            .filter(|(name, _)| {
                name.starts_with("cpa_account_last_request_timestamp_seconds{")
                    || name.starts_with("cpa_ingest_last_event_timestamp_seconds")
            })
            .map(|(_, value)| value.parse().unwrap())
            .collect();
        assert_eq!(times, [received; 2]);
    }
}

#[test]
fn invisible_characters_are_removed_from_labels() {
    let mut record: Value = serde_json::from_str(&case("cache-beside-input.jsonl")[0]).unwrap();
    for key in [
        "model",
        "alias",
        "endpoint",
        "reasoning_effort",
        "service_tier",
    ] {
        let text = record[key].as_str().unwrap();
        record[key] = format!("\u{202e}{text}\u{200b}\u{feff}").into();
    }
    let page = page(&[record.to_string()]);
    let hidden = ['\u{202e}', '\u{200b}', '\u{feff}'];
    for name in page.keys() {
        assert!(!name.contains(hidden), "{name:?}");
    }
    assert_eq!(value(&page), "0.00255");
}

#[test]
fn counters_of_two_credentials_with_one_alias_are_summed() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/cases/aliases.toml"
    );
    let file: toml::Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let accounts: HashMap<String, String> = file["aliases"]["accounts"].clone().try_into().unwrap();
    let records = case("codex-fast-tier.jsonl");
    let of = |(index, record): (&String, &String)| {
        let mut record: Value = serde_json::from_str(record).unwrap();
        record["auth_index"] = index.as_str().into();
        record["auth_type"] = "oauth".into();
        record.to_string()
    };
    let records: Vec<String> = accounts.keys().zip(&records).map(of).collect();
    let aliases = Aliases {
        accounts,
        ..Aliases::default()
    };
    let directory = tempfile::tempdir().unwrap();
    let page = run_as(directory.path(), &records, money(), aliases);
    let work = |family| by(&page, family, "account");
    let one = |value| BTreeMap::from([("work".to_owned(), value)]);
    assert_eq!(work("cpa_requests_total"), one(2.0));
    assert_eq!(work("cpa_tokens_total"), one(22_000.0));
    assert_eq!(work("cpa_list_value_usd_total"), one(0.4));
}

#[test]
fn failures_have_the_reason_of_the_one_table() {
    let page = page(&case("failure-reasons.jsonl"));
    let mut reasons = BTreeMap::new();
    for (name, count) in &page {
        let Some(labels) = name.strip_prefix("cpa_request_failures_total{") else {
            continue;
        };
        let label = |label: &str| {
            let (_, rest) = labels.split_once(&format!("{label}=\"")).unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        if count != "0" {
            reasons.insert((label("model"), label("code"), label("reason")), &**count);
        }
    }
    let expected = [
        ("m1", "400", "auth"),
        ("m2", "400", "quota"),
        ("m4", "403", "billing"),
    ];
    let expected = expected.map(|(model, code, reason)| {
        let key = (model.to_owned(), code.to_owned(), reason.to_owned());
        (key, "1")
    });
    assert_eq!(reasons, BTreeMap::from(expected));
}
