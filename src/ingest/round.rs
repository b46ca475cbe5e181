//! One round: from the spool's next frames to one commit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Listener;
use super::limits::{LimitTracker, Posted, posted};
use super::money::EventPricer;
use super::observations::QuotaObservations;
use crate::clock::Clock;
use crate::decode::{Decoded, Decoder, Reject, split_array};
use crate::errors::Chain;
use crate::metrics::{Counters, Losses, Record};
use crate::model::{Control, UnixNanos};
use crate::spool::{Frame, FrameBody, Reader, SpoolError};
use crate::store::{Ingest, SpoolMark, Store, StoreError, Write, WriteQueue};

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
    pub(super) counters: &'a mut Counters,
    pub(super) pricer: &'a mut EventPricer,
    pub(super) limits: &'a mut LimitTracker,
    pub(super) losses: &'a Losses,
    pub(super) clock: &'a Clock,
    pub(super) limit: Duration,
    pub(super) writes: &'a WriteQueue,
    pub(super) listener: &'a dyn Listener,
}

impl Round<'_> {
    /// Takes what the spool holds, for at most `limit`, and commits it.
    pub(super) fn run(mut self, store: &mut Store) -> Result<Outcome, RoundError> {
        // The end of a hold makes the ledger dirty by itself: it must be on disk before the value
        // behind it is shown.
        if !self.reader.has_frame()? && !self.counters.is_dirty() && self.writes.is_empty() {
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
        let mut open = Open {
            store: store.begin()?,
            finished: Vec::new(),
            records: 0,
            observations: QuotaObservations::default(),
            posted: Vec::new(),
            refresh: false,
        };
        self.pricer.begin(&mut open.store);
        self.limits.begin(&mut open.store);
        open.write(writes)?;
        open.names(self.counters, self.pricer, self.limits);
        let mut more = false;
        while !more && let Some(frame) = self.reader.next_frame()? {
            let mut parts = Counting {
                decoder: self.decoder,
                counters: self.counters,
                pricer: self.pricer,
                limits: self.limits,
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
            self.counters.observe_lag(now.since(*finished));
        }
        let position = self.reader.position();
        let mark = SpoolMark {
            segment: position.segment.0,
            offset: position.offset,
        };
        let committed = round.store.commit(self.counters.staged_rows(), mark)?;
        self.counters.commit();
        self.limits.record(&round.posted);
        if round.refresh {
            self.listener.accounts_changed();
        }
        self.listener.quota_signs(round.observations.into_vec());
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
    counters: &'a mut Counters,
    pricer: &'a mut EventPricer,
    limits: &'a mut LimitTracker,
    losses: &'a Losses,
}

/// A round that has begun.
struct Open<'s> {
    store: Ingest<'s>,
    /// When the new events were published, for their lag at the commit.
    finished: Vec<UnixNanos>,
    records: usize,
    observations: QuotaObservations,
    /// For the books of limits.
    posted: Vec<Posted>,
    /// CPA says that its accounts have changed.
    refresh: bool,
}

impl Open<'_> {
    fn write(&mut self, writes: &VecDeque<Write>) -> Result<(), StoreError> {
        writes.iter().try_for_each(|write| self.store.write(write))
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
    fn names(
        &mut self,
        counters: &mut Counters,
        pricer: &mut EventPricer,
        limits: &mut LimitTracker,
    ) {
        if self.store.has_new_names() {
            for name in self.store.take_new_names() {
                counters.name(name.dimension, name.id, &name.value, &name.label);
                pricer.name(&name);
                limits.name(&name, counters.text(name.dimension, name.id));
            }
        }
    }

    fn record(
        &mut self,
        payload: &[u8],
        received: UnixNanos,
        parts: &mut Counting<'_>,
    ) -> Result<(), StoreError> {
        let counters = &mut *parts.counters;
        self.records += 1;
        counters.received(payload.len());
        match parts.decoder.decode(payload) {
            Decoded::Event(event) => {
                let route = self.store.intern(&event);
                self.names(counters, parts.pricer, parts.limits);
                let money = parts.pricer.money(&event, &route);
                if self.store.event(&event, &route, &money)? {
                    counters.count(&Record {
                        event: &event,
                        route: &route,
                        money: Some(&money),
                        combos: &parts.limits.combos_of(&route),
                        received,
                    });
                    self.posted.push(posted(&event, &route, &money));
                    self.finished.push(event.finished());
                    self.observations.note(*event, &route);
                } else {
                    counters.duplicate();
                }
            }
            Decoded::Control(control) => {
                self.refresh |= control == Control::Refresh;
                counters.control(control);
            }
            Decoded::Reject(Reject {
                reason,
                detail,
                payload,
            }) => {
                parts.losses.note();
                counters.reject(reason);
                self.store.reject(received, reason, &detail, &payload)?;
            }
        }
        Ok(())
    }
}
