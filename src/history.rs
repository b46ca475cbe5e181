//! History: import of records from a file, and export of stored events as past samples for
//! Prometheus.
//!
//! Neither changes the counters. An imported record becomes an event only, because a counter that
//! rises by a month of history at once would show a month's traffic in one second.

mod backfill;
mod import;
mod inbox;

pub use backfill::{Backfill, BackfillError, Range};
pub use import::{Import, ImportError, Lines, Summary, Unpriced};
pub use inbox::{Answer, Inbox, PendingImport};
