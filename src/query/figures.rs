//! Integers of the database as figures of the API.

use crate::api::TokenCounts;

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
