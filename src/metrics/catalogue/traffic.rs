//! Traffic: counters of records, stored and restored at the start.

use crate::metrics::counted::{RecordAmount, RecordItem};
use crate::metrics::counter::{Amount, Counter, counter};
use crate::metrics::family::Buckets;
use crate::model::{DimId, LabelValue as _, TokenKind, TokenQuality};

/// Milliseconds.
const DURATION: Buckets = Buckets {
    bounds: &[
        250, 500, 1000, 2000, 4000, 8000, 15_000, 30_000, 60_000, 120_000, 180_000, 300_000,
        600_000, 1_200_000,
    ],
    scale: 1000,
};
/// Milliseconds.
const FIRST_TOKEN: Buckets = Buckets {
    bounds: &[
        100, 250, 500, 750, 1000, 1500, 2000, 3000, 5000, 8000, 13_000, 20_000, 30_000, 60_000,
    ],
    scale: 1000,
};
/// Microseconds.
const OUTPUT_TOKEN: Buckets = Buckets {
    bounds: &[
        2000, 5000, 10_000, 15_000, 20_000, 30_000, 50_000, 75_000, 100_000, 200_000, 500_000,
        1_000_000,
    ],
    scale: 1_000_000,
};

/// SQL sums of the tokens, in the order of [`TokenKind::ALL`].
pub(super) const TOKEN_COLUMNS: &[&str] = &[
    "input",
    "cache_read",
    "cache_write",
    "output",
    "reasoning",
    "unclassified",
];

/// In the order of the exposition.
pub(in crate::metrics) static COUNTERS: &[Counter<RecordAmount>] = &[
    counter(
        1,
        "cpa_requests_total",
        &["provider", "model", "account"],
        "Upstream attempts reported by CPA, including failed ones, without prewarm requests.",
    )
    .sql("generates", &["1"])
    .adds(requests),
    counter(
        2,
        "cpa_request_failures_total",
        &["provider", "model", "account", "code", "reason"],
        "Failed attempts, by the HTTP status that CPA reports and by reason.",
    )
    .sql("failed", &["1"])
    .adds(failures),
    counter(
        3,
        "cpa_tokens_total",
        &["provider", "model", "account", "kind"],
        "Tokens, by disjoint kinds; the sum over kinds is the total.",
    )
    .by::<TokenKind>()
    .sql("1", TOKEN_COLUMNS)
    .adds(tokens),
    counter(
        4,
        "cpa_request_duration_seconds",
        &["provider", "model"],
        "Duration of successful attempts, in seconds.",
    )
    .histogram(DURATION)
    .sql("timed", &["latency_ms"])
    .adds(duration),
    counter(
        5,
        "cpa_request_time_to_first_token_seconds",
        &["provider", "model"],
        "Time to the first byte of successful streamed responses, in seconds.",
    )
    .histogram(FIRST_TOKEN)
    .sql("timed AND stream AND ttft_ms > 0", &["ttft_ms"])
    .adds(|r| first_token(r).into()),
    counter(
        6,
        "cpa_request_time_per_output_token_seconds",
        &["provider", "model"],
        "Time per output token after the first, including reasoning, of successful streamed responses, in seconds.",
    )
    .histogram(OUTPUT_TOKEN)
    .sql(
        "timed AND stream AND ttft_ms > 0 AND output + reasoning > 1",
        &["(max(latency_ms - ttft_ms, 0) * 1000 / (output + reasoning - 1))"],
    )
    .adds(|r| micros_per_token(r).into()),
    counter(
        7,
        "cpa_requests_by_endpoint_total",
        &["provider", "endpoint", "executor"],
        "Requests, by CPA's route and executor.",
    )
    .sql("generates", &["1"])
    .adds(requests),
    counter(
        8,
        "cpa_requests_by_tier_total",
        &["provider", "service_tier", "reasoning_effort"],
        "Requests, by the service tier in the client's request and the reasoning effort sent upstream.",
    )
    .sql("generates", &["1"])
    .adds(requests),
    counter(
        9,
        "cpa_client_requests_total",
        &["client", "model"],
        "Requests, by client key.",
    )
    .sql("generates", &["1"])
    .adds(requests),
    counter(
        10,
        "cpa_client_request_failures_total",
        &["client", "model", "reason"],
        "Failed requests, by client key and reason.",
    )
    .sql("failed", &["1"])
    .adds(failures),
    counter(
        11,
        "cpa_client_tokens_total",
        &["client", "model", "kind"],
        "Tokens, by client key and disjoint kinds.",
    )
    .by::<TokenKind>()
    .sql("1", TOKEN_COLUMNS)
    .adds(tokens),
    counter(
        12,
        "cpa_token_quality_total",
        &["provider", "quality"],
        "Records, by the consistency of CPA's split of the tokens.",
    )
    .by::<TokenQuality>()
    .sql(
        "1",
        &["quality = 0", "quality = 1", "quality = 2", "quality = 3"],
    )
    .adds(|r| Amount::OneAt(r.event.quality.index())),
    counter(
        13,
        "cpa_account_request_duration_seconds",
        &["provider", "account"],
        "Duration of successful attempts, by account, in seconds.",
    )
    .summary()
    .sql("timed", &["latency_ms", "1"])
    .adds(duration),
    counter(
        14,
        "cpa_account_last_request_timestamp_seconds",
        &["account"],
        "Start of the account's latest request, in Unix time.",
    )
    .latest_time()
    .adds(|r| match r.route.account {
        DimId::NONE => Amount::Nothing,
        _ if r.event.generate => r.time.into(),
        _ => Amount::Nothing,
    }),
];

/// A prewarm request adds 0, so that its series exist.
fn requests(record: &RecordItem<'_>) -> Amount<'static> {
    Amount::Of(u64::from(record.event.generate))
}

fn failures(record: &RecordItem<'_>) -> Amount<'static> {
    Amount::one_if(record.event.generate && !record.event.is_success())
}

fn tokens<'a>(record: &'a RecordItem<'_>) -> Amount<'a> {
    Amount::Each(&record.tokens)
}

fn is_timed(record: &RecordItem<'_>) -> bool {
    record.event.generate && record.event.is_success()
}

fn duration(record: &RecordItem<'_>) -> Amount<'static> {
    is_timed(record).then_some(record.event.latency_ms).into()
}

/// Milliseconds.
fn first_token(record: &RecordItem<'_>) -> Option<u64> {
    let event = record.event;
    (is_timed(record) && event.stream && event.ttft_ms > 0).then_some(event.ttft_ms)
}

fn micros_per_token(record: &RecordItem<'_>) -> Option<u64> {
    let millis = record.event.latency_ms.saturating_sub(first_token(record)?);
    let further = record.event.tokens.generated().saturating_sub(1);
    millis.saturating_mul(1000).checked_div(further)
}
