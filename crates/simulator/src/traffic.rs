//! Produces synthetic traffic at the configured rate.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::config::whole;
use super::core::Core;
use super::generator::daily_rhythm;

/// Short enough that records come one by one up to this rate, long enough to cost nothing.
const SLOW_TICK: Duration = Duration::from_millis(10);
const FAST_TICK: Duration = Duration::from_millis(1);
const FAST: f64 = 100.0;

/// Records made before other tasks run: far fewer than a subscriber's buffer holds, so only a
/// subscriber that does not read is dropped.
const STEP: u64 = 16;

/// Produces records up to the configured number; without one, runs forever.
///
/// Cancel-safe: a record is made and published in one step.
pub(crate) async fn flow(core: Arc<Core>) {
    let traffic = core.config.traffic.clone();
    let Some(rate) = traffic.rate.filter(|&rate| rate > 0.0) else {
        return;
    };
    let mut ticks = interval(if rate < FAST { SLOW_TICK } else { FAST_TICK });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = Instant::now();
    // A tick adds far less than one record; the fraction must not be lost.
    let mut due = 0.0;
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let passed = (now - last).as_secs_f64();
        last = now;
        let permille = if traffic.rhythm {
            daily_rhythm(core.now(), traffic.utc_offset_minutes)
        } else {
            1000
        };
        due += rate * f64::from(permille) / 1000.0 * passed;
        let left = core.left.load(Ordering::Relaxed);
        if left == 0 {
            return;
        }
        let mut due_now = whole(due).min(left);
        due = due.fract();
        while due_now > 0 {
            let step = due_now.min(STEP);
            due_now -= step;
            core.generate(usize::try_from(step).unwrap_or(0));
            // This task is the only writer; a restart continues from here.
            core.left.fetch_sub(step, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, SimulatorConfig};
    use cpa_exporter_core::model::UnixNanos;

    #[tokio::test(start_paused = true)]
    async fn slow_rate_loses_nothing_between_ticks() {
        let mut config = SimulatorConfig::default();
        config.traffic.rate = Some(1.0);
        let core = Arc::new(Core::new(config));
        let flowing = flow(Arc::clone(&core));
        let hour = Duration::from_hours(1);
        let watched = async {
            // Late ticks, as on a busy machine.
            let end = Instant::now() + hour;
            while Instant::now() < end {
                tokio::time::advance(Duration::from_micros(10_900)).await;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = flowing => panic!("never ends"),
            () = watched => {}
        }
        let made = core.totals().produced.records;
        assert!((3590..=3600).contains(&made), "{made}");
    }

    #[tokio::test(start_paused = true)]
    async fn rate_can_be_fractional_and_follow_the_day() {
        for (hour, expected) in [(4, 53..=54), (16, 305..=306)] {
            let now = UnixNanos::from_millis(1_790_000_000_000 / 86_400_000 * 86_400_000);
            let now = now.saturating_add(Duration::from_hours(hour));
            let mut config = SimulatorConfig {
                clock: Clock::new(move || now),
                ..SimulatorConfig::default()
            };
            config.traffic.rate = Some(0.5);
            config.traffic.rhythm = true;
            let core = Arc::new(Core::new(config));
            let flowing = flow(Arc::clone(&core));
            let ended = tokio::time::timeout(Duration::from_mins(6) + SLOW_TICK, flowing).await;
            assert!(ended.is_err(), "never ends");
            let made = core.totals().produced.records;
            assert!(expected.contains(&made), "{made} at {hour}");
        }
    }
}
