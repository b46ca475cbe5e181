//! How much of its plan an account has used: two windows that fill with traffic and reset.

use std::time::Duration;

use super::prng::Prng;
use crate::model::UnixNanos;

const SHORT: Duration = Duration::from_hours(5);
const LONG: Duration = Duration::from_hours(7 * 24);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    length: Duration,
    used: u64,
    /// Tokens that are 100 %.
    capacity: u64,
    pub(crate) reset: UnixNanos,
}

impl Window {
    /// Used share in hundredths of a percent, at most 10,000.
    pub(crate) fn used_basis_points(&self) -> u64 {
        (self.used.saturating_mul(10_000) / self.capacity.max(1)).min(10_000)
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.used >= self.capacity
    }

    pub(crate) fn minutes(&self) -> u64 {
        self.length.as_secs() / 60
    }

    pub(crate) fn start(&self) -> UnixNanos {
        let length = i64::try_from(self.length.as_nanos()).unwrap_or(i64::MAX);
        UnixNanos::new(self.reset.get() - length)
    }

    pub(crate) fn reset_seconds(&self) -> u64 {
        u64::try_from(self.reset.get() / 1_000_000_000).unwrap_or(0)
    }

    fn advance(&mut self, now: UnixNanos) {
        let length = i64::try_from(self.length.as_nanos()).unwrap_or(i64::MAX);
        let late = now.get() - self.reset.get();
        if late >= 0 {
            self.used = 0;
            let windows = late / length + 1;
            self.reset = UnixNanos::new(self.reset.get() + windows * length);
        }
    }
}

/// The 5-hour and the weekly window of one account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub(crate) primary: Window,
    pub(crate) secondary: Window,
}

impl Quota {
    /// `capacity` is what the 5-hour window holds; a week holds 40 of them.
    pub(crate) fn draw(capacity: u64, now: UnixNanos, prng: &mut Prng) -> Self {
        let mut window = |length: Duration, capacity: u64| {
            let left = Duration::from_secs(1 + prng.below(length.as_secs()));
            Window {
                length,
                used: capacity / 100 * prng.below(75),
                capacity,
                reset: UnixNanos::new(
                    now.saturating_add(left).get() / 1_000_000_000 * 1_000_000_000,
                ),
            }
        };
        Self {
            primary: window(SHORT, capacity),
            secondary: window(LONG, capacity.saturating_mul(40)),
        }
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.primary.is_used_up() || self.secondary.is_used_up()
    }

    pub(crate) fn advance(&mut self, now: UnixNanos) {
        self.primary.advance(now);
        self.secondary.advance(now);
    }

    pub(crate) fn spend(&mut self, tokens: u64) {
        self.primary.used = self.primary.used.saturating_add(tokens);
        self.secondary.used = self.secondary.used.saturating_add(tokens);
    }
}
