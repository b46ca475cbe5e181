//! The SQLite database: events, rejects and the running totals behind the counters.
//!
//! One [`Store`] owns the only connection that writes. It is used from one thread and knows
//! nothing of the spool's files, of JSON or of metrics; what it commits, it commits in one
//! transaction together with the spool position, so that a crash at any point neither loses nor
//! doubles a record.

mod accounts;
mod columns;
mod contact;
mod cursors;
mod deleted;
mod dimensions;
mod error;
mod events;
mod filter;
mod flags;
mod gateway;
mod ingest;
mod missing;
mod money;
mod names;
mod open;
mod outbox;
mod past;
mod quotas;
mod read;
mod rejects;
mod reprice;
mod schema;
mod snapshot;
mod state;
mod stats;
mod totals;
mod usage;
mod write_queue;

use std::path::PathBuf;

use rusqlite::Connection;
pub use rusqlite::InterruptHandle;

pub use contact::ContactHistory;
pub use cursors::SpoolMark;
pub use dimensions::NewName;
pub use error::StoreError;
pub use events::{EventKey, EventOrder, EventPlace, EventQuery, EventRow};
pub use filter::EventFilter;
pub use ingest::{Committed, Ingest};
pub use missing::UnpricedModel;
pub use names::account_names;
pub use outbox::OutboxRow;
pub use past::{Extent, PastRange};
pub use read::{Reader, StoredReject, check};
pub use reprice::{Change, Cursor, NotACursor, PricedEvent, Range};
pub use snapshot::{PastEvent, Snapshot};
pub use stats::StoreStats;
pub use usage::{USAGE_STEP, UsageQuery, UsageRow, UsageSums};
pub use write_queue::{Write, WriteQueue};

use dimensions::Interner;
use rejects::RejectCounts;
use state::State;

/// Name of the database within the storage directory.
pub const DATABASE_FILE: &str = "cpa-exporter.db";

/// The writing side of the database.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    path: PathBuf,
    /// Of the open file.
    file_id: Option<(u64, u64)>,
    interner: Interner,
    state: State,
    rejects: RejectCounts,
}

impl Store {
    /// Position in the spool up to which everything is committed.
    pub fn spool_mark(&self) -> SpoolMark {
        self.state.mark
    }

    /// Number of the last ingest commit.
    pub fn commits(&self) -> u64 {
        self.state.commits
    }

    /// Moves what is in the write-ahead log into the database file. Call before the end.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.conn
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
