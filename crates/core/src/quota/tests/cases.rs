//! Small inputs from public reports, each with its correct result.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::support::{AT, account, poll, rows};
use crate::decode::{Decoded, Decoder, HashKey};
use crate::quota::passive::{self, Observed};

/// Reads a case; its times are relative to [`AT`].
fn case(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/cases");
    let mut text = fs::read_to_string(path.join(name)).unwrap();
    let now = Timestamp::from_millisecond(AT.as_millis()).unwrap();
    while let Some((begin, mark, sign)) = ["@now-", "@epoch+", "@iso+"]
        .into_iter()
        .find_map(|mark| Some((text.find(mark)?, mark, if mark == "@now-" { -1 } else { 1 })))
    {
        let digits = text[begin + mark.len()..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let end = begin + mark.len() + digits;
        let seconds: i64 = text[begin + mark.len()..end].parse().unwrap();
        let at = now + SignedDuration::from_secs(sign * seconds);
        let shown = match mark {
            "@epoch+" => at.as_second().to_string(),
            _ => at.to_string(),
        };
        text.replace_range(begin..end, &shown);
    }
    text
}

fn observed(name: &str) -> Vec<Observed> {
    let decoder = Decoder::new(HashKey([7; 16]));
    let read = |line: &str| {
        let seen = decoder.decode(line.as_bytes());
        let Decoded::Event(event) = seen else {
            panic!("{seen:?}")
        };
        passive::event(&event).unwrap()
    };
    case(name).lines().map(read).collect()
}

fn in_seconds(after: i64) -> i64 {
    AT.as_millis() / 1000 + after
}

#[test]
fn unprefixed_windows_belong_to_the_active_limit() {
    let seen = observed("codex-active-limit.jsonl");
    let rows: Vec<_> = seen
        .iter()
        .map(|seen| rows(&seen.headers.readings))
        .collect();
    assert_eq!(
        rows,
        [
            vec![format!("main weekly 0.55 @{}", in_seconds(400_000))],
            vec![
                format!("bengalfox 5h 1 @{} exhausted", in_seconds(9000)),
                format!("bengalfox weekly 0.11 @{}", in_seconds(430_000)),
            ],
        ]
    );
    assert!(seen.iter().all(|seen| seen.refusal.is_none()));
}

#[test]
fn plan_refusal_belongs_to_the_plan() {
    let seen = observed("codex-429-active-limit.jsonl").remove(0);
    let refusal = rows(&[seen.refusal.unwrap()]);
    assert_eq!(
        refusal,
        [format!("main 5h @{} exhausted", in_seconds(9000))]
    );
    assert_eq!(
        rows(&seen.headers.readings),
        [
            format!("main 5h 1 @{} exhausted", in_seconds(9000)),
            format!("main weekly 0.4 @{}", in_seconds(400_000)),
        ]
    );
}

#[test]
fn both_forms_of_kimi_responses_are_parsed() {
    let cases: Vec<Value> = serde_json::from_str(&case("kimi-usages.json")).unwrap();
    let read = |case: &Value| poll(&account("kimi"), &[&case["body"].to_string()]).rows();
    let read: Vec<_> = cases.iter().map(read).collect();
    let month = in_seconds(1_296_000);
    assert_eq!(
        read,
        [
            vec![
                format!("main 5h 0 @{}", in_seconds(9000)),
                format!("code monthly 0.5 @{month}"),
                format!("main monthly 0.9338 @{month}"),
            ],
            vec![
                format!("main 5h 0.3 @{}", in_seconds(9000)),
                format!("main weekly 0.85 @{}", in_seconds(400_000)),
                format!("main monthly 0.4 @{month}"),
            ],
        ]
    );
}

#[test]
fn signals_of_the_list_are_parsed() {
    let case: Value = serde_json::from_str(&case("v0-quota-signals.json")).unwrap();
    let signals = case["quota"]["signals"].as_object().unwrap();
    let pairs = signals
        .iter()
        .map(|(name, value)| (&**name, value.as_str().unwrap()));
    assert_eq!(
        rows(&passive::headers("claude", pairs, AT).readings),
        [
            format!("main 5h 0.08 @{}", in_seconds(9000)),
            format!("main weekly 0.31 @{}", in_seconds(400_000)),
        ]
    );
}

/// The same facts in another order, with other numbers, names and types.
#[test]
fn kimi_responses_in_another_order_with_text_ratios_are_parsed() {
    let at = |after: i64| {
        Timestamp::from_second(in_seconds(after))
            .unwrap()
            .to_string()
    };
    let (soon, later) = (at(600), at(500_000));
    let body = format!(
        r#"{{"usages": {{"limit_month_code": {{"reset_time": "{later}", "used_ratio": "0.0704"}},
            "limit_7d": {{"reset_time": "{later}", "used_ratio": 1}},
            "limit_5h": {{"reset_time": "{soon}", "used_ratio": 0.10000000000000142}}}},
            "limits": [{{"detail": {{"resetTime": "{soon}", "remaining": "62", "limit": "80"}},
            "window": {{"timeUnit": "TIME_UNIT_HOUR", "duration": 5}}}}]}}"#
    );
    let right = [
        format!("main 5h 0.1 @{}", in_seconds(600)),
        format!("main weekly 1 @{} exhausted", in_seconds(500_000)),
        format!("code monthly 0.0704 @{}", in_seconds(500_000)),
    ];
    assert_eq!(poll(&account("kimi"), &[&body]).rows(), right);
}

#[test]
fn an_active_limit_with_another_name_is_a_group_of_its_own() {
    let decoder = Decoder::new(HashKey([7; 16]));
    let text = case("codex-active-limit.jsonl").replace("bengalfox", "otterwave");
    let line = text.lines().last().unwrap();
    let Decoded::Event(event) = decoder.decode(line.as_bytes()) else {
        panic!("no event");
    };
    let right = [
        format!("otterwave 5h 1 @{} exhausted", in_seconds(9000)),
        format!("otterwave weekly 0.11 @{}", in_seconds(430_000)),
    ];
    let seen = passive::event(&event).unwrap();
    assert_eq!(rows(&seen.headers.readings), right);
}
