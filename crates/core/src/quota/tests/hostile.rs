//! For any input: no panic, no endless conversation, no implausible number.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::failures::everyone;
use super::support::{AT, PollResult, answer, captured, drive};
use crate::model::{QuotaAnswer, Reading};
use crate::quota::{Failure, ParseError, Provider, Response, passive};

fn check(answer: &QuotaAnswer) {
    assert!(answer.readings.len() <= 200);
    for reading in &answer.readings {
        check_row(reading);
    }
    for (_, balance) in &answer.facts.credits {
        assert!(balance.is_finite());
    }
}

fn check_row(row: &Reading) {
    let amounts = row.amounts();
    let numbers = [
        row.used_ratio(),
        amounts.and_then(|a| a.used()),
        amounts.and_then(|a| a.limit()),
        amounts.and_then(|a| a.remaining()),
    ];
    for number in numbers.into_iter().flatten() {
        assert!(number.is_finite() && number >= 0.0, "{row:?}");
    }
    assert!(row.limit().as_str().chars().count() <= 64);
    assert!(!row.limit().as_str().contains('@'));
    assert!(!row.window().label().is_empty());
}

fn all(body: &[u8]) -> Vec<PollResult> {
    let ask = |(provider, account): (Provider, _)| {
        let polled = drive(&provider, &account, true, |_| {
            Ok(Response {
                status: 200,
                headers: Vec::new(),
                body: body.to_vec(),
                at: AT,
            })
        });
        if let Ok(answer) = &polled.result {
            check(answer);
        }
        polled
    };
    everyone().into_iter().map(ask).collect()
}

#[test]
fn ten_megabytes_and_deep_nesting_are_rejected() {
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(10 * 1024 * 1024));
    for polled in all(large.as_bytes()) {
        assert_eq!(polled.result, Err(Failure::Parse(ParseError::Size)));
    }
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for polled in all(deep.as_bytes()) {
        assert_eq!(polled.result, Err(Failure::Parse(ParseError::Json)));
    }
    for polled in all(b"{\"a\":\"\xff\xfe\"}") {
        assert_eq!(polled.result, Err(Failure::Parse(ParseError::Json)));
    }
}

#[test]
fn endless_list_is_truncated() {
    let bucket = |n: usize| format!(r#"{{"modelId":"m{n}","remainingFraction":0.5}}"#);
    let buckets: Vec<String> = (0..20_000).map(bucket).collect();
    let body = format!(r#"{{"buckets":[{}]}}"#, buckets.join(","));
    let longest = all(body.as_bytes())
        .into_iter()
        .filter_map(|polled| polled.result.ok());
    assert_eq!(longest.map(|answer| answer.readings.len()).max(), Some(200));
}

/// Responses of every provider, to be damaged at one position.
fn pages() -> Vec<Value> {
    let names = [
        "codex_wham",
        "claude_usage",
        "kimi_usages",
        "xai_billing",
        "xai_billing_credits",
        "antigravity_summary",
    ];
    let mut pages: Vec<String> = names.into_iter().map(captured).collect();
    pages.extend(
        [
            r#"{"code":200,"success":true,"data":{"level":"pro","limits":[{"type":"TOKENS_LIMIT","unit":3,"number":5,"usage":10,"currentValue":4,"percentage":24,"nextResetTime":1784000000000}]}}"#,
            r#"{"model_remains":[{"model_name":"general","start_time":1784000000000,"end_time":1784018000000,"remains_time":7200000,"current_interval_total_count":1500,"current_interval_usage_count":300,"current_interval_remaining_percent":80,"current_interval_status":1}],"base_resp":{"status_code":0}}"#,
            r#"{"quota_snapshots":{"premium_interactions":{"entitlement":300,"remaining":120,"percent_remaining":40.1,"overage_count":3}},"quota_reset_date":"2026-06-01"}"#,
            r#"{"usageBreakdownList":[{"resourceType":"CREDIT","currentUsage":1,"usageLimit":50,"nextDateReset":1788220800}]}"#,
            r#"{"buckets":[{"modelId":"m","tokenType":"REQUESTS","remainingAmount":"42","remainingFraction":0.7,"resetTime":"2026-05-10T00:00:00Z"}]}"#,
            r#"{"extra_usage":{"is_enabled":true,"monthly_limit":2000,"used_credits":245,"decimal_places":2},"limits":[{"kind":"session","percent":47,"resets_at":"2026-05-27T22:00:00Z"}]}"#,
        ]
        .map(str::to_owned),
    );
    pages
        .iter()
        .map(|page| serde_json::from_str(page).unwrap())
        .collect()
}

/// Replaces leaf number `at` by `with`; false if there are fewer.
fn spoil(value: &mut Value, at: &mut usize, with: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter_mut().any(|item| spoil(item, at, with)),
        Value::Object(map) => map.values_mut().any(|item| spoil(item, at, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let is_it = *at == 0;
            if is_it {
                *value = with.clone();
            } else {
                *at -= 1;
            }
            is_it
        }
    }
}

#[test]
fn wrong_value_affects_at_most_its_reading() {
    let wrong: Vec<Value> = serde_json::from_str(
        r#"[null,true,"","NaN","inf","1e999",-1,-1e300,1e308,0,9999999999999999999,"9999-12-31T23:59:59Z","0000-00-00","-292277022399-01-01T00:00:00Z",[],{},[[1]],{"val":{}},"someone@example.com","\u0000\n"]"#,
    )
    .unwrap();
    for page in pages() {
        for with in &wrong {
            for leaf in 0.. {
                let mut spoilt = page.clone();
                if !spoil(&mut spoilt, &mut { leaf }, with) {
                    break;
                }
                all(spoilt.to_string().as_bytes());
            }
        }
    }
}

/// Windows, with the used share of each.
fn shares(told: &PollResult) -> BTreeMap<(String, String), Option<f64>> {
    let rows = told.result.iter().flat_map(|answer| &answer.readings);
    rows.map(|row| {
        let key = (row.limit().to_string(), row.window().label().into_owned());
        (key, row.used_ratio())
    })
    .collect()
}

/// One negative number makes no window, no reset (0 where something is used) and no overage.
#[test]
fn a_negative_number_is_unknown() {
    for page in pages() {
        let is_copilot = page.get("quota_snapshots").is_some();
        let before: Vec<_> = all(page.to_string().as_bytes());
        for with in ["-1", "-0.97", "-18000", "\"-1\""].map(|text| text.parse::<Value>().unwrap()) {
            for leaf in 0.. {
                let mut spoilt = page.clone();
                let mut number = leaf;
                if !spoil_number(&mut spoilt, &mut number, &with) {
                    break;
                }
                for (told, before) in all(spoilt.to_string().as_bytes()).iter().zip(&before) {
                    let before = shares(before);
                    for (window, share) in shares(told) {
                        let Some(known) = before.get(&window) else {
                            panic!("{window:?} is new: {spoilt}");
                        };
                        let is_reset = share == Some(0.0) && known.is_some_and(|known| known > 0.0);
                        // GitHub states use beyond the quota as a negative rest.
                        let is_over = share > Some(1.0) && *known <= Some(1.0) && !is_copilot;
                        assert!(!is_reset && !is_over, "{window:?} {share:?}: {spoilt}");
                    }
                }
            }
        }
    }
}

/// As [`spoil`], of numbers, and texts that are numbers, alone.
fn spoil_number(value: &mut Value, at: &mut usize, with: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter_mut().any(|item| spoil_number(item, at, with)),
        Value::Object(map) => map.values_mut().any(|item| spoil_number(item, at, with)),
        Value::String(text) if text.parse::<f64>().is_err() => false,
        Value::String(_) | Value::Number(_) => spoil(value, at, with),
        Value::Null | Value::Bool(_) => false,
    }
}

fn json() -> impl Strategy<Value = Value> {
    const KEYS: &[&str] = &[
        "rate_limit",
        "primary_window",
        "used_percent",
        "reset_at",
        "limit_window_seconds",
        "limits",
        "percent",
        "kind",
        "groups",
        "buckets",
        "remainingFraction",
        "resetTime",
        "window",
        "usage",
        "limit",
        "used",
        "detail",
        "config",
        "monthlyLimit",
        "val",
        "data",
        "model_remains",
        "quota_snapshots",
        "usageBreakdownList",
        "five_hour",
        "utilization",
        "resets_at",
        "type",
        "unit",
        "number",
        "percentage",
        "modelId",
        "currentUsage",
        "usageLimit",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from("2026-05-10T00:00:00Z")),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let key = prop_oneof![
            proptest::sample::select(KEYS).prop_map(str::to_owned),
            ".{0,8}"
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_do_not_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        all(&body);
    }

    #[test]
    fn arbitrary_json_does_not_panic(page in json()) {
        all(page.to_string().as_bytes());
    }

    #[test]
    fn arbitrary_status_and_header_do_not_panic(status in any::<u16>(), value in ".{0,40}") {
        for (provider, account) in everyone() {
            let polled = drive(&provider, &account, true, |_| {
                answer(status, "{}").map(|answer| Response {
                    headers: vec![("Retry-After".to_owned(), value.clone())],
                    ..answer
                })
            });
            prop_assert!(polled.result.is_err());
        }
    }

    #[test]
    fn arbitrary_headers_do_not_panic(
        names in proptest::collection::vec("(x-codex-|anthropic-ratelimit-unified-)[a-z0-9_-]{0,30}", 0..20),
        value in prop_oneof![".{0,20}", "-?[0-9]{1,25}(\\.[0-9]{0,5})?"],
    ) {
        for provider in ["codex", "claude", "other"] {
            let pairs = names.iter().map(|name| (name.as_str(), value.as_str()));
            check(&passive::headers(provider, pairs, AT));
        }
    }
}
