use std::time::Duration;

/// A point in time as nanoseconds since the Unix epoch, UTC.
///
/// Covers times until the year 2262; the decoder rejects times outside 2000–2200.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(i64);

impl UnixNanos {
    pub const fn new(nanos: i64) -> Self {
        Self(nanos)
    }

    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whole milliseconds, rounded towards negative infinity.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Seconds since 1970, to the millisecond.
    pub const fn as_seconds(self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds since 1970 are exact"
        )]
        let millis = self.as_millis() as f64;
        millis / 1000.0
    }

    #[must_use]
    pub fn saturating_sub(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(span))
    }

    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(span))
    }

    /// Time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}
