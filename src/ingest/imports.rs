//! Records of the past: they are priced and added to limits like all others, and no counter counts
//! them.

use super::limits::{LimitTracker, Posted, posted};
use super::money::EventPricer;
use crate::decode::Decoder;
use crate::metrics::Counters;
use crate::model::{Event, Money, Route, UnixNanos};
use crate::store::{NewName, Store, StoreError};

/// Prices imported events and receives the stored ones.
pub trait ImportSink {
    /// New values of dimensions, before the event that has them.
    fn names(&mut self, names: Vec<NewName>);

    fn money(&mut self, event: &Event<'_>, route: &Route) -> Money;

    /// A new event. It counts once its chunk is committed.
    fn entered(&mut self, event: &Event<'_>, route: &Route, money: &Money);
}

/// Records that wait for their import. The ingest thread calls it between two rounds.
pub trait ImportQueue: Send {
    /// Whether an import is under way, or a look for one is due.
    fn wants_a_step(&self) -> bool;

    /// Imports the next chunk, if there is one. True when there may be more. After an error the
    /// records still wait, and nothing of the chunk is stored.
    fn step(
        &mut self,
        store: &mut Store,
        decoder: &Decoder,
        sink: &mut dyn ImportSink,
        now: UnixNanos,
    ) -> Result<bool, StoreError>;
}

/// Serves one chunk of an import.
pub(super) struct Counter<'a> {
    pub(super) counters: &'a mut Counters,
    pub(super) pricer: &'a mut EventPricer,
    pub(super) limits: &'a mut LimitTracker,
    /// For the books, once the chunk is committed.
    pub(super) posted: Vec<Posted>,
}

impl ImportSink for Counter<'_> {
    fn names(&mut self, names: Vec<NewName>) {
        for name in names {
            self.counters
                .name(name.dimension, name.id, &name.value, &name.label);
            self.pricer.name(&name);
            let label = self.counters.text(name.dimension, name.id);
            self.limits.name(&name, label);
        }
    }

    fn money(&mut self, event: &Event<'_>, route: &Route) -> Money {
        self.pricer.money(event, route)
    }

    fn entered(&mut self, event: &Event<'_>, route: &Route, money: &Money) {
        self.posted.push(posted(event, route, money));
    }
}
