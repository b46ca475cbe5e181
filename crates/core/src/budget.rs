//! Limits that the exporter counts itself: quotas, budgets and daily comparisons.
//!
//! Pure: the input is committed events and the time, the output is usage. [`Rules`] holds the
//! configured rules; [`UsageCounters`] sums usage, and an event updates only the counters whose
//! rules match its route. An event's own time selects the window, so late events and events read
//! from the database at start are counted in the right window, in any order. `docs/limits.md`
//! defines each window.

mod calendar;
mod combos;
mod counter;
mod days;
mod in_use;
pub mod projection;
mod rolling;
mod rules;
mod selector;
mod usage;

#[cfg(test)]
mod tests;

pub use calendar::{Calendar, Every, Window};
pub use combos::Combos;
pub use counter::Count;
pub use days::{DaySum, Mean};
pub use rules::{Anomaly, BudgetRule, ComboRule, Entry, Measure, Period, QuotaRule, Rules, Split};
pub use selector::{Glob, Globs, Selector};
pub use usage::{Account, BudgetState, By, DayState, QuotaState, UsageCounters};
