//! Projections of a period's total. Amounts may have any unit; the result has the same.

use super::calendar::Window;
use crate::model::UnixNanos;

const DAY: f64 = 86_400e9;
/// Days of an average month.
const MONTH: f64 = 30.0;

/// Projects the pace so far; `None` at the start of the period.
pub fn at_pace(so_far: f64, window: Window, now: UnixNanos) -> Option<f64> {
    let passed = nanos(window.start, now);
    (passed > 0.0).then(|| so_far * nanos(window.start, window.end) / passed)
}

/// The amount so far plus a daily average for each remaining day.
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
