//! The only module that reads the system clock.
//!
//! All other code takes a [`Clock`], so that tests control the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::model::UnixNanos;

/// Wall-clock time. Cheap to clone; all clones of a clock return the same time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that changes only through its [`ManualClock`].
    pub fn manual(start: UnixNanos) -> (Self, ManualClock) {
        let nanos = Arc::new(AtomicI64::new(start.get()));
        (Self(Kind::Manual(Arc::clone(&nanos))), ManualClock(nanos))
    }

    pub fn now(&self) -> UnixNanos {
        match &self.0 {
            Kind::System => system_now(),
            Kind::Manual(nanos) => UnixNanos::new(nanos.load(Ordering::SeqCst)),
        }
    }
}

/// A time before 1970 means a clock that was never set; it reads as 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that the lint requires elsewhere"
)]
fn system_now() -> UnixNanos {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixNanos::new(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}

/// Sets the clock that was created with it.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    pub fn advance(&self, span: Duration) {
        let moved = self.now().saturating_add(span);
        self.set(moved);
    }

    /// Also backwards, as a corrected clock does.
    pub fn set(&self, now: UnixNanos) {
        self.0.store(now.get(), Ordering::SeqCst);
    }

    fn now(&self) -> UnixNanos {
        UnixNanos::new(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_changes_only_when_set() {
        let (clock, hand) = Clock::manual(UnixNanos::from_millis(1_000));
        assert_eq!(clock.now(), UnixNanos::from_millis(1_000));
        hand.advance(Duration::from_millis(5));
        assert_eq!(clock.clone().now(), UnixNanos::from_millis(1_005));
        hand.set(UnixNanos::from_millis(3));
        assert_eq!(clock.now(), UnixNanos::from_millis(3));
    }

    #[test]
    fn the_system_clock_is_past_2020() {
        assert!(Clock::system().now() > UnixNanos::from_millis(1_577_836_800_000));
    }
}
