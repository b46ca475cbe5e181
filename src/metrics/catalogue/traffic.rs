//! Traffic: created from records, restored at the start.

use super::Kind::{Counter, Gauge, Histogram, Summary};
use super::{Buckets, Family, family};

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

/// In the order of the page.
pub(super) static ALL: &[&Family] = &[
    &REQUESTS,
    &REQUEST_FAILURES,
    &TOKENS,
    &REQUEST_DURATION,
    &TIME_TO_FIRST_TOKEN,
    &TIME_PER_OUTPUT_TOKEN,
    &REQUESTS_BY_ENDPOINT,
    &REQUESTS_BY_TIER,
    &CLIENT_REQUESTS,
    &CLIENT_FAILURES,
    &CLIENT_TOKENS,
    &TOKEN_QUALITY,
    &ACCOUNT_DURATION,
    &ACCOUNT_LAST_REQUEST,
];

pub(in crate::metrics) static REQUESTS: Family = family(
    "cpa_requests_total",
    Counter,
    &["provider", "model", "account"],
    "Upstream attempts reported by CPA, including failed ones, without prewarm requests.",
);
pub(in crate::metrics) static REQUEST_FAILURES: Family = family(
    "cpa_request_failures_total",
    Counter,
    &["provider", "model", "account", "code", "reason"],
    "Failed attempts, by the HTTP status that CPA reports and by reason.",
);
pub(in crate::metrics) static TOKENS: Family = family(
    "cpa_tokens_total",
    Counter,
    &["provider", "model", "account", "kind"],
    "Tokens, by disjoint kinds; the sum over kinds is the total.",
);
pub(in crate::metrics) static REQUEST_DURATION: Family = family(
    "cpa_request_duration_seconds",
    Histogram(DURATION),
    &["provider", "model"],
    "Duration of successful attempts, in seconds.",
);
pub(in crate::metrics) static TIME_TO_FIRST_TOKEN: Family = family(
    "cpa_request_time_to_first_token_seconds",
    Histogram(FIRST_TOKEN),
    &["provider", "model"],
    "Time to the first byte of successful streamed responses, in seconds.",
);
pub(in crate::metrics) static TIME_PER_OUTPUT_TOKEN: Family = family(
    "cpa_request_time_per_output_token_seconds",
    Histogram(OUTPUT_TOKEN),
    &["provider", "model"],
    "Time per output token after the first, including reasoning, of successful streamed responses, in seconds.",
);
pub(in crate::metrics) static REQUESTS_BY_ENDPOINT: Family = family(
    "cpa_requests_by_endpoint_total",
    Counter,
    &["provider", "endpoint", "executor"],
    "Requests, by CPA's route and executor.",
);
pub(in crate::metrics) static REQUESTS_BY_TIER: Family = family(
    "cpa_requests_by_tier_total",
    Counter,
    &["provider", "service_tier", "reasoning_effort"],
    "Requests, by the service tier in the client's request and the reasoning effort sent upstream.",
);
pub(in crate::metrics) static CLIENT_REQUESTS: Family = family(
    "cpa_client_requests_total",
    Counter,
    &["client", "model"],
    "Requests, by client key.",
);
pub(in crate::metrics) static CLIENT_FAILURES: Family = family(
    "cpa_client_request_failures_total",
    Counter,
    &["client", "model", "reason"],
    "Failed requests, by client key and reason.",
);
pub(in crate::metrics) static CLIENT_TOKENS: Family = family(
    "cpa_client_tokens_total",
    Counter,
    &["client", "model", "kind"],
    "Tokens, by client key and disjoint kinds.",
);
pub(in crate::metrics) static TOKEN_QUALITY: Family = family(
    "cpa_token_quality_total",
    Counter,
    &["provider", "quality"],
    "Records, by the consistency of CPA's split of the tokens.",
);
pub(in crate::metrics) static ACCOUNT_DURATION: Family = family(
    "cpa_account_request_duration_seconds",
    Summary,
    &["provider", "account"],
    "Duration of successful attempts, by account, in seconds.",
);
pub(in crate::metrics) static ACCOUNT_LAST_REQUEST: Family = family(
    "cpa_account_last_request_timestamp_seconds",
    Gauge,
    &["account"],
    "Start of the account's latest request, in Unix time.",
);
