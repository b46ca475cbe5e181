//! Damaged payloads, each told for what it is, and kept so that a replay gives what the whole
//! record would have given.

use cpa_exporter_core::decode::Decoded;
use cpa_exporter_core::model::{Control, RejectReason};
use serde_json::Value;

use super::support::{all_records, decoder, event, json, records, reject};

fn base() -> Value {
    json(&records("codex")[0])
}

/// The base record with `raw` as the value at `path`.
fn with(path: &str, raw: &str) -> String {
    const HERE: &str = "\u{1}here";
    let mut record = base();
    *record.pointer_mut(path).unwrap() = HERE.into();
    let quoted = Value::from(HERE).to_string();
    record.to_string().replacen(&quoted, raw, 1)
}

#[test]
fn control_messages_are_no_rejects() {
    let decode = |text: &str| match decoder().decode(text.as_bytes()) {
        Decoded::Control(control) => control,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        decode(r#"{"support_refresh":true}"#),
        Control::SupportRefresh
    );
    assert_eq!(decode("{\"refresh\" : true}\r\n"), Control::Refresh);
    assert_eq!(reject(br#"{"refresh":false}"#).reason, RejectReason::Time);
}

#[test]
fn damage_is_told_for_what_it_is() {
    use RejectReason as R;
    let whole = base().to_string();
    let table: &[(R, &[u8])] = &[
        (R::Json, b""),
        (R::Json, b" \r\n"),
        (R::Json, b"not json"),
        (R::Json, b"\xff\xfe\x00"),
        (R::Json, b"{"),
        (R::Json, b"[1"),
        (R::Json, b"\"record"),
        (
            R::Json,
            b"{\"model\":\"\xff\",\"timestamp\":\"2026-01-01T00:00:00Z\"}",
        ),
        (R::Json, br#"{"model":"\ud800"}"#),
        (R::Json, &whole.as_bytes()[..whole.len() - 1]),
        (R::Json, &whole.as_bytes()[1..]),
        (R::Shape, b"[]"),
        (R::Shape, b"null"),
        (R::Shape, b"17"),
        (R::Shape, b"\"a record\""),
        (R::Shape, br#"[{"timestamp":"2026-01-01T00:00:00Z"}]"#),
        (R::Shape, br#"{"model":"a","model":"b"}"#),
        (R::Time, b"{}"),
        (R::Time, br#"{"timestamp":null}"#),
        (R::Time, br#"{"timestamp":""}"#),
        (R::Time, br#"{"timestamp":"yesterday"}"#),
        (R::Time, br#"{"timestamp":"0001-01-01T00:00:00Z"}"#),
        (R::Time, br#"{"timestamp":"2026-02-30T00:00:00Z"}"#),
    ];
    for (reason, payload) in table {
        let text = String::from_utf8_lossy(payload);
        assert_eq!(reject(payload).reason, *reason, "{text}");
    }
    let twice = format!("{whole}{whole}");
    assert_eq!(reject(twice.as_bytes()).reason, R::Json);
}

#[test]
fn wrong_kinds_are_wrong_shapes() {
    let table = [
        ("/model", ["1", "true", "[]", "{}"]),
        ("/timestamp", ["1795322139", "true", "[]", "{}"]),
        ("/failed", ["0", "\"false\"", "[]", "{}"]),
        ("/generate", ["1", "\"true\"", "[]", "{}"]),
        ("/fail", ["429", "\"body\"", "[]", "[429, \"body\"]"]),
        ("/fail/body", ["1", "false", "[]", "{}"]),
        // A list in the order of the keys is no object, and an empty one is not zero tokens.
        ("/tokens", ["1500", "\"many\"", "[]", "[1, 2, 3]"]),
        ("/token_breakdown", ["1500", "true", "[]", "[\"complete\"]"]),
        ("/token_breakdown/input", ["1500", "\"\"", "[]", "[1, 2]"]),
        ("/token_breakdown/output", ["1500", "false", "[]", "[1, 2]"]),
        ("/token_breakdown/quality", ["2", "true", "[]", "{}"]),
        ("/response_headers", ["1", "\"x\"", "[]", "true"]),
        ("/response_headers/Content-Type", ["1", "true", "{}", "[1]"]),
    ];
    for (path, raws) in table {
        for raw in raws {
            let reject = reject(with(path, raw).as_bytes());
            assert_eq!(reject.reason, RejectReason::Shape, "{path} {raw}");
        }
    }
}

#[test]
fn wrong_numbers_never_become_zero() {
    let paths = [
        "/latency_ms",
        "/ttft_ms",
        "/fail/status_code",
        "/tokens/input_tokens",
        "/tokens/output_tokens",
        "/tokens/reasoning_tokens",
        "/tokens/cached_tokens",
        "/tokens/cache_read_tokens",
        "/tokens/cache_creation_tokens",
        "/tokens/total_tokens",
        "/token_breakdown/total_tokens",
        "/token_breakdown/unclassified_tokens",
        "/token_breakdown/input/uncached_tokens",
        "/token_breakdown/input/cache_read_tokens",
        "/token_breakdown/input/cache_write_tokens",
        "/token_breakdown/output/non_reasoning_tokens",
        "/token_breakdown/output/reasoning_tokens",
    ];
    let wrong = [
        "-1",
        "-0.5",
        "1.5",
        "\"12\"",
        "\"\"",
        "true",
        "false",
        "[]",
        "[12]",
        "{}",
        "1e30",
        "1e400",
        "1000000000000001",
        "18446744073709551615",
        "99999999999999999999",
        "-9223372036854775809",
    ];
    for path in paths {
        for raw in wrong {
            let reject = reject(with(path, raw).as_bytes());
            assert_eq!(reject.reason, RejectReason::Number, "{path} {raw}");
        }
        for raw in ["NaN", "Infinity", "0x10", "012", "+1", "1."] {
            let reject = reject(with(path, raw).as_bytes());
            assert_eq!(reject.reason, RejectReason::Json, "{path} {raw}");
        }
    }
    assert_eq!(
        reject(with("/fail/status_code", "1000").as_bytes()).reason,
        RejectReason::Number
    );
}

#[test]
fn whole_numbers_may_be_written_as_floats() {
    let latency = |raw: &str| event(&with("/latency_ms", raw)).latency_ms;
    assert_eq!(latency("0"), 0);
    assert_eq!(latency("12.0"), 12);
    assert_eq!(latency("1.5e3"), 1500);
    assert_eq!(latency("1e12"), 1_000_000_000_000);
    assert_eq!(latency("1000000000000"), 1_000_000_000_000);
    let status =
        with("/fail/status_code", "503.0").replacen(r#""failed":false"#, r#""failed":true"#, 1);
    assert_eq!(event(&status).failure.unwrap().status, 503);
}

/// A bomb in a key that nobody reads is skipped without recursion, and the record counts; in a key
/// that is read it is refused.
#[test]
fn depth_bombs_do_no_harm() {
    const DEPTH: usize = 100_000;
    let bombs = [
        ("[".repeat(DEPTH), "]".repeat(DEPTH)),
        (r#"{"a":"#.repeat(DEPTH) + "1", "}".repeat(DEPTH)),
    ];
    let whole = base().to_string();
    for (open, close) in bombs {
        let bomb = open.clone() + &close;
        let unknown = whole.replacen('{', &format!(r#"{{"unknown":{bomb},"#), 1);
        assert_eq!(event(&unknown), event(&whole));
        assert_eq!(reject(open.as_bytes()).reason, RejectReason::Json);
        let torn = whole.replacen('{', &format!(r#"{{"unknown":{open}"#), 1);
        assert_eq!(reject(torn.as_bytes()).reason, RejectReason::Json);
        for path in ["/model", "/latency_ms", "/response_headers/Content-Type"] {
            reject(with(path, &bomb).as_bytes());
        }
        for path in [
            "/model",
            "/tokens",
            "/latency_ms",
            "/fail",
            "/response_headers",
        ] {
            let reject = reject(with(path, &open).as_bytes());
            assert!(reject.payload.len() <= 256 * 1024, "{path}");
        }
    }
}

#[test]
fn what_is_too_long_is_refused_and_cut() {
    let long = with("/fail/body", &Value::from("x".repeat(9 << 20)).to_string());
    let reject = reject(long.as_bytes());
    assert_eq!(reject.reason, RejectReason::Size);
    assert!(reject.payload.len() <= 256 * 1024);
    // A long one that is not too long is an event.
    let body = Value::from("é".repeat(1 << 20)).to_string();
    event(&with("/fail/body", &body));
}

/// A record is damaged in a way that a later version of the decoder may forgive, kept, and
/// decoded again.
#[test]
fn a_replayed_reject_is_its_original() {
    let damage = r#""latency_ms":"soon","#;
    for payload in all_records() {
        let damaged = payload.replacen('{', &format!("{{{damage}"), 1);
        let damaged = damaged.replacen(r#","latency_ms":"#, r#","latency_of_old":"#, 1);
        let kept = String::from_utf8(reject(damaged.as_bytes()).payload).unwrap();
        let again = String::from_utf8(reject(kept.as_bytes()).payload).unwrap();
        assert_eq!(again, kept);
        let latency = json(&payload)["latency_ms"].to_string();
        let mended = kept.replacen(damage, &format!(r#""latency_ms":{latency},"#), 1);
        let (mut replayed, original) = (event(&mended), event(&payload));
        if let (Some(replayed), Some(original)) = (&mut replayed.failure, &original.failure) {
            // Masks within an error text are made of other words.
            replayed.excerpt.clone_from(&original.excerpt);
        }
        assert_eq!(replayed, original);
    }
}

#[test]
fn a_replayed_key_with_escapes_is_its_original() {
    let mut record = base();
    for key in [
        "ck-<b>&\"c\"\\01",
        "ck-ci-β-03",
        "short",
        "a\tb\u{7f}c-0123456789",
    ] {
        record["api_key"] = key.into();
        for source in [key, "sk-up-\"x\"-01", "someone@example.com", ""] {
            record["source"] = source.into();
            let whole = record.to_string();
            let damaged = whole.replacen(r#""failed":false"#, r#""failed":"no""#, 1);
            let kept = String::from_utf8(reject(damaged.as_bytes()).payload).unwrap();
            let mended = kept.replacen(r#""failed":"no""#, r#""failed":false"#, 1);
            let (replayed, original) = (event(&mended), event(&whole));
            assert_eq!(replayed.client, original.client, "{kept}");
            assert_eq!(replayed.source, original.source, "{kept}");
            assert_eq!(replayed.digest, original.digest, "{kept}");
        }
    }
}
