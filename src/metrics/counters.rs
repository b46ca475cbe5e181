//! The state behind the counters, owned by the ingest thread. Without locks.

use std::sync::Arc;
use std::time::Duration;

use super::catalogue::{
    gateway as gateway_families, ingest, money as money_families, stored_families, traffic,
};
use super::counted::{
    ComboAmount, Commit, CommitAmount, LabelIds, OfCombo, OfReference, Outcome, OutcomeAmount,
    Payload, PayloadAmount, Record, RecordAmount, RecordItem, ReferenceAmount,
};
use super::counter::{Counter, StoredFamily, label_ids};
use super::exposition::Exposition;
use super::gateway::{GatewayAmount, GatewayItem};
use super::labels::{LabelKind, LabelTexts, OTHER};
use super::names::{AccountNames, NamedAccounts};
use super::snapshot::{ExemplarOf, Snapshot};
use super::table::Table;
use crate::model::{Control, DimId, Dimension, RejectReason, TotalRow, UnixNanos};

mod config;
mod money;
mod set;
mod tables;

pub use config::CountersConfig;
pub use money::{PlanFee, PriceFacts, PriceOfModel};

use money::MoneyGauges;
use set::CounterSet;
use tables::Tables;

/// Counts records into totals and publishes what is committed.
#[derive(Debug)]
pub struct Counters {
    config: CountersConfig,
    families: Vec<&'static StoredFamily>,
    tables: Tables,
    of_records: CounterSet<RecordAmount>,
    of_payloads: CounterSet<PayloadAmount>,
    of_outcomes: CounterSet<OutcomeAmount>,
    of_commits: CounterSet<CommitAmount>,
    of_references: CounterSet<ReferenceAmount>,
    of_combos: CounterSet<ComboAmount>,
    of_gateway: CounterSet<GatewayAmount>,
    money: MoneyGauges,
    version: u64,
    exposition: Exposition,
    accounts: NamedAccounts,
}

/// The database has a total with another number of cells than its family: going on from zero would
/// lose what was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a total has another number of cells than its family")]
pub struct WrongTotal;

impl Counters {
    pub fn new(config: CountersConfig, exposition: Exposition, names: AccountNames) -> Self {
        let families = stored_families();
        let texts = LabelTexts::new(config.caps, config.aliases.clone());
        let mut at = 0;
        // In the order of `stored_families`.
        let traffic = following(&mut at, traffic::COUNTERS);
        let payloads = following(&mut at, ingest::OF_PAYLOADS);
        let outcomes = following(&mut at, ingest::OF_OUTCOMES);
        let commits = following(&mut at, ingest::OF_COMMITS);
        let latest = following(&mut at, ingest::OF_RECORDS);
        let money = following(&mut at, money_families::COUNTERS);
        let references = following(&mut at, money_families::OF_REFERENCES);
        let combos = following(&mut at, money_families::OF_COMBOS);
        let gateway = following(&mut at, gateway_families::COUNTERS);
        Self {
            tables: Tables::new(&families, texts, config.caps.series),
            families,
            of_records: CounterSet::new(&[traffic, latest, money]),
            of_payloads: CounterSet::new(&[payloads]),
            of_outcomes: CounterSet::new(&[outcomes]),
            of_commits: CounterSet::new(&[commits]),
            of_references: CounterSet::new(&[references]),
            of_combos: CounterSet::new(&[combos]),
            of_gateway: CounterSet::new(&[gateway]),
            money: MoneyGauges::default(),
            version: 0,
            config,
            exposition,
            accounts: NamedAccounts::new(names),
        }
    }

    /// Registers the text of an interned value: its stored form and its name in labels.
    pub fn name(&mut self, dimension: Dimension, id: DimId, value: &str, label: &str) {
        self.tables.texts.name(dimension, id, value, label);
        if dimension == Dimension::Account {
            self.accounts.name(value, label, id);
            self.note_fee(id, value, label);
        }
    }

    /// Takes over the totals of an earlier run. Call after the names, before anything is counted.
    /// Latest times are at most `now`. Nothing is taken over when a total does not fit its family.
    pub fn restore(&mut self, rows: &[TotalRow], now: UnixNanos) -> Result<(), WrongTotal> {
        if rows.iter().any(|row| !self.tables.fits(row)) {
            return Err(WrongTotal);
        }
        self.tables.texts.admit(label_ids(&self.families, rows));
        self.tables.restore(rows, now);
        self.commit();
        Ok(())
    }

    /// Counts a new record.
    pub fn count(&mut self, record: &Record<'_>) {
        let item = RecordItem::from(record);
        let (event, labels) = (item.event, item.labels());
        let exemplar = ExemplarOf::new(&event.request_id, event.finished());
        let exemplar = exemplar.filter(|_| self.config.exemplars);
        let (tables, exemplar) = (&mut self.tables, exemplar.as_ref());
        self.of_records.count(tables, &labels, &item, exemplar);
        for (reference, nanos) in record.money.iter().flat_map(|money| &money.references) {
            let item = OfReference {
                reference: *reference,
                provider: record.route.provider,
                nanos: *nanos,
            };
            self.of_references
                .count(tables, &item.labels(), &item, None);
        }
        for combo in record.combos {
            let item = OfCombo {
                combo: *combo,
                record: &item,
            };
            self.of_combos.count(tables, &item.labels(), &item, None);
        }
        self.count_outcome(&Outcome::Event(&item));
    }

    /// Counts a row of a gateway's log, or shows a route of it at 0.
    pub fn gateway(&mut self, item: &GatewayItem) {
        let tables = &mut self.tables;
        self.of_gateway.count(tables, &item.labels(), item, None);
    }

    /// Counts a payload of any kind.
    pub fn received(&mut self, bytes: usize) {
        let payload = Payload {
            bytes: bytes as u64,
        };
        let labels = LabelIds::default();
        self.of_payloads
            .count(&mut self.tables, &labels, &payload, None);
    }

    pub fn duplicate(&mut self) {
        self.count_outcome(&Outcome::Duplicate);
    }

    pub fn reject(&mut self, reason: RejectReason) {
        self.count_outcome(&Outcome::Reject(reason));
    }

    pub fn control(&mut self, control: Control) {
        self.count_outcome(&Outcome::Control(control));
    }

    fn count_outcome(&mut self, outcome: &Outcome<'_>) {
        let labels = LabelIds::default();
        self.of_outcomes
            .count(&mut self.tables, &labels, outcome, None);
    }

    /// Time from the end of a request to the commit that is about to happen.
    pub fn observe_lag(&mut self, lag: Duration) {
        let (labels, commit) = (LabelIds::default(), Commit { lag });
        self.of_commits
            .count(&mut self.tables, &labels, &commit, None);
    }

    /// Label value of an interned value, including its alias, without regard to the caps.
    pub fn text(&self, dimension: Dimension, id: DimId) -> Option<&str> {
        LabelKind::of(dimension).map(|kind| self.tables.texts.text(kind, id.0))
    }

    /// Label value of an interned value in gauges; `None` beyond the label's cap.
    pub fn label(&mut self, dimension: Dimension, id: DimId) -> Option<&str> {
        let kind = LabelKind::of(dimension)?;
        let shown = self.tables.texts.shown(kind, id.0);
        (shown != OTHER).then(|| self.tables.texts.text(kind, shown))
    }

    /// Whether there are totals to store.
    pub fn is_dirty(&self) -> bool {
        self.tables.all().iter().any(Table::is_dirty)
    }

    /// Every total that has changed since the last commit, with its new value.
    pub fn staged_rows(&self) -> impl Iterator<Item = TotalRow> {
        self.tables.all().iter().flat_map(Table::staged_rows)
    }

    /// The transaction with the staged rows stands.
    pub fn commit(&mut self) {
        self.tables.commit();
    }

    /// The transaction failed: as if nothing had been counted since the last commit.
    pub fn rollback(&mut self) {
        self.tables.rollback();
    }

    /// Shows what is committed. False when nothing has changed since the last time.
    pub fn publish(&mut self, now: UnixNanos) -> bool {
        // Names alone can change what the caps keep off the page.
        let named = self.accounts.publish(&mut self.tables.texts);
        let seen = self.exposition.seen();
        self.tables.end_holds(seen, self.config.zero_hold, now);
        let mut changed = self.refresh_gauges() || named || self.version == 0;
        for table in self.tables.all_mut() {
            changed |= table.refresh();
        }
        if !changed {
            return false;
        }
        self.version += 1;
        self.tables.published(self.version);
        self.exposition.publish(Arc::new(Snapshot {
            version: self.version,
            families: self.tables.all().iter().map(Table::published).collect(),
            gauges: self.money.gauges(),
            series: self.tables.lines() as u64,
            overflows: self.tables.texts.overflows(),
            dropped: self.tables.dropped(),
        }));
        true
    }

    /// When [`Self::publish`] should be called again though nothing is counted.
    pub fn next_deadline(&self) -> Option<UnixNanos> {
        self.tables.next_release()
    }
}

/// Counters with the number of their first table; moves `at` behind their last one.
fn following<F>(at: &mut usize, counters: &'static [Counter<F>]) -> (usize, &'static [Counter<F>]) {
    let first = *at;
    *at += counters.len();
    (first, counters)
}
