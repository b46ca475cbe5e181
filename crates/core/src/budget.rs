//! Limits that we count ourselves: quotas, budgets, and what today is compared with.
//!
//! Pure: committed events and the time come in, figures go out. [`Rules`] is what the
//! configuration says; [`UsageCounters`] adds up, and an event touches only what its route is matched by.
//! A window is found by the event's own time, so late events and those read back from the
//! database at start land where they belong, in whatever order they come. `docs/limits.md` says
//! what each window means.

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
