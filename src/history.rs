//! History: the lines of a file to import, and export of stored events as past samples for
//! Prometheus.
//!
//! Neither changes the counters. An imported record becomes an event only, because a counter that
//! rises by a month of history at once would show a month's traffic in one second.

mod backfill;
mod lines;

pub use backfill::{Backfill, BackfillError, Range};
pub use lines::Lines;
