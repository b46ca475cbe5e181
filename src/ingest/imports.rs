//! Records of the past that came while the program runs: priced and entered into the books of limits
//! like all others, and counted by nobody.

use super::limits::{LimitTracker, Posted, posted};
use super::money::EventPricer;
use crate::history::ImportSink;
use crate::metrics::Counters;
use crate::model::{Event, Money, Route};
use crate::store::NewName;

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
