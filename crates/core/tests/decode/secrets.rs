//! No secret of a record gets past the decoder, and no name is lost to the search for secrets.

use std::collections::BTreeSet;

use cpa_exporter_core::decode::Reject;
use serde_json::Value;

use super::support::{all_records, event, json, reject};

/// What must not be told of one record.
struct Hidden(BTreeSet<String>);

fn hidden() -> Hidden {
    let mut secrets = BTreeSet::new();
    for payload in all_records() {
        let record = json(&payload);
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        secrets.extend([text("source"), text("api_key"), text("access_token_sha256")]);
        let cookies = &record["response_headers"]["Set-Cookie"];
        for cookie in cookies.as_array().into_iter().flatten() {
            let pair = cookie.as_str().unwrap().split(';').next().unwrap();
            secrets.insert(pair.to_owned());
        }
    }
    secrets.remove("");
    let emails = secrets.iter().filter(|secret| secret.contains('@'));
    assert_eq!((emails.count(), secrets.len()), (3, 36));
    Hidden(secrets)
}

impl Hidden {
    #[track_caller]
    fn check(&self, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }

    #[track_caller]
    fn check_reject(&self, reject: &Reject) {
        self.check(&reject.detail);
        self.check(&String::from_utf8(reject.payload.clone()).unwrap());
    }
}

#[test]
fn events_hold_no_secret() {
    let hidden = hidden();
    for payload in all_records() {
        hidden.check(&format!("{:?}", event(&payload)));
    }
}

#[test]
fn rejects_hold_no_secret() {
    let hidden = hidden();
    for payload in all_records().iter().step_by(5) {
        let damaged = [
            payload
                .replacen(r#""latency_ms":"#, r#""latency_ms":-"#, 1)
                .replacen("-0", "-1", 1),
            payload.replacen(r#""total_tokens":"#, r#""total_tokens":0.5"#, 1),
            payload.replacen(r#""timestamp":"#, r#""time":"#, 1),
            payload.replacen(r#""failed":"#, r#""failed":3,"x":"#, 1),
            payload.replacen(r#""model":"#, r#""model":[],"x":"#, 1),
            format!("[{payload}]"),
            format!("{payload}{payload}"),
        ];
        for damaged in damaged {
            hidden.check_reject(&reject(damaged.as_bytes()));
        }
    }
}

/// Wherever a payload is cut off, also within a key.
#[test]
fn torn_records_hold_no_secret() {
    let hidden = hidden();
    for payload in all_records().iter().step_by(29) {
        let len = payload.len();
        for cut in (0..64).map(|part| payload.floor_char_boundary(len * part / 64)) {
            hidden.check_reject(&reject(&payload.as_bytes()[..cut]));
        }
        let Some(at) = payload.find(r#""api_key":""#) else {
            panic!("{payload}");
        };
        let key = json(payload)["api_key"].as_str().unwrap().to_owned();
        if key.len() > 8 && key.is_ascii() {
            let torn = reject(&payload.as_bytes()[..at + r#""api_key":""#.len() + key.len() - 1]);
            let torn = String::from_utf8(torn.payload).unwrap();
            assert!(!torn.contains(&key[..key.len() - 1]), "{torn}");
        }
    }
}

#[test]
fn names_survive_as_they_are() {
    for payload in all_records() {
        let record = json(&payload);
        let event = event(&payload);
        let names = [
            ("provider", &event.provider),
            ("executor_type", &event.executor),
            ("model", &event.model),
            ("alias", &event.alias),
            ("endpoint", &event.endpoint),
            ("auth_index", &event.auth_index),
            ("request_id", &event.request_id),
            ("reasoning_effort", &event.reasoning_effort),
            ("service_tier", &event.service_tier),
            ("response_service_tier", &event.response_service_tier),
        ];
        for (key, name) in names {
            assert_eq!(
                name.as_ref(),
                record[key].as_str().unwrap_or_default(),
                "{key}"
            );
        }
        if let Some(failure) = &event.failure {
            assert!(failure.excerpt.len() <= 256);
        }
    }
}

/// Secrets put where none belongs: whole, within a longer text, and with a neighbour.
#[test]
fn hostile_records_leak_nowhere() {
    const KEY: &str = "ck-hostile-7";
    let fields = [
        "model",
        "alias",
        "source",
        "request_id",
        "user_agent",
        "x_forwarded_for",
        "endpoint",
        "provider",
        "executor_type",
        "auth_index",
        "auth_type",
        "reasoning_effort",
        "service_tier",
        "response_service_tier",
        "execution_id",
        "unknown_key",
    ];
    let forms = [
        KEY.to_owned(),
        format!("team/{KEY}"),
        format!("x{KEY} y"),
        format!("{KEY}(high)"),
    ];
    let base = json(&all_records()[0]);
    for form in &forms {
        let mut record = base.clone();
        record["api_key"] = KEY.into();
        for field in fields {
            record[field] = form.as_str().into();
        }
        record["failed"] = true.into();
        record["fail"] =
            serde_json::json!({"status_code": 401, "body": format!("no such key: {form}")});
        record["response_headers"]["X-Codex-Plan-Type"] = serde_json::json!([form]);
        record["response_headers"]["Retry-After"] = serde_json::json!([form]);
        check_hostile(&record, KEY);
    }
}

/// Keys of upstreams and people's addresses are known by their looks alone.
#[test]
fn foreign_secrets_leak_nowhere() {
    let base = json(&all_records()[0]);
    for secret in [
        "sk-foreign-0123456789",
        "AIzaSyForeign012345",
        "other@example.com",
        "ya29.foreign-01234567",
    ] {
        for form in [
            secret.to_owned(),
            format!("m {secret}"),
            format!("key={secret}"),
            format!("of {secret}."),
        ] {
            let mut record = base.clone();
            for field in [
                "model",
                "alias",
                "request_id",
                "endpoint",
                "service_tier",
                "auth_index",
            ] {
                record[field] = form.as_str().into();
            }
            record["failed"] = true.into();
            record["fail"] = serde_json::json!({"status_code": 401, "body": form});
            check_hostile(&record, secret);
        }
    }
}

#[track_caller]
fn check_hostile(record: &Value, secret: &str) {
    let payload = record.to_string();
    let shown = format!("{:?}", event(&payload));
    assert!(!shown.contains(secret), "{shown}");
    let mut damaged = record.clone();
    damaged["latency_ms"] = "soon".into();
    let reject = reject(damaged.to_string().as_bytes());
    let shown = String::from_utf8_lossy(&reject.payload);
    assert!(!shown.contains(secret), "{shown}");
    assert!(!reject.detail.contains(secret));
}
