//! Lets made-up traffic flow at its rate.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::core::Core;
use super::generator::daily_rhythm;

const TICK: Duration = Duration::from_millis(10);

/// Produces records until the configured number is reached; never ends without one.
///
/// Cancel-safe: a record is made and published in one step.
pub(crate) async fn flow(core: Arc<Core>) {
    let traffic = core.config.traffic.clone();
    let Some(rate) = traffic.rate.filter(|&rate| rate > 0) else {
        return;
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = Instant::now();
    // Thousandths of a record that are due.
    let mut due = 0;
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let passed = u64::try_from((now - last).as_micros()).unwrap_or(0);
        last = now;
        let permille = if traffic.rhythm {
            daily_rhythm(core.now(), traffic.utc_offset_minutes)
        } else {
            1000
        };
        due += rate * permille * passed / 1_000_000;
        let left = core.left.load(Ordering::Relaxed);
        if left == 0 {
            return;
        }
        let count = (due / 1000).min(left);
        due -= count * 1000;
        // Nobody else writes it; a restart goes on where the last run stopped.
        core.left.store(left - count, Ordering::Relaxed);
        core.generate(usize::try_from(count).unwrap_or(usize::MAX));
    }
}
