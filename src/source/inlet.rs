//! Writes to the spool: wait for room, write the batch, wake the ingest thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::errors::Chain;
use crate::model::{Batch, BatchBody};
use crate::spool::Writer;

/// Interval at which a full spool is checked for room.
const ROOM_LOOK: Duration = Duration::from_millis(50);
/// Pause before a failed write is retried.
const WRITE_RETRY: Duration = Duration::from_millis(500);

/// Called when the spool has grown.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

pub struct Inlet {
    writer: Writer,
    wake: Wake,
    received: Arc<AtomicU64>,
    said_full: bool,
}

/// The batch could not be written before the program had to end.
#[derive(Debug, thiserror::Error)]
#[error("records popped from CPA could not be written to the spool")]
pub struct Lost;

impl Inlet {
    pub fn new(writer: Writer, wake: Wake) -> Self {
        Self {
            writer,
            wake,
            received: Arc::default(),
            said_full: false,
        }
    }

    /// Counts received records; shared with the comparison against CPA's counters.
    pub fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Waits until the spool has room for a reply of `bytes`. False when `stop` came first.
    ///
    /// Cancel-safe: it holds no data.
    pub async fn wait_for_room(&mut self, bytes: u64, stop: &CancellationToken) -> bool {
        // An empty spool must accept a batch, even when it is small.
        let bytes = bytes.min(self.writer.limit_bytes());
        while !self.writer.has_room(bytes) {
            if !self.said_full {
                self.said_full = true;
                tracing::error!(
                    pending = self.writer.pending_bytes(),
                    limit = self.writer.limit_bytes(),
                    "the spool is full because the database does not accept writes: records stay in CPA, \
                     which drops them after its retention"
                );
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                () = sleep(ROOM_LOOK) => {}
            }
        }
        if std::mem::take(&mut self.said_full) {
            tracing::info!("spool has free space again; collection resumed");
        }
        true
    }

    /// Writes the batch and retries until it succeeds: CPA keeps no copy. Gives up at `hard`, when
    /// the process must end. Not cancel-safe.
    pub async fn put(&mut self, batch: &Batch, hard: &CancellationToken) -> Result<(), Lost> {
        let mut said = false;
        while let Err(error) = self.writer.append(batch) {
            if !said {
                said = true;
                tracing::error!(
                    error = %Chain(&error),
                    "spool cannot be written; retrying with the received records in memory"
                );
            }
            tokio::select! {
                biased;
                () = hard.cancelled() => return Err(Lost),
                () = sleep(WRITE_RETRY) => {}
            }
        }
        if said {
            tracing::info!("spool writes succeed again; no record was lost");
        }
        // The records of an array are counted only when it is parsed: 1 is enough to show that
        // something arrives.
        let records = match &batch.body {
            BatchBody::Records(records) => records.len() as u64,
            BatchBody::JsonArray(_) => 1,
        };
        self.received.fetch_add(records, Ordering::Relaxed);
        (self.wake)();
        Ok(())
    }
}

impl fmt::Debug for Inlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inlet")
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}
