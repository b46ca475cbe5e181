//! Records of the past that came while the program runs: priced and entered into the books of limits
//! like all others, and counted by nobody.

use super::money::Till;
use super::tally::{Posted, Tally, posted};
use crate::history::Desk;
use crate::metrics::Ledger;
use crate::model::{Event, Money, Route};
use crate::store::NewName;

/// Serves one chunk of an import.
pub(super) struct Counter<'a> {
    pub(super) ledger: &'a mut Ledger,
    pub(super) till: &'a mut Till,
    pub(super) tally: &'a mut Tally,
    /// For the books, once the chunk is committed.
    pub(super) posted: Vec<Posted>,
}

impl Desk for Counter<'_> {
    fn names(&mut self, names: Vec<NewName>) {
        for name in names {
            self.ledger
                .name(name.dimension, name.id, &name.value, &name.label);
            self.till.name(&name);
            let label = self.ledger.text(name.dimension, name.id);
            self.tally.name(&name, label);
        }
    }

    fn money(&mut self, event: &Event<'_>, route: &Route) -> Money {
        self.till.money(event, route)
    }

    fn entered(&mut self, event: &Event<'_>, route: &Route, money: &Money) {
        self.posted.push(posted(event, route, money));
    }
}
