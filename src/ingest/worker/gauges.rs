//! What the thread shows about once a second: sizes, limits, and what `reprice` has corrected.

use std::time::Instant;

use super::super::Parts;
use super::{NAP, Worker, left};
use crate::errors::Chain;
use crate::metrics::StoreSizes;
use crate::platform;
use crate::store::{Store, StoreError};

impl Worker {
    pub(super) fn measure(&mut self, store: &Store) {
        if !left(self.measured, NAP).is_zero() {
            return;
        }
        self.measured = Some(Instant::now());
        if let Err(error) = self.take_corrections(store) {
            tracing::debug!(error = %Chain(&error), "corrections not read");
        }
        self.show_limits(store);
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

    fn show_limits(&mut self, store: &Store) {
        let now = self.parts.clock.now();
        self.limits.look(store, now);
        // Like the counters: not before what was shown earlier is there again.
        if self.ready.is_none() {
            let Parts {
                counters, listener, ..
            } = &mut self.parts;
            self.limits.publish(counters, &**listener, now);
        }
    }

    /// Looks at what `reprice`, which is another process, has written.
    fn take_corrections(&mut self, store: &Store) -> Result<(), StoreError> {
        let foreign = Some(store.foreign_changes()?);
        if self.foreign != foreign {
            let corrections = store.corrections()?;
            if self.foreign.is_some() {
                self.limits.amounts_changed();
            }
            self.foreign = foreign;
            self.parts.counters.set_corrections(corrections);
        }
        Ok(())
    }
}
