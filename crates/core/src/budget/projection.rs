//! What a period will come to. Amounts in any unit, as long as it is the same.

use super::calendar::Window;
use crate::model::UnixNanos;

const DAY: f64 = 86_400e9;
/// Days of the month that an average is multiplied by.
const MONTH: f64 = 30.0;

/// At the pace so far; unknown while nothing of the period has passed.
pub fn at_pace(so_far: f64, window: Window, now: UnixNanos) -> Option<f64> {
    let passed = nanos(window.start, now);
    (passed > 0.0).then(|| so_far * nanos(window.start, window.end) / passed)
}

/// What is there, and a day's average for each day that is left.
pub fn with_average(so_far: f64, average: f64, window: Window, now: UnixNanos) -> f64 {
    so_far + average * nanos(now, window.end) / DAY
}

/// A month of average days.
pub fn month_of(average: f64) -> f64 {
    average * MONTH
}

#[expect(
    clippy::cast_precision_loss,
    reason = "to microseconds, which is enough"
)]
fn nanos(from: UnixNanos, to: UnixNanos) -> f64 {
    to.since(from).as_nanos() as f64
}
