//! The past: records that come from a file instead of from CPA, and stored events as Prometheus
//! can take them in.
//!
//! Both leave the counters alone. An imported record becomes an event and nothing else, because a
//! counter that rose by a month of history at once would show a month's traffic in one second.

mod backfill;
mod import;
mod inbox;

pub use backfill::{Backfill, BackfillError, Range};
pub use import::{Import, ImportError, ImportSink, Lines, Summary, Unpriced};
pub use inbox::{Answer, HandedOver, Inbox};
