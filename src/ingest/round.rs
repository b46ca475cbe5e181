//! One round: from the spool's next frames to one commit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Listener;
use super::money::Till;
use super::notes::{Note, Notes};
use super::signs::Signs;
use super::tally::{Posted, Tally, posted};
use crate::clock::Clock;
use crate::decode::{Decoded, Decoder, Reject, split_array};
use crate::errors::Chain;
use crate::metrics::{Ledger, Losses};
use crate::model::{Control, UnixNanos};
use crate::spool::{Frame, FrameBody, Reader, SpoolError};
use crate::store::{Ingest, SpoolMark, Store, StoreError};

/// Bounds the memory of a transaction when records come faster than any clock tells.
const MAX_RECORDS: usize = 50_000;

/// What stopped a round; nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoundError {
    #[error("database")]
    Store(#[from] StoreError),
    #[error("spool")]
    Spool(#[from] SpoolError),
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There was nothing to do.
    Idle,
    Committed {
        /// The spool holds more.
        more: bool,
    },
}

/// The parts a round works on.
pub(super) struct Round<'a> {
    pub(super) reader: &'a mut Reader,
    pub(super) decoder: &'a Decoder,
    pub(super) ledger: &'a mut Ledger,
    pub(super) till: &'a mut Till,
    pub(super) tally: &'a mut Tally,
    pub(super) losses: &'a Losses,
    pub(super) clock: &'a Clock,
    pub(super) limit: Duration,
    pub(super) notes: &'a Notes,
    pub(super) listener: &'a dyn Listener,
}

impl Round<'_> {
    /// Takes what the spool holds, for at most `limit`, and commits it.
    pub(super) fn run(mut self, store: &mut Store) -> Result<Outcome, RoundError> {
        // The end of a hold makes the ledger dirty by itself: it must be on disk before the value
        // behind it is shown.
        if !self.reader.has_frame()? && !self.ledger.is_dirty() && self.notes.is_empty() {
            return Ok(Outcome::Idle);
        }
        let notes = self.notes.take();
        let outcome = self.run_with(store, &notes);
        if outcome.is_err() {
            self.notes.put_back(notes);
        }
        outcome
    }

    fn run_with(
        &mut self,
        store: &mut Store,
        notes: &VecDeque<Note>,
    ) -> Result<Outcome, RoundError> {
        let began = Instant::now();
        let mut open = Open {
            store: store.begin()?,
            finished: Vec::new(),
            records: 0,
            signs: Signs::default(),
            posted: Vec::new(),
            refresh: false,
        };
        self.till.begin(&mut open.store);
        self.tally.begin(&mut open.store);
        open.write(notes)?;
        open.names(self.ledger, self.till, self.tally);
        let mut more = false;
        while !more && let Some(frame) = self.reader.next_frame()? {
            let mut parts = Counting {
                decoder: self.decoder,
                ledger: self.ledger,
                till: self.till,
                tally: self.tally,
                losses: self.losses,
            };
            open.take(&frame, &mut parts)?;
            more = open.records >= MAX_RECORDS || began.elapsed() >= self.limit;
        }
        self.commit(open)?;
        Ok(Outcome::Committed { more })
    }

    fn commit(&mut self, round: Open<'_>) -> Result<(), RoundError> {
        let now = self.clock.now();
        for finished in &round.finished {
            self.ledger.observe_lag(now.since(*finished));
        }
        let position = self.reader.position();
        let mark = SpoolMark {
            segment: position.segment.0,
            offset: position.offset,
        };
        let committed = round.store.commit(self.ledger.staged_rows(), mark)?;
        self.ledger.commit();
        self.tally.post(&round.posted);
        if round.refresh {
            self.listener.accounts_changed();
        }
        self.listener.quota_signs(round.signs.into_vec());
        if let Err(error) = self.reader.release(position, committed.number) {
            // The records are safe in the database; only their room in the spool is not free yet.
            tracing::warn!(
                error = %Chain(&error),
                "spool could not be cleared"
            );
        }
        Ok(())
    }
}

/// What a record passes within a round.
struct Counting<'a> {
    decoder: &'a Decoder,
    ledger: &'a mut Ledger,
    till: &'a mut Till,
    tally: &'a mut Tally,
    losses: &'a Losses,
}

/// A round that has begun.
struct Open<'s> {
    store: Ingest<'s>,
    /// When the new events were published, for their lag at the commit.
    finished: Vec<UnixNanos>,
    records: usize,
    signs: Signs,
    /// For the books of limits.
    posted: Vec<Posted>,
    /// CPA says that its accounts have changed.
    refresh: bool,
}

impl Open<'_> {
    fn write(&mut self, notes: &VecDeque<Note>) -> Result<(), StoreError> {
        notes
            .iter()
            .try_for_each(|note| note.write(&mut self.store))
    }

    fn take(&mut self, frame: &Frame<'_>, parts: &mut Counting<'_>) -> Result<(), StoreError> {
        match frame.body {
            FrameBody::Record(payload) => self.record(payload, frame.received, parts),
            FrameBody::JsonArray(body) => {
                for payload in split_array(body) {
                    self.record(&payload, frame.received, parts)?;
                }
                Ok(())
            }
        }
    }

    /// Tells everybody the names that were interned since the last time.
    fn names(&mut self, ledger: &mut Ledger, till: &mut Till, tally: &mut Tally) {
        if self.store.has_new_names() {
            for name in self.store.take_new_names() {
                ledger.name(name.dimension, name.id, &name.value, &name.label);
                till.name(&name);
                tally.name(&name, ledger.text(name.dimension, name.id));
            }
        }
    }

    fn record(
        &mut self,
        payload: &[u8],
        received: UnixNanos,
        parts: &mut Counting<'_>,
    ) -> Result<(), StoreError> {
        let ledger = &mut *parts.ledger;
        self.records += 1;
        ledger.received(payload.len());
        match parts.decoder.decode(payload) {
            Decoded::Event(event) => {
                let route = self.store.intern(&event);
                self.names(ledger, parts.till, parts.tally);
                let money = parts.till.money(&event, &route);
                if self.store.event(&event, &route, &money)? {
                    ledger.count(&event, &route, received);
                    ledger.charge(&event, &route, &money);
                    let combos = parts.tally.combos_of(&route);
                    ledger.count_combos(&event, &route, &money, combos);
                    self.posted.push(posted(&event, &route, &money));
                    self.finished.push(event.finished());
                    self.signs.note(*event, &route);
                } else {
                    ledger.duplicate();
                }
            }
            Decoded::Control(control) => {
                self.refresh |= control == Control::Refresh;
                ledger.control(control);
            }
            Decoded::Reject(Reject {
                reason,
                detail,
                payload,
            }) => {
                parts.losses.note();
                ledger.reject(reason);
                self.store.reject(received, reason, &detail, &payload)?;
            }
        }
        Ok(())
    }
}
