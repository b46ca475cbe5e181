//! What counts as what.

use std::collections::BTreeMap;
use std::time::Duration;

use super::support::{Bench, failure, route, success};
use crate::model::{Control, Event, FailureReason, RejectReason, TokenQuality, Tokens};

/// The samples that are not 0 after `event`, without bounds of buckets.
fn after(event: &Event<'_>) -> BTreeMap<String, String> {
    let mut bench = Bench::without_hold();
    bench.count(event, &route(1, 1, 1, 1));
    bench.settle();
    let mut samples = bench.samples();
    samples.retain(|name, value| value != "0" && !name.contains("_bucket{"));
    samples
}

fn names(samples: &BTreeMap<String, String>) -> Vec<&str> {
    let names = samples.keys().map(|name| name.split('{').next().unwrap());
    let mut names: Vec<&str> = names.collect();
    names.dedup();
    names
}

fn has(event: &Event<'_>, family: &str) -> bool {
    after(event).contains_key(&format!(
        r#"{family}_count{{provider="id-1",model="id-1"}}"#
    ))
}

#[test]
fn a_success() {
    insta::assert_debug_snapshot!(after(&success()));
}

#[test]
fn a_failure_counts_as_request_and_failure_with_its_tokens_and_no_times() {
    let samples = after(&failure(200, FailureReason::Interrupted));
    insta::assert_debug_snapshot!(samples);
    assert!(!names(&samples).iter().any(|name| name.contains("duration")));
}

#[test]
fn a_counter_stays_at_its_maximum() {
    let mut bench = Bench::without_hold();
    let event = Event {
        tokens: Tokens {
            input: 1 << 63,
            ..Tokens::default()
        },
        ..success()
    };
    for _ in 0..3 {
        bench.count(&event, &route(1, 1, 1, 1));
    }
    bench.settle();
    let sample = r#"cpa_tokens_total{provider="id-1",model="id-1",account="id-1",kind="input"}"#;
    assert_eq!(bench.value(sample), Some(u64::MAX.to_string()));
}

#[test]
fn a_prewarm_request_counts_its_tokens_only() {
    let prewarm = Event {
        generate: false,
        ..success()
    };
    assert_eq!(
        names(&after(&prewarm)),
        [
            "cpa_client_tokens_total",
            "cpa_ingest_last_event_timestamp_seconds",
            "cpa_ingest_prewarm_total",
            "cpa_token_quality_total",
            "cpa_tokens_total",
        ]
    );
}

#[test]
fn first_and_further_tokens_are_timed_in_streams_only() {
    // Streamed, time to first token, output and reasoning tokens; what is timed.
    let table = [
        (false, 500, (31, 0), (false, false)),
        (true, 0, (31, 0), (false, false)),
        (true, 500, (0, 0), (true, false)),
        (true, 500, (1, 0), (true, false)),
        (true, 500, (1, 1), (true, true)),
        (true, 500, (0, 2), (true, true)),
    ];
    for (stream, ttft_ms, (output, reasoning), expected) in table {
        let tokens = Tokens {
            output,
            reasoning,
            ..Tokens::default()
        };
        let event = Event {
            ttft_ms,
            tokens,
            stream,
            ..success()
        };
        let first = has(&event, "cpa_request_time_to_first_token_seconds");
        let further = has(&event, "cpa_request_time_per_output_token_seconds");
        assert_eq!((first, further), expected, "{event:?}");
    }
}

#[test]
fn a_first_token_after_the_end_leaves_no_time_for_the_others() {
    let odd = Event {
        ttft_ms: 5000,
        ..success()
    };
    let samples = after(&odd);
    let further =
        r#"cpa_request_time_per_output_token_seconds_count{provider="id-1",model="id-1"}"#;
    assert_eq!(samples[further], "1");
    assert!(
        !samples.contains_key(&further.replace("_count", "_sum")),
        "0"
    );
}

#[test]
fn a_value_on_a_bound_belongs_to_its_bucket() {
    let mut bench = Bench::without_hold();
    let event = Event {
        latency_ms: 2000,
        ..success()
    };
    bench.count(&event, &route(1, 1, 1, 1));
    bench.settle();
    let bucket = |le: &str| {
        bench.value(&format!(
            r#"cpa_request_duration_seconds_bucket{{provider="id-1",model="id-1",le="{le}"}}"#
        ))
    };
    assert_eq!(bucket("1.0").as_deref(), Some("0"));
    assert_eq!(bucket("2.0").as_deref(), Some("1"));
    assert_eq!(bucket("+Inf").as_deref(), Some("1"));
}

#[test]
fn payloads_without_events_count_in_ingest() {
    let mut bench = Bench::without_hold();
    bench.counters.received(100);
    bench.counters.received(23);
    bench.counters.duplicate();
    for reason in RejectReason::ALL {
        bench.counters.reject(reason);
    }
    bench.counters.control(Control::Refresh);
    bench.counters.observe_lag(Duration::from_millis(70));
    bench.commit();
    for (sample, value) in [
        ("cpa_ingest_records_total", "2"),
        ("cpa_ingest_bytes_total", "123"),
        ("cpa_ingest_duplicates_total", "1"),
        (r#"cpa_ingest_rejects_total{reason="json"}"#, "1"),
        (r#"cpa_ingest_rejects_total{reason="size"}"#, "1"),
        (
            r#"cpa_ingest_control_messages_total{message="support_refresh"}"#,
            "0",
        ),
        (
            r#"cpa_ingest_control_messages_total{message="refresh"}"#,
            "1",
        ),
        ("cpa_ingest_lag_seconds_sum", "0.07"),
        (r#"cpa_ingest_lag_seconds_bucket{le="0.1"}"#, "1"),
    ] {
        assert_eq!(bench.value(sample).as_deref(), Some(value), "{sample}");
    }
}

#[test]
fn each_quality_has_its_counter() {
    for quality in TokenQuality::ALL {
        let event = Event {
            quality,
            ..success()
        };
        let sample = format!(
            r#"cpa_token_quality_total{{provider="id-1",quality="{}"}}"#,
            quality.as_str()
        );
        assert_eq!(after(&event)[&sample], "1");
    }
}

#[test]
fn a_rollback_removes_all_counts_of_the_transaction() {
    let mut bench = Bench::without_hold();
    bench.count(&success(), &route(1, 1, 1, 1));
    bench.settle();
    let before = bench.samples();
    bench.count(&success(), &route(1, 1, 1, 1));
    bench.count(&failure(429, FailureReason::Quota), &route(1, 2, 1, 1));
    bench.counters.received(5);
    bench.counters.rollback();
    bench.counters.publish(bench.now);
    let after = bench.samples();
    for (name, value) in &before {
        assert_eq!(after.get(name), Some(value), "{name}");
    }
    let new = after.iter().filter(|(name, _)| !before.contains_key(*name));
    // The name of a new series can stay; its value is nothing.
    assert!(
        new.clone()
            .all(|(_, value)| value.parse::<f64>().unwrap() == 0.0),
        "{new:?}"
    );

    // The same events come again from the spool.
    bench.count(&success(), &route(1, 1, 1, 1));
    bench.count(&failure(429, FailureReason::Quota), &route(1, 2, 1, 1));
    bench.settle();
    let value = |sample: &str| bench.value(sample).unwrap();
    assert_eq!(
        value(r#"cpa_requests_total{provider="id-1",model="id-1",account="id-1"}"#),
        "2"
    );
    assert_eq!(
        value(r#"cpa_requests_total{provider="id-1",model="id-2",account="id-1"}"#),
        "1"
    );
    assert_eq!(
        value(r#"cpa_client_request_failures_total{client="id-1",model="id-2",reason="quota"}"#),
        "1"
    );
    let page = bench.samples();
    bench.restart();
    assert_eq!(bench.samples(), page);
}
