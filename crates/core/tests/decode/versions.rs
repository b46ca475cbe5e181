//! Records as older and newer versions of CPA send them.

use cpa_exporter_core::model::{AuthType, Event, FailureReason, TokenQuality};
use serde_json::Value;

use super::support::{all_records, event, fixture, json, secrets};

/// What each version added, oldest first: a path of keys below the record.
const ADDED: [(&str, &[&str]); 13] = [
    ("v6.10.7", &["alias"]),
    ("v7.0.0", &["fail"]),
    (
        "v7.0.3",
        &["tokens/cache_read_tokens", "tokens/cache_creation_tokens"],
    ),
    ("v7.1.13", &["response_headers"]),
    ("v7.1.18", &["reasoning_effort"]),
    ("v7.1.24", &["ttft_ms"]),
    ("v7.1.27", &["service_tier"]),
    ("v7.1.38", &["executor_type"]),
    ("v7.2.65", &["response_service_tier"]),
    ("v7.2.74", &["tokens/cache_read_tokens_present"]),
    ("v7.2.78", &["generate"]),
    ("v7.2.97", &["accounting_version", "token_breakdown"]),
    ("v7.2.104", &["client_ip", "x_forwarded_for", "user_agent"]),
];

/// The record as the version before `ADDED[step]` sent it.
fn before(step: usize, record: &Value) -> String {
    let mut record = record.clone();
    for path in ADDED[step..].iter().flat_map(|(_, paths)| *paths) {
        let (parent, key) = path.split_once('/').unwrap_or(("", path));
        let parent = if parent.is_empty() {
            &mut record
        } else {
            &mut record[parent]
        };
        parent.as_object_mut().unwrap().remove(key);
    }
    record.to_string()
}

/// A success that has everything: headers, effort, tiers, cached and reasoning tokens.
fn rich() -> Value {
    let mut record = all_records()
        .iter()
        .map(|payload| json(payload))
        .find(|r| {
            r["failed"] == false
                && r["provider"] == "xai"
                && r["response_headers"]["Content-Type"][0] == "text/event-stream"
                && r["reasoning_effort"] != ""
                && r["tokens"]["cache_read_tokens"].as_u64() > Some(0)
                && r["tokens"]["reasoning_tokens"].as_u64() > Some(0)
        })
        .unwrap();
    record["response_headers"]["X-Codex-Primary-Used-Percent"] = serde_json::json!(["12"]);
    record["response_service_tier"] = "priority".into();
    record["ttft_ms"] = 7.into();
    record
}

#[test]
fn each_version_lacks_what_it_did_not_know_and_nothing_else() {
    let record = rich();
    let payload = record.to_string();
    let now = event(&payload);
    for (step, (version, _)) in ADDED.iter().enumerate() {
        let older = before(step, &record);
        let older = event(&older);
        let mut expected: Event<'_> = now.clone();
        expected.digest = older.digest;
        let lacks = |key: &str| ADDED[step..].iter().any(|(_, paths)| paths.contains(&key));
        if lacks("alias") {
            expected.alias = "".into();
        }
        if lacks("response_headers") {
            expected.quota_headers.clear();
            expected.stream = false;
        }
        if lacks("reasoning_effort") {
            expected.reasoning_effort = "".into();
        }
        if lacks("ttft_ms") {
            expected.ttft_ms = 0;
        }
        if lacks("service_tier") {
            expected.service_tier = "".into();
        }
        if lacks("response_service_tier") {
            expected.response_service_tier = "".into();
        }
        if lacks("executor_type") {
            expected.executor = "unknown".into();
        }
        if lacks("token_breakdown") {
            // The kinds are the same: the flat counts say it all, and before v7.0.3
            // `cached_tokens` stands for what was read from the cache.
            expected.quality = TokenQuality::Absent;
        }
        assert_eq!(older, expected, "before {version}");
    }
}

#[test]
fn a_failure_before_there_was_a_status_is_still_one() {
    let mut record = rich();
    record["failed"] = true.into();
    let payload = before(1, &record);
    let failure = event(&payload).failure.unwrap();
    assert_eq!((failure.status, failure.reason), (0, FailureReason::Other));
}

#[test]
fn keys_that_came_and_went_are_skipped() {
    let mut record = rich();
    let payload = record.to_string();
    record["request_service_tier"] = "auto".into();
    record["access_token_sha256"] = "0".repeat(64).into();
    record["tokens"]["of_tomorrow"] = serde_json::json!({"a": [1, -2.5, null]});
    let longer = record.to_string();
    assert_eq!(event(&longer), event(&payload));
}

#[test]
fn null_is_as_good_as_absent() {
    let record = rich();
    for key in record.as_object().unwrap().keys() {
        if key != "timestamp" {
            let (mut without, mut null) = (record.clone(), record.clone());
            without.as_object_mut().unwrap().remove(key);
            null[key] = Value::Null;
            let (without, null) = (without.to_string(), null.to_string());
            assert_eq!(event(&null), event(&without), "{key}");
        }
    }
    for parent in ["tokens", "fail", "token_breakdown", "response_headers"] {
        let keys: Vec<_> = record[parent]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        for key in keys {
            let mut null = record.clone();
            null[parent][&key] = Value::Null;
            event(&null.to_string());
        }
    }
    for value in ["null", "[]", "[null]"] {
        let payload = record.to_string();
        let headers = record["response_headers"]["Content-Type"].to_string();
        event(&payload.replacen(&headers, value, 1));
    }
}

#[test]
fn v8() {
    let text = fixture("records/v8-handmade.jsonl");
    let events: Vec<_> = text.lines().map(event).collect();
    let [streamed, whole, claude, limited, devin] = events.as_slice() else {
        panic!("{} records", events.len());
    };
    // Equal in all that told records apart before v8.
    assert_eq!(streamed.request_id, whole.request_id);
    assert_ne!(streamed.digest, whole.digest);
    // Without headers, the record's own word counts; with them, theirs.
    assert!(streamed.stream && !whole.stream);
    assert!(claude.stream && !limited.stream);
    assert_eq!(claude.request_id, "019a9f3e-7c1d-7b52-9d6a-3f0b8f6f1c2a");
    assert_eq!(claude.source, Some(secrets().masked("dave@example.com")));
    assert_eq!(claude.tokens.by_kind(), [100, 900, 300, 30, 20, 0]);
    let failure = limited.failure.as_ref().unwrap();
    assert_eq!(
        (failure.status, failure.reason),
        (429, FailureReason::RateLimit)
    );
    assert_eq!(limited.quota_headers, [("retry-after".into(), "17".into())]);
    assert_eq!(
        (devin.provider.as_ref(), devin.auth_type, &devin.source),
        ("devin", AuthType::Unknown, &None)
    );
    assert_eq!((&devin.client, devin.request_id.as_ref()), (&None, ""));
    assert_eq!(devin.tokens.by_kind(), [0, 0, 0, 0, 0, 10]);
}

#[test]
fn an_execution_id_is_what_makes_an_attempt_of_v8() {
    let text = fixture("records/v8-handmade.jsonl");
    let mut record = json(text.lines().next().unwrap());
    let first = record.to_string();
    record["execution_id"] = "00000000-0000-4000-8000-000000000000".into();
    let second = record.to_string();
    assert_ne!(event(&first).digest, event(&second).digest);
}
