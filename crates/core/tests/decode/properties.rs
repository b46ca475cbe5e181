//! What holds for any bytes, and what the digest is made of.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use cpa_exporter_core::decode::{Decoded, split_array};
use cpa_exporter_core::model::{EventDigest, is_invisible};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::support::{all_records, decoder, event, fixture, json, records};

static RECORDS: LazyLock<Vec<String>> = LazyLock::new(all_records);

#[test]
fn kinds_add_up() {
    for payload in RECORDS.iter() {
        let event = event(payload);
        let sum: u64 = event.tokens.by_kind().iter().sum();
        assert_eq!(sum, event.tokens.total());
        assert!(sum >= json(payload)["tokens"]["total_tokens"].as_u64().unwrap());
    }
}

/// A database format: a record must be known again by every later version.
#[test]
fn the_digest_never_changes() {
    let payload = &records("codex")[0];
    assert_eq!(
        event(payload).digest,
        EventDigest(-1_258_570_548_391_238_045)
    );
    let v8 = fixture("records/v8-handmade.jsonl");
    assert_eq!(
        event(v8.lines().next().unwrap()).digest,
        EventDigest(-4_390_682_687_372_373_604)
    );
}

#[test]
fn every_record_has_its_own_digest() {
    let digests: BTreeMap<_, _> = RECORDS.iter().map(|p| (event(p).digest, p)).collect();
    assert_eq!(digests.len(), RECORDS.len());
}

#[test]
fn whatever_a_record_says_is_in_its_digest() {
    let payload = &records("codex")[0];
    let record = json(payload);
    let digest = event(payload).digest;
    let changes = [
        ("/latency_ms", 991.into()),
        ("/ttft_ms", 992.into()),
        ("/tokens/input_tokens", 993.into()),
        ("/tokens/output_tokens", 993.into()),
        ("/tokens/reasoning_tokens", 993.into()),
        ("/tokens/cached_tokens", 993.into()),
        ("/tokens/cache_read_tokens", 993.into()),
        ("/tokens/cache_creation_tokens", 993.into()),
        ("/tokens/total_tokens", 993.into()),
        ("/failed", true.into()),
        ("/generate", false.into()),
        ("/fail/status_code", 418.into()),
        ("/timestamp", Value::from("2026-11-22T04:35:27.000000001Z")),
        ("/auth_index", "0000000000000001".into()),
        ("/request_id", "00000001".into()),
        ("/provider", "other".into()),
        ("/executor_type", "Other".into()),
        ("/model", "other".into()),
        ("/alias", "other".into()),
        ("/endpoint", "GET /other".into()),
        ("/auth_type", "oauth".into()),
        ("/reasoning_effort", "other".into()),
        ("/service_tier", "other".into()),
    ];
    for (path, value) in changes {
        let mut other = record.clone();
        *other.pointer_mut(path).unwrap() = value;
        assert_ne!(event(&other.to_string()).digest, digest, "{path}");
    }
}

/// `value` with its keys in another order and white space everywhere.
fn written_otherwise(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push_str("{\n");
            for (at, (key, value)) in map.iter().rev().enumerate() {
                let comma = if at == 0 { "" } else { " ,\t" };
                write!(out, "{comma}{} : ", Value::from(key.as_str())).unwrap();
                written_otherwise(value, out);
            }
            out.push_str("\r\n}");
        }
        other => write!(out, " {other} ").unwrap(),
    }
}

#[test]
fn how_a_record_is_written_does_not_matter() {
    for payload in RECORDS.iter() {
        let mut otherwise = String::new();
        written_otherwise(&json(payload), &mut otherwise);
        let (mut again, mut first) = (event(&otherwise), event(payload));
        again.quota_headers.sort();
        first.quota_headers.sort();
        assert_eq!(again, first);
    }
}

#[test]
fn an_answer_of_the_http_queue_is_its_records() {
    let payloads = records("mixed");
    let body = format!("[{}]", payloads.join(","));
    let parts = split_array(body.as_bytes());
    assert_eq!(
        parts,
        payloads.iter().map(String::as_bytes).collect::<Vec<_>>()
    );
}

/// Each failure of the capture by status and the start of its text.
#[test]
fn reasons_of_captured_failures() {
    let mut seen: BTreeMap<(u16, String, &str), u64> = BTreeMap::new();
    for payload in RECORDS.iter() {
        let Some(failure) = event(payload).failure else {
            continue;
        };
        let record = json(payload);
        let body = record["fail"]["body"].as_str().unwrap();
        // Ports and ids differ from one capture to the next.
        let words: String = body
            .chars()
            .take(60)
            .map(|c| if c.is_ascii_digit() { '#' } else { c })
            .collect();
        let case = (failure.status, words, failure.reason.as_str());
        *seen.entry(case).or_default() += 1;
    }
    let mut text = String::new();
    for ((status, body, reason), count) in seen {
        writeln!(text, "{status} {reason:<11} {count:>3}  {body:?}").unwrap();
    }
    insta::assert_snapshot!(text);
}

/// Decodes, and checks what holds for every outcome.
fn check(payload: &[u8]) {
    match decoder().decode(payload) {
        Decoded::Event(event) => {
            let sum: u64 = event.tokens.by_kind().iter().sum();
            assert_eq!(sum, event.tokens.total());
            assert!(event.quota_headers.len() <= 64);
            for label in [&event.provider, &event.model, &event.alias, &event.endpoint] {
                assert!(label.len() <= 128 && !label.contains(is_invisible));
            }
        }
        Decoded::Control(_) => {}
        Decoded::Reject(reject) => {
            assert!(reject.payload.len() <= 256 * 1024);
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,30}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,12}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_decoded(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
        let _elements = split_array(&bytes);
    }

    #[test]
    fn mutated_records_are_decoded(
        record in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        torn in any::<bool>(),
    ) {
        let mut bytes = record.get::<String>(&RECORDS).clone().into_bytes();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if torn {
            bytes.truncate(cut.index(bytes.len()));
        }
        check(&bytes);
    }

    #[test]
    fn records_with_any_value_are_decoded(
        record in any::<prop::sample::Index>(),
        key in any::<prop::sample::Index>(),
        value in any_json(),
    ) {
        let mut record = json(record.get::<String>(&RECORDS));
        let keys: Vec<_> = record.as_object().unwrap().keys().cloned().collect();
        record[key.get(&keys)] = value;
        check(record.to_string().as_bytes());
    }
}
