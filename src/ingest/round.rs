//! One round: from the next frames of the spool to one commit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Listener;
use super::accounting::Accounting;
use crate::clock::Clock;
use crate::decode::{Decoded, Decoder, Reject, split_array};
use crate::errors::Chain;
use crate::metrics::{Loss, Losses};
use crate::model::{Control, UnixNanos};
use crate::spool::{Frame, FrameBody, Reader, SpoolError};
use crate::store::{Ingest, SpoolMark, Store, StoreError, Write, WriteQueue};

/// Maximum number of records per transaction, which bounds its memory.
const MAX_RECORDS: usize = 50_000;

/// Reason why a round failed. It leaves nothing behind.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoundError {
    #[error("database")]
    Store(#[from] StoreError),
    #[error("spool")]
    Spool(#[from] SpoolError),
}

/// Result of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There was nothing to do.
    Idle,
    Committed {
        /// The spool holds more.
        more: bool,
    },
}

/// Dependencies of a round.
pub(super) struct Round<'a> {
    pub(super) reader: &'a mut Reader,
    pub(super) decoder: &'a Decoder,
    pub(super) accounting: &'a mut Accounting,
    pub(super) losses: &'a Losses,
    pub(super) clock: &'a Clock,
    pub(super) limit: Duration,
    pub(super) writes: &'a WriteQueue,
    pub(super) listener: &'a dyn Listener,
}

impl Round<'_> {
    /// Commits the records in the spool. Reads them for at most `limit`.
    pub(super) fn run(mut self, store: &mut Store) -> Result<Outcome, RoundError> {
        // The end of a hold changes the counters without a record: it must be on disk before the
        // new value is published.
        let is_dirty = self.accounting.counters.is_dirty();
        if !self.reader.has_frame()? && !is_dirty && self.writes.is_empty() {
            return Ok(Outcome::Idle);
        }
        let writes = self.writes.take();
        let outcome = self.run_with(store, &writes);
        if outcome.is_err() {
            self.writes.put_back(writes);
        }
        outcome
    }

    fn run_with(
        &mut self,
        store: &mut Store,
        writes: &VecDeque<Write>,
    ) -> Result<Outcome, RoundError> {
        let began = Instant::now();
        let mut open = store.begin()?;
        for write in writes {
            open.write(write)?;
        }
        self.accounting.begin(&mut open);
        let mut records = 0;
        let mut more = false;
        while !more && let Some(frame) = self.reader.next_frame()? {
            let mut parts = Records {
                store: &mut open,
                decoder: self.decoder,
                accounting: self.accounting,
                losses: self.losses,
                received: frame.received,
            };
            records += parts.frame(&frame)?;
            more = records >= MAX_RECORDS || began.elapsed() >= self.limit;
        }
        self.commit(open)?;
        Ok(Outcome::Committed { more })
    }

    fn commit(&mut self, open: Ingest<'_>) -> Result<(), RoundError> {
        let position = self.reader.position();
        let mark = SpoolMark {
            segment: position.segment.0,
            offset: position.offset,
        };
        let committed = self.accounting.commit(open, mark, self.clock.now())?;
        let dropped = committed.dropped_rejects;
        self.losses.count(Loss::RejectDropped, dropped);
        self.accounting.notify(self.listener);
        if let Err(error) = self.reader.release(position, committed.number) {
            // The records are in the database; only their space in the spool is not free yet.
            tracing::warn!(
                error = %Chain(&error),
                "spool could not be cleared"
            );
        }
        Ok(())
    }
}

/// The records of a frame.
struct Records<'a, 's> {
    store: &'a mut Ingest<'s>,
    decoder: &'a Decoder,
    accounting: &'a mut Accounting,
    losses: &'a Losses,
    received: UnixNanos,
}

impl Records<'_, '_> {
    /// Returns the number of records.
    fn frame(&mut self, frame: &Frame<'_>) -> Result<usize, StoreError> {
        let mut records = 0;
        match frame.body {
            FrameBody::Record(payload) => {
                self.record(payload)?;
                records += 1;
            }
            FrameBody::JsonArray(body) => {
                for payload in split_array(body) {
                    self.record(&payload)?;
                    records += 1;
                }
            }
        }
        Ok(records)
    }

    fn record(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        self.accounting.counters.received(payload.len());
        match self.decoder.decode(payload) {
            Decoded::Event(event) => self.accounting.live(self.store, *event, self.received)?,
            Decoded::Control(control) => {
                if control == Control::Refresh {
                    self.accounting.accounts_changed();
                }
                self.accounting.counters.control(control);
            }
            Decoded::Reject(Reject {
                reason,
                detail,
                payload,
            }) => {
                self.losses.note();
                self.accounting.counters.reject(reason);
                self.store
                    .reject(self.received, reason, &detail, &payload)?;
            }
        }
        Ok(())
    }
}
