//! A marker in every field of a record, whole or damaged: none gets past the decoder.

use std::fmt::Write as _;

use cpa_exporter_core::decode::Decoded;
use serde_json::Value;

use super::support::{decoder, json, records};

/// Part of every marker. Short enough to be found also where a mask keeps the ends of a text.
const MARK: &str = "zqmark";
/// Fields that a label or the database shows, if the record is well-formed and the text does not
/// look like a secret.
const SHOWN: [&str; 14] = [
    "timestamp",
    "provider",
    "executor_type",
    "model",
    "alias",
    "endpoint",
    "auth_index",
    "auth_type",
    "request_id",
    "execution_id",
    "reasoning_effort",
    "service_tier",
    "response_service_tier",
    "quality",
];

/// Records of different shapes: a key, a login, a failure, a compatible provider, CPA 8.
fn bases() -> Vec<Value> {
    let files = [
        "codex",
        "oauth-claude",
        "compat",
        "oauth-antigravity",
        "v8-handmade",
    ];
    let first = files.map(|file| json(&records(file)[0]));
    let failed = records("oauth-codex")
        .into_iter()
        .map(|record| json(&record))
        .find(|record| record["failed"] == true);
    first.into_iter().chain(failed).collect()
}

/// Whether the value of a response header shows: quotas, plans and the kind of content.
fn is_shown_header(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let prefixes = [
        "x-codex-",
        "anthropic-ratelimit-unified-",
        "retry-after",
        "content-type",
    ];
    prefixes.iter().any(|prefix| key.starts_with(prefix))
}

/// Puts a marker into every text of `value`, or into those that never show, and counts them.
fn mark(value: &mut Value, key: &str, all: bool, count: &mut usize) {
    match value {
        Value::String(text) if all || !(SHOWN.contains(&key) || is_shown_header(key)) => {
            *count += 1;
            *text = format!("pre{count}{MARK}{count}post");
        }
        Value::Array(list) => list.iter_mut().for_each(|item| mark(item, key, all, count)),
        Value::Object(map) => {
            for (key, value) in map {
                mark(value, key, all, count);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn marked(base: &Value, all: bool) -> (String, usize) {
    let (mut record, mut count) = (base.clone(), 0);
    mark(&mut record, "", all, &mut count);
    record[format!("new{MARK}key")] = format!("new{MARK}value").into();
    record["fail"] = serde_json::json!({"status_code": 401, "body": format!(
        "{{\"error\":{{\"message\":\"the key {MARK}1 of projects/{MARK}2 is invalid\",\
         \"user\":\"{MARK}%40example.com\",\"Cookie\":\"{MARK}=1\"}}}}")});
    record["failed"] = true.into();
    (record.to_string(), count + 4)
}

/// What the decoder says of a payload.
fn shown(payload: &[u8]) -> (bool, String) {
    match decoder().decode(payload) {
        Decoded::Event(event) => (true, format!("{event:?}")),
        Decoded::Control(control) => (false, format!("{control:?}")),
        Decoded::Reject(reject) => {
            let payload = String::from_utf8(reject.payload).unwrap();
            (false, format!("{} {payload}", reject.detail))
        }
    }
}

#[test]
fn no_marker_of_a_well_formed_record_is_shown() {
    for base in bases() {
        let (payload, count) = marked(&base, false);
        assert!(count > 10, "{count}");
        let (is_event, text) = shown(payload.as_bytes());
        assert!(is_event && !text.contains(MARK), "{text}");
        // A wrong type makes the same record a reject.
        let payload = payload.replacen("\"latency_ms\":", "\"latency_ms\":[],\"x\":", 1);
        let (is_event, text) = shown(payload.as_bytes());
        assert!(!is_event && !text.contains(MARK), "{text}");
    }
}

/// Every colon, quote, comma and brace lost or doubled, one at a time, and every cut.
#[test]
fn no_marker_of_a_damaged_record_is_shown() {
    let mut checked = 0;
    for (base, all) in bases()
        .iter()
        .flat_map(|base| [(base, true), (base, false)])
    {
        let (payload, count) = marked(base, all);
        let structure = payload.bytes().enumerate();
        let structure = structure.filter(|(_, byte)| br#":",{}[]\"#.contains(byte));
        // A third of the places of each record; their forms differ.
        for (number, (at, byte)) in structure.enumerate().step_by(3) {
            let (before, after) = (&payload[..at], &payload[at + 1..]);
            let forms = [
                before.to_owned(),
                format!("{before} {after}"),
                format!("{before}\u{201c}{after}"),
                format!("{before}%22{after}"),
                format!("{before}\\{}{after}", char::from(byte)),
            ];
            for damaged in [format!("{before}{after}"), forms[number % 5].clone()] {
                // Damage inside a text leaves the record well-formed.
                if !all || serde_json::from_str::<Value>(&damaged).is_err() {
                    check(&damaged);
                    checked += count;
                }
            }
        }
    }
    assert!(checked > 1_898, "{checked}");
}

#[test]
fn no_marker_is_shown_where_a_key_or_colon_is_missing() {
    let secret = format!("plain{MARK}");
    for text in [
        r#"{"auth_type":"oauth","api_key" "SECRET"}"#,
        r#"{"auth_type":"oauth" "SECRET"}"#,
        r#"{"auth_type":"oauth","SECRET"}"#,
        r#"{"model":"api_key" "SECRET"}"#,
        r#"{"model":"gpt-5","SECRET":"x"}"#,
        r#"{"model":["gpt-5","SECRET"]}"#,
        r#"{"model":{"SECRET":"SECRET"}}"#,
        r#"{"model":SECRET,"alias":"x"}"#,
        r#"{"alias":"x\"SECRET}"#,
        r#"["SECRET"]"#,
        r#""SECRET""#,
        "SECRET",
        r#"{"endpoint":"POST /v1?key=SECRET","latency_ms":[]}"#,
        r#"{"endpoint":"POST /v1#access_token=SECRET","latency_ms":[]}"#,
    ] {
        check(&text.replace("SECRET", &secret));
    }
}

/// Escapes of every kind inside the texts.
#[test]
fn no_encoded_marker_is_shown() {
    let mut escaped = String::new();
    for unit in MARK.encode_utf16() {
        write!(escaped, "\\u{unit:04x}").unwrap();
    }
    for base in bases() {
        let (payload, _) = marked(&base, false);
        for form in [
            escaped.clone(),
            format!("%22{MARK}%22"),
            format!("\\\"{MARK}\\\""),
            format!("\u{201c}{MARK}\u{201d}"),
            format!("\u{200b}{MARK}\u{feff}"),
            format!("{MARK}@example.com"),
        ] {
            let payload = payload.replace(MARK, &form);
            let (_, text) = shown(payload.as_bytes());
            assert!(!text.contains(MARK) && !text.contains(&escaped), "{text}");
        }
    }
}

#[test]
fn the_query_of_an_endpoint_is_dropped() {
    for (endpoint, expected) in [
        ("POST /v1/messages?key=zqmark", "POST /v1/messages"),
        ("GET /v1#access_token=zqmark", "GET /v1"),
        ("POST /v1beta/models/*action", "POST /v1beta/models/*action"),
    ] {
        let mut record = bases().remove(0);
        record["endpoint"] = endpoint.into();
        let payload = record.to_string();
        let Decoded::Event(event) = decoder().decode(payload.as_bytes()) else {
            panic!("{payload}");
        };
        assert_eq!(event.endpoint, expected);
    }
}

#[track_caller]
fn check(payload: &str) {
    let (_, text) = shown(payload.as_bytes());
    assert!(!text.contains(MARK), "{payload}\n{text}");
}
