//! The stage between decoding and commit: price, counters, limits and quota observations of each
//! event. Live records, imports and repricing share it, so that they cannot disagree.

use super::Listener;
use super::WakeUp;
use super::limits::{LimitParts, LimitTracker};
use super::money::{EventPricer, MoneyParts};
use super::observations::QuotaObservations;
use super::usage_entry::{UsageEntry, usage_entry};
use super::window_usage::WindowTracker;
use crate::metrics::{Counters, GatewayItem, Record, WrongTotal};
use crate::model::{DimId, Dimension, Event, Money, Route, UnixNanos};
use crate::pricing::Pricer;
use crate::store::{Committed, Ingest, NewName, PricedEvent, SpoolMark, Store, StoreError};

/// Dependencies of the stage.
#[derive(Debug)]
pub struct AccountingParts {
    pub counters: Counters,
    pub money: MoneyParts,
    pub limits: LimitParts,
}

/// The stage. Its changes within a transaction take effect at [`commit`](Self::commit).
pub struct Accounting {
    pub(super) counters: Counters,
    pricer: EventPricer,
    limits: LimitTracker,
    pub(super) windows: WindowTracker,
    pending: Pending,
}

/// Results of the open transaction.
#[derive(Debug, Default)]
struct Pending {
    usage: Vec<UsageEntry>,
    /// Times at which the events were published, for their lag at the commit.
    finished: Vec<UnixNanos>,
    observations: QuotaObservations,
    accounts_changed: bool,
}

impl Accounting {
    pub(super) fn new(parts: AccountingParts, now: UnixNanos, wake_up: WakeUp) -> Self {
        Self {
            counters: parts.counters,
            pricer: EventPricer::new(parts.money),
            windows: WindowTracker::new(parts.limits.windows.clone(), wake_up.clone()),
            limits: LimitTracker::new(parts.limits, now, wake_up),
            pending: Pending::default(),
        }
    }

    /// The stage without a thread, for a command that has the database for itself.
    pub fn offline(parts: AccountingParts, store: &mut Store, now: UnixNanos) -> Self {
        let mut this = Self::new(parts, now, WakeUp::default());
        this.register(store.take_new_names());
        this
    }

    /// Takes over the state of the database.
    pub(super) fn restore(&mut self, store: &mut Store, now: UnixNanos) -> Result<(), StoreError> {
        self.register(store.take_new_names());
        self.counters
            .restore(&store.load_totals()?, now)
            .map_err(|WrongTotal| StoreError::Content("cells of a total"))?;
        self.counters.set_corrections(store.corrections()?);
        self.limits.fill(store, now)
    }

    /// Takes over a new price list. Call before a transaction.
    pub(super) fn refresh(&mut self, store: &mut Store, now: UnixNanos) -> Result<(), StoreError> {
        self.pricer.refresh(store, now)
    }

    /// Interns the names that the configuration gives.
    pub(super) fn begin(&mut self, store: &mut Ingest<'_>) {
        self.pricer.begin(store);
        self.limits.begin(store);
        self.register_new(store);
    }

    /// Stores and counts a live event, unless it is a duplicate.
    pub(super) fn live(
        &mut self,
        store: &mut Ingest<'_>,
        event: Event<'_>,
        received: UnixNanos,
    ) -> Result<(), StoreError> {
        let (route, money) = self.price(store, &event);
        if !store.event(&event, &route, &money)? {
            self.counters.duplicate();
            return Ok(());
        }
        self.counters.count(&Record {
            event: &event,
            route: &route,
            money: Some(&money),
            combos: &self.limits.combos_of(&route),
            received,
        });
        self.pending.usage.push(usage_entry(&event, &route, &money));
        self.pending.finished.push(event.finished());
        self.pending.observations.note(event, &route);
        Ok(())
    }

    /// Stores an event as history, which no counter counts. False for a duplicate.
    pub(super) fn imported(
        &mut self,
        store: &mut Ingest<'_>,
        event: &Event<'_>,
    ) -> Result<bool, StoreError> {
        let (route, money) = self.price(store, event);
        let is_new = store.imported_event(event, &route, &money)?;
        if is_new {
            self.pending.usage.push(usage_entry(event, &route, &money));
        }
        Ok(is_new)
    }

    /// Counts an item of a gateway, whose names `store` has interned.
    pub(super) fn gateway(&mut self, store: &mut Ingest<'_>, item: &GatewayItem) {
        self.register_new(store);
        self.counters.gateway(item);
    }

    pub(super) fn accounts_changed(&mut self) {
        self.pending.accounts_changed = true;
    }

    /// Commits the transaction with the totals, then records its events in the limits.
    pub(super) fn commit(
        &mut self,
        store: Ingest<'_>,
        mark: SpoolMark,
        now: UnixNanos,
    ) -> Result<Committed, StoreError> {
        for finished in self.pending.finished.drain(..) {
            self.counters.observe_lag(now.since(finished));
        }
        let committed = store.commit(self.counters.staged_rows(), mark)?;
        self.counters.commit();
        self.record_usage();
        Ok(committed)
    }

    /// Commits a transaction of imported events, which changes no total.
    pub(super) fn commit_import(
        &mut self,
        store: Ingest<'_>,
        mark: SpoolMark,
    ) -> Result<(), StoreError> {
        store.commit(std::iter::empty(), mark)?;
        self.record_usage();
        Ok(())
    }

    fn record_usage(&mut self) {
        self.limits.record(&self.pending.usage);
        self.windows.record(&self.pending.usage);
        self.pending.usage.clear();
    }

    /// Passes the observations of committed events on.
    pub(super) fn notify(&mut self, listener: &dyn Listener) {
        if std::mem::take(&mut self.pending.accounts_changed) {
            listener.accounts_changed();
        }
        let observations = std::mem::take(&mut self.pending.observations);
        listener.quota_signs(observations.into_vec());
    }

    /// Discards the changes of a transaction that failed.
    pub(super) fn rollback(&mut self) {
        self.counters.rollback();
        self.pending = Pending::default();
    }

    /// List value and cost of a stored event by another price list, in nano-dollars.
    pub(super) fn reprice(
        &self,
        pricer: &mut Pricer,
        event: &PricedEvent,
    ) -> (Option<i64>, Option<i64>) {
        self.pricer.reprice(pricer, event)
    }

    /// The stored form of a provider, a model or a service tier.
    pub(super) fn text(&self, dimension: Dimension, id: DimId) -> &str {
        self.pricer.text(dimension, id)
    }

    pub(super) fn model(&self, name: &str) -> Option<DimId> {
        self.pricer.model(name)
    }

    /// The amounts of stored events have changed.
    pub(super) fn amounts_changed(&mut self, store: &Store) -> Result<(), StoreError> {
        self.limits.amounts_changed();
        self.windows.amounts_changed();
        self.counters.set_corrections(store.corrections()?);
        Ok(())
    }

    /// Applies other rules of limits and other quota windows, and takes over usage that is complete.
    pub(super) fn update_limits(&mut self, store: &Store, now: UnixNanos) {
        self.limits.update(store, now);
        self.windows.update(store);
    }

    pub(super) fn publish_limits(&mut self, listener: &dyn Listener, now: UnixNanos) {
        self.limits.publish(&mut self.counters, listener, now);
        self.windows.publish(listener);
    }

    /// Publishes the counters. Returns false if nothing has changed.
    pub(super) fn publish(&mut self, now: UnixNanos) -> bool {
        if let Some(facts) = self.pricer.facts(now) {
            self.counters.set_prices(facts);
        }
        self.counters.publish(now)
    }

    /// Interns the texts of an event and computes its price.
    fn price(&mut self, store: &mut Ingest<'_>, event: &Event<'_>) -> (Route, Money) {
        let route = store.intern(event);
        self.register_new(store);
        let money = self.pricer.money(event, &route);
        (route, money)
    }

    fn register_new(&mut self, store: &mut Ingest<'_>) {
        if store.has_new_names() {
            self.register(store.take_new_names());
        }
    }

    fn register(&mut self, names: Vec<NewName>) {
        for name in names {
            self.counters
                .name(name.dimension, name.id, &name.value, &name.label);
            self.pricer.name(&name);
            let label = self.counters.text(name.dimension, name.id);
            self.limits.name(&name, label);
            self.windows.name(&name);
        }
    }
}

impl std::fmt::Debug for Accounting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounting")
            .field("pricer", &self.pricer)
            .finish_non_exhaustive()
    }
}
