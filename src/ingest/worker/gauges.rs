//! Gauges that the thread updates about once a second: sizes and limits.

use std::time::Instant;

use super::{LONGEST_WAIT, Worker, left};
use crate::errors::Chain;
use crate::metrics::StoreSizes;
use crate::platform;
use crate::store::Store;

impl Worker {
    pub(super) fn measure(&mut self, store: &Store) {
        if !left(self.measured, LONGEST_WAIT).is_zero() {
            return;
        }
        self.measured = Some(Instant::now());
        self.publish_limits(store);
        let reader = &self.parts.reader;
        match store.stats() {
            Ok(stats) => self.parts.metrics.set_sizes(&StoreSizes {
                events: stats.events,
                rejects: stats.rejects,
                oldest_event: stats.oldest_event,
                database_bytes: stats.database_bytes,
                wal_bytes: stats.wal_bytes,
                spool_pending_bytes: reader.pending_bytes(),
                spool_file_bytes: reader.file_bytes(),
                free_bytes: platform::free_space(&self.parts.directory),
            }),
            Err(error) => {
                self.parts
                    .metrics
                    .set_spool(reader.pending_bytes(), reader.file_bytes());
                tracing::debug!(
                    error = %Chain(&error),
                    "store not measured"
                );
            }
        }
    }

    fn publish_limits(&mut self, store: &Store) {
        let now = self.parts.clock.now();
        self.accounting.update_limits(store, now);
        // Like the counters, not before the replay has ended.
        if self.ready.is_none() {
            self.accounting.publish_limits(&*self.parts.listener, now);
        }
    }
}
