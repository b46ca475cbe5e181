//! The only module that reads the system clock.
//!
//! All other code takes a [`Clock`], so that tests control the time.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::{Instant, sleep_until};

use crate::model::UnixNanos;

/// Wall-clock and monotonic time. Cheap to clone; all clones of a clock return the same time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Manual(Arc<AtomicI64>),
    Scaled(Arc<Scaled>),
}

struct Scaled {
    now: Box<dyn Fn() -> UnixNanos + Send + Sync>,
    began: Instant,
    speed: NonZeroU32,
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

    /// A clock that runs `speed` times as fast as the system's, with the wall-clock time of `now`.
    pub fn scaled(speed: NonZeroU32, now: impl Fn() -> UnixNanos + Send + Sync + 'static) -> Self {
        Self(Kind::Scaled(Arc::new(Scaled {
            now: Box::new(now),
            began: Instant::now(),
            speed,
        })))
    }

    pub fn now(&self) -> UnixNanos {
        match &self.0 {
            Kind::System => system_now(),
            Kind::Manual(nanos) => UnixNanos::new(nanos.load(Ordering::SeqCst)),
            Kind::Scaled(scaled) => (scaled.now)(),
        }
    }

    /// Monotonic time at this clock's speed. Do not compare it with [`Instant::now`].
    pub fn instant(&self) -> Instant {
        match &self.0 {
            Kind::System | Kind::Manual(_) => Instant::now(),
            Kind::Scaled(scaled) => scaled.began + scaled.began.elapsed() * scaled.speed.get(),
        }
    }

    /// Sleeps until [`instant`](Self::instant) reaches the deadline.
    pub async fn sleep_until(&self, deadline: Instant) {
        match &self.0 {
            Kind::System | Kind::Manual(_) => sleep_until(deadline).await,
            Kind::Scaled(scaled) => {
                let wait = deadline.saturating_duration_since(scaled.began) / scaled.speed.get();
                sleep_until(scaled.began + wait).await;
            }
        }
    }
}

impl fmt::Debug for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scaled")
            .field("speed", &self.speed)
            .finish_non_exhaustive()
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

    #[tokio::test(start_paused = true)]
    async fn a_scaled_clock_sleeps_at_its_speed() {
        let speed = NonZeroU32::new(40).unwrap();
        let clock = Clock::scaled(speed, || UnixNanos::from_millis(1_000));
        let (began, start) = (Instant::now(), clock.instant());
        clock.sleep_until(start + Duration::from_secs(80)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(2));
        assert_eq!(clock.instant() - start, Duration::from_secs(80));
    }

    #[test]
    fn the_system_clock_is_past_2020() {
        assert!(Clock::system().now() > UnixNanos::from_millis(1_577_836_800_000));
    }
}
