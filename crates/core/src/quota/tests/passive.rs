use std::fs;
use std::path::Path;

use super::support::{AT, rows};
use crate::decode::{Decoded, Decoder, HashKey};
use crate::model::{Event, UnixNanos};
use crate::quota::passive::{self, Observed};

fn codex(headers: &[(&str, &str)]) -> Vec<String> {
    rows(&passive::headers("codex", headers.iter().copied(), AT).readings)
}

fn claude(headers: &[(&str, &str)]) -> Vec<String> {
    rows(&passive::headers("claude", headers.iter().copied(), AT).readings)
}

#[test]
fn codex_headers_in_canonical_case_are_parsed() {
    let headers = [
        ("X-Codex-Plan-Type", "pro"),
        ("X-Codex-Primary-Used-Percent", "4"),
        ("X-Codex-Primary-Window-Minutes", "300"),
        ("X-Codex-Primary-Reset-At", "1782105247"),
        ("X-Codex-Secondary-Used-Percent", "22.5"),
        ("X-Codex-Secondary-Window-Minutes", "43800"),
        ("X-Codex-Secondary-Reset-After-Seconds", "60"),
        ("X-Codex-Bengalfox-Limit-Name", "GPT-5.3-Codex-Spark"),
        ("X-Codex-Bengalfox-Primary-Used-Percent", "0"),
        ("X-Codex-Bengalfox-Primary-Window-Minutes", "10080"),
        ("X-Codex-Bengalfox-Primary-Reset-At", "1782105247"),
        ("X-Codex-Credits-Has-Credits", "False"),
        ("X-Codex-Credits-Balance", ""),
    ];
    let answer = passive::headers("codex", headers, AT);
    assert_eq!(
        rows(&answer.readings),
        [
            "main 5h 0.04 @1782105247",
            "main monthly 0.225 @1778313660",
            // Unused, so its weekly window has not started.
            "bengalfox weekly 0",
        ]
    );
    assert_eq!(answer.facts.plan.unwrap().as_str(), "pro");
    assert!(answer.facts.credits.is_empty());
    let spark = answer.readings[2].name().unwrap().as_str();
    assert_eq!(spark, "GPT-5.3-Codex-Spark");
}

#[test]
fn codex_family_without_length_or_reset_does_not_apply() {
    let used = ("x-codex-primary-used-percent", "0");
    let minutes = ("x-codex-primary-window-minutes", "300");
    let reset = ("x-codex-primary-reset-at", "1782105247");
    for headers in [
        vec![used, minutes],
        vec![used, reset],
        vec![minutes, reset],
        vec![used, ("x-codex-primary-window-minutes", "0"), reset],
        // Ended one second ago.
        vec![used, minutes, ("x-codex-primary-reset-at", "1778313599")],
        vec![("x-codex-primary-used-percent", "NaN"), minutes, reset],
    ] {
        assert!(codex(&headers).is_empty(), "{headers:?}");
    }
}

#[test]
fn claude_headers_are_ratios() {
    let unified = [
        ("anthropic-ratelimit-unified-5h-utilization", "0.46"),
        ("anthropic-ratelimit-unified-5h-reset", "1778320000"),
        ("anthropic-ratelimit-unified-5h-status", "allowed"),
        ("anthropic-ratelimit-unified-7d-utilization", "1.0"),
        ("anthropic-ratelimit-unified-7d-reset", "1778500000"),
        ("anthropic-ratelimit-unified-7d-status", "allowed_warning"),
        ("anthropic-ratelimit-unified-7d_oi-status", "rejected"),
        ("anthropic-ratelimit-unified-7d_oi-reset", "1778500000"),
        ("anthropic-ratelimit-unified-overage-status", "rejected"),
        ("anthropic-ratelimit-unified-status", "rejected"),
        ("anthropic-ratelimit-unified-reset", "1778500000"),
        ("retry-after", "100"),
    ];
    assert_eq!(
        claude(&unified),
        [
            "main 5h 0.46 @1778320000",
            // Fully used, but not refused.
            "main weekly 1 @1778500000",
            // One model's week only: the account stays usable.
            "fable weekly @1778500000 exhausted",
        ]
    );
    let over = [
        ("anthropic-ratelimit-unified-5h-utilization", "0.99"),
        ("anthropic-ratelimit-unified-5h-reset", "1778313600"),
    ];
    assert!(claude(&over).is_empty());
    let paid = [("anthropic-ratelimit-unified-overage-utilization", "0.2")];
    assert_eq!(claude(&paid), ["extra_usage monthly 0.2"]);
    assert!(codex(&unified).is_empty());
}

/// All events of a captured file.
fn each_event(file: &str, mut see: impl FnMut(&Event<'_>)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/records")
        .join(file);
    let decoder = Decoder::new(HashKey([7; 16]));
    for line in fs::read_to_string(path).unwrap().lines() {
        if let Decoded::Event(event) = decoder.decode(line.as_bytes()) {
            see(&event);
        }
    }
}

fn first(file: &str, wanted: impl Fn(&Event<'_>) -> bool) -> Option<Observed> {
    let mut found = None;
    each_event(file, |event| {
        if found.is_none() && wanted(event) {
            found = Some(passive::event(event));
        }
    });
    found.expect("no such record")
}

#[test]
fn captured_successes_have_their_windows() {
    let seen = first("oauth-codex.jsonl", |event| event.failure.is_none()).unwrap();
    assert_eq!(
        rows(&seen.headers.readings),
        [
            "main 5h 0.22 @1795339906",
            "main weekly 0.48 @1795520686",
            "bengalfox weekly 0",
        ]
    );
    assert_eq!(
        (seen.at.as_millis(), seen.refusal),
        (1_795_322_174_043, None)
    );
    let seen = first("oauth-claude.jsonl", |event| event.failure.is_none()).unwrap();
    assert_eq!(
        rows(&seen.headers.readings),
        ["main 5h 0.46 @1795334590", "main weekly 0.9895 @1795919185"]
    );
}

#[test]
fn captured_refusals_have_a_reset_time() {
    let is_refused = |event: &Event<'_>| event.exhaustion.is_some();
    let seen = first("oauth-codex.jsonl", is_refused).unwrap();
    let row = rows(&[seen.refusal.unwrap()]).remove(0);
    assert!(
        row.starts_with("main ") && row.ends_with(" exhausted"),
        "{row}"
    );
    assert!(row.contains(" @17953338"), "{row}");
}

#[test]
fn headers_of_another_attempt_are_ignored() {
    let mut counts = (0, 0);
    for file in [
        "oauth-codex.jsonl",
        "oauth-claude.jsonl",
        "oauth-mixed.jsonl",
        "claude.jsonl",
    ] {
        each_event(file, |event| {
            let failed = event.failure.as_ref().map(|failure| failure.status);
            if failed.is_some_and(|status| status != 429) {
                assert_eq!(passive::event(event), None, "{failed:?}");
                counts.0 += usize::from(!event.quota_headers.is_empty());
            }
            counts.1 += usize::from(passive::event(event).is_some());
        });
    }
    assert!(counts.0 > 0 && counts.1 > 100, "{counts:?}");
}

#[test]
fn refusal_belongs_to_the_window_with_its_reset_time() {
    let line = |reset_in: u32| {
        format!(
            r#"{{"timestamp":"2026-05-09T08:00:00Z","latency_ms":0,"auth_index":"37e10dbedbcae9c4","failed":true,"provider":"codex","model":"gpt-5","auth_type":"oauth",
            "fail":{{"status_code":429,"body":"{{\"error\":{{\"type\":\"usage_limit_reached\",\"resets_in_seconds\":{reset_in}}}}}"}},
            "response_headers":{{"X-Codex-Active-Limit":["codex_bengalfox"],"X-Codex-Bengalfox-Primary-Used-Percent":["100"],"X-Codex-Bengalfox-Primary-Window-Minutes":["300"],"X-Codex-Bengalfox-Primary-Reset-At":["1778317200"]}}}}"#
        )
    };
    let refusal = |reset_in| {
        let line = line(reset_in);
        let decoded = Decoder::new(HashKey([7; 16])).decode(line.as_bytes());
        let Decoded::Event(event) = decoded else {
            panic!("{decoded:?}")
        };
        rows(&[passive::event(&event).unwrap().refusal.unwrap()])
    };
    assert_eq!(refusal(3590), ["bengalfox 5h @1778317190 exhausted"]);
    assert_eq!(refusal(9000), ["bengalfox unknown @1778322600 exhausted"]);
    assert_eq!(AT, UnixNanos::from_millis(1_778_313_600_000));
}

/// The refusal of a record with these headers.
fn refused(provider: &str, headers: &str) -> Vec<String> {
    let line = format!(
        r#"{{"timestamp":"2026-05-09T08:00:00Z","latency_ms":0,"auth_index":"37e10dbedbcae9c4","failed":true,"provider":"{provider}","model":"claude-opus-4-6","auth_type":"oauth",
        "fail":{{"status_code":429,"body":"{{\"error\":{{\"type\":\"usage_limit_reached\",\"resets_in_seconds\":9000}}}}"}},"response_headers":{{{headers}}}}}"#
    );
    let decoded = Decoder::new(HashKey([7; 16])).decode(line.as_bytes());
    let Decoded::Event(event) = decoded else {
        panic!("{decoded:?}")
    };
    rows(
        &passive::event(&event)
            .unwrap()
            .refusal
            .into_iter()
            .collect::<Vec<_>>(),
    )
}

#[test]
fn refusal_alone_names_a_limit_but_no_window() {
    let active = |name: &str| refused("codex", &format!(r#""X-Codex-Active-Limit":["{name}"]"#));
    let plan = ["main unknown @1778322600 exhausted"];
    assert_eq!(refused("codex", ""), plan);
    for word in ["codex", "premium", "Premium", "plus", "primary", "codex_"] {
        assert_eq!(active(word), plan, "{word}");
    }
    for (word, limit) in [
        ("codex_bengalfox", "bengalfox"),
        ("CODEX_Bengalfox", "bengalfox"),
        ("codex-bengalfox", "bengalfox"),
        ("code-review", "code_review"),
        ("codex_gpt_5", "gpt_5"),
        ("code_review", "code_review"),
    ] {
        assert_eq!(
            active(word),
            [format!("{limit} unknown @1778322600 exhausted")]
        );
    }
}

#[test]
fn named_family_precedes_its_unprefixed_copy() {
    let copy = [
        ("x-codex-active-limit", "luna"),
        ("x-codex-primary-used-percent", "7"),
        ("x-codex-primary-window-minutes", "300"),
        ("x-codex-primary-reset-at", "1778317200"),
        ("x-codex-secondary-used-percent", "3"),
        ("x-codex-secondary-window-minutes", "10080"),
        ("x-codex-secondary-reset-at", "1778500000"),
        ("x-codex-luna-limit-name", "GPT-Luna"),
        ("x-codex-luna-primary-used-percent", "7.25"),
        ("x-codex-luna-primary-window-minutes", "300"),
        ("x-codex-luna-primary-reset-at", "1778317200"),
    ];
    let expected = ["luna weekly 0.03 @1778500000", "luna 5h 0.0725 @1778317200"];
    assert_eq!(codex(&copy), expected);
}

#[test]
fn implausible_reset_time_keeps_the_ratio() {
    let minutes = ("x-codex-primary-window-minutes", "300");
    let used = ("x-codex-primary-used-percent", "30.25");
    for never in ["253402300799", "253402300799000", "9999999999"] {
        let headers = [used, minutes, ("x-codex-primary-reset-at", never)];
        assert_eq!(codex(&headers), ["main 5h 0.3025"], "{never}");
    }
    let relative = ("x-codex-primary-reset-after-seconds", "60");
    let headers = [
        used,
        minutes,
        ("x-codex-primary-reset-at", "253402300799"),
        relative,
    ];
    assert_eq!(codex(&headers), ["main 5h 0.3025 @1778313660"]);
    for never in ["253402300799", "9999-12-31T23:59:59Z"] {
        let headers = [
            (
                "anthropic-ratelimit-unified-5h-utilization",
                "0.08320000000000001",
            ),
            ("anthropic-ratelimit-unified-5h-reset", never),
        ];
        assert_eq!(claude(&headers), ["main 5h 0.0832"], "{never}");
    }
}
