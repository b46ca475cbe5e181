//! Ratios of received records to the requests that CPA counts. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Least growth of CPA's count that says anything.
const MIN_COUNTED: u64 = 20;
/// Least share of missing records that is a hint.
const HINT_SHARE: f64 = 0.2;
/// Least difference of two ratios that is a theft.
pub(in crate::source) const MIN_DIFFERENCE: f64 = 0.1;

/// Growth of CPA's count, and the records that arrived meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::source) struct Ratio {
    pub(in crate::source) counted: u64,
    pub(in crate::source) arrived: u64,
}

impl Ratio {
    /// Records per counted request, at most 1.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of some minutes are far below 2^52"
    )]
    pub(in crate::source) fn share(self) -> f64 {
        if self.counted == 0 {
            return 1.0;
        }
        (self.arrived as f64 / self.counted as f64).min(1.0)
    }

    /// Variance of [`Self::share`], not 0 even for a share of 0 or 1.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of some minutes are far below 2^52"
    )]
    fn variance(self) -> f64 {
        let n = self.counted as f64 + 2.0;
        let share = (self.arrived.min(self.counted) as f64 + 1.0) / n;
        share * (1.0 - share) / n
    }

    pub(in crate::source) const fn is_enough(self) -> bool {
        self.counted >= MIN_COUNTED
    }

    pub(in crate::source) fn is_hint(self) -> bool {
        self.is_enough() && self.share() <= 1.0 - HINT_SHARE
    }

    /// Whether fewer records arrived than `other` shows to be right.
    pub(in crate::source) fn is_clearly_below(self, other: Self) -> bool {
        let difference = other.share() - self.share();
        let error = (self.variance() + other.variance()).sqrt();
        difference > MIN_DIFFERENCE.max(3.0 * error)
    }
}

/// Growing totals at one moment: CPA's requests since its start, and our records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) struct Sample {
    pub(in crate::source) at: Instant,
    pub(in crate::source) counted: u64,
    pub(in crate::source) received: u64,
}

impl Sample {
    /// `None` when CPA's counts were reset meanwhile.
    pub(in crate::source) fn since(self, old: Self) -> Option<Ratio> {
        Some(Ratio {
            counted: self.counted.checked_sub(old.counted)?,
            arrived: self.received.saturating_sub(old.received),
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of some minutes are far below 2^52"
)]
pub(in crate::source) fn per_second(records: u64, span: Duration) -> f64 {
    records as f64 / span.as_secs_f64().max(0.001)
}
