//! The simulator's clock, so that tests need not wait for retention and bans.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cpa_exporter_core::model::UnixNanos;

/// Returns the current time. Socket time-outs still use tokio's clock.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> UnixNanos + Send + Sync>);

impl Clock {
    pub fn new(now: impl Fn() -> UnixNanos + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub fn system() -> Self {
        Self::new(system_now)
    }

    pub fn now(&self) -> UnixNanos {
        (self.0)()
    }

    /// A clock that shows the same time now and runs `factor` times as fast.
    #[must_use]
    pub fn scaled(&self, factor: u32) -> Self {
        if factor == 1 {
            return self.clone();
        }
        let (slow, start) = (self.clone(), self.now());
        Self::new(move || {
            let passed = slow.now().since(start);
            start.saturating_add(passed.saturating_mul(factor))
        })
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the only use of the real clock in the simulator; everything else uses a Clock"
)]
fn system_now() -> UnixNanos {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixNanos::new(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}
