//! Integers of the database as figures of the API.

use crate::api::{TokenCounts, Usage};
use crate::store::UsageSums;

pub(super) fn token_counts(by_kind: [u64; 6]) -> TokenCounts {
    let [
        input,
        cache_read,
        cache_write,
        output,
        reasoning,
        unclassified,
    ] = by_kind;
    TokenCounts {
        input,
        cache_read,
        cache_write,
        output,
        reasoning,
        unclassified,
        total: by_kind
            .iter()
            .fold(0, |sum: u64, part| sum.saturating_add(*part)),
    }
}

pub(super) fn usd(nanos: u64) -> f64 {
    const NANOS: f64 = 1e9;
    float(nanos) / NANOS
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sums of reports stay far below 2^53"
)]
pub(super) fn float(sum: u64) -> f64 {
    sum as f64
}

pub(super) fn usage(sums: &UsageSums) -> Usage {
    let successes = sums.requests.saturating_sub(sums.failures);
    Usage {
        requests: sums.requests,
        failures: sums.failures,
        success_ratio: (sums.requests > 0).then(|| float(successes) / float(sums.requests)),
        tokens: token_counts(sums.tokens),
        cost_usd: usd(sums.cost),
        value_usd: usd(sums.value),
        unpriced_requests: sums.unpriced_requests,
        mean_latency: (sums.timed > 0).then(|| float(sums.latency_ms) / float(sums.timed) / 1000.0),
    }
}
