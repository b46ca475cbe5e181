//! The working state behind the counters, owned by the ingest thread. No locks inside.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a count without its place would be dropped; a restart replays the spool"
)]

use std::sync::Arc;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt as _};

use super::exposition::Exposition;
use super::labels::LabelTexts;
use super::names::{AccountNames, NamedAccounts};
use super::restored::{RESTORED, at, label_ids};
use super::snapshot::{Exemplar, RequestId, Snapshot};
use super::table::{Birth, Key, Table};
use crate::model::{
    Control, DimId, Dimension, Event, RejectReason, Route, TokenQuality, TotalRow, UnixNanos,
};

mod combos;
mod config;
mod money;
mod routes;

pub use config::CountersConfig;
pub use money::{PlanFee, PriceFacts, PriceOfModel};

use money::MoneyState;
use routes::{Durations, RouteKey, RouteSlots};

/// Counts events into totals and publishes what is committed.
#[derive(Debug)]
pub struct Counters {
    config: CountersConfig,
    texts: LabelTexts,
    tables: Vec<Table>,
    routes: HashMap<RouteKey, RouteSlots>,
    money: MoneyState,
    held: Vec<Held>,
    lines: usize,
    dropped: Vec<u64>,
    version: u64,
    exposition: Exposition,
    accounts: NamedAccounts,
}

/// The database has a total with another number of cells than its family: going on from zero would
/// lose what was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a total has another number of cells than its family")]
pub struct WrongTotal;

/// A series at zero.
#[derive(Debug)]
struct Held {
    table: usize,
    series: u32,
    /// First version that shows it; known at its publication.
    born: Option<u64>,
    /// End of the hold, once a scrape has seen it.
    until: Option<UnixNanos>,
    /// Its release waits for a commit.
    released: bool,
}

impl Counters {
    pub fn new(config: CountersConfig, exposition: Exposition, names: AccountNames) -> Self {
        let mut this = Self {
            texts: LabelTexts::new(config.caps, config.aliases.clone()),
            tables: RESTORED.iter().map(Table::new).collect(),
            routes: HashMap::new(),
            money: MoneyState::default(),
            held: Vec::new(),
            lines: 0,
            dropped: vec![0; RESTORED.len()],
            version: 0,
            config,
            exposition,
            accounts: NamedAccounts::new(names),
        };
        for (table, def) in RESTORED.iter().enumerate() {
            if def.key.is_empty() {
                this.slot(table, Key::default());
            }
        }
        this
    }

    /// Registers the text of an interned value: its stored form and its name in labels.
    pub fn name(&mut self, dimension: Dimension, id: DimId, value: &str, label: &str) {
        self.texts.name(dimension, id, value, label);
        if dimension == Dimension::Account {
            self.accounts.name(value, label, id);
            self.note_fee(id, value, label);
        }
    }

    /// Takes over the totals of an earlier run. Call after the names, before anything is counted.
    /// Latest times are at most `now`. Nothing is taken over when a total does not fit its family.
    pub fn restore(&mut self, rows: &[TotalRow], now: UnixNanos) -> Result<(), WrongTotal> {
        if rows.iter().any(|row| !self.fits(row)) {
            return Err(WrongTotal);
        }
        self.texts.admit(label_ids(rows));
        // A series that has been seen stays seen when one that has not joins it under a new alias
        // or cap.
        let mut rows: Vec<&TotalRow> = rows.iter().collect();
        rows.sort_unstable_by_key(|row| (!row.shown, row.key, row.family));
        for row in rows {
            let Some(table) = RESTORED.iter().position(|def| def.id == row.family) else {
                // Written by a later version; it stays in the database.
                continue;
            };
            let slot = self.slot_with(table, row.key, row.shown);
            self.tables_at(table).restore(slot, &row.cells, now);
        }
        self.commit();
        Ok(())
    }

    /// Counts a new event. One from a clock that is ahead counts as one of the time when it was
    /// received, lest it hide for as long that no other one comes.
    pub fn count(&mut self, event: &Event<'_>, route: &Route, received: UnixNanos) {
        let mut slots = self.route_slots(route);
        let time = event.timestamp.min(received);
        self.raise(at::LAST_EVENT, 0, time);
        self.add_tokens(event, &slots);
        if !event.generate {
            self.add(at::PREWARM, 0, 0, 1);
            return;
        }
        self.add(at::REQUESTS, slots.requests, 0, 1);
        self.add(at::ENDPOINT, slots.endpoint, 0, 1);
        self.add(at::TIER, slots.tier, 0, 1);
        self.add(at::CLIENT_REQUESTS, slots.client_requests, 0, 1);
        if let Some(slot) = slots.last_request {
            self.raise(at::LAST_REQUEST, slot, time);
        }
        match &event.failure {
            Some(failure) => {
                let (code, reason) = (u32::from(failure.status), u32::from(failure.reason.code()));
                let Route {
                    provider,
                    model,
                    account,
                    client,
                    ..
                } = *route;
                let slot = self.slot(at::FAILURES, [provider.0, model.0, account.0, code, reason]);
                self.add(at::FAILURES, slot, 0, 1);
                let slot = self.slot(at::CLIENT_FAILURES, [client.0, model.0, reason, 0, 0]);
                self.add(at::CLIENT_FAILURES, slot, 0, 1);
            }
            None => self.observe_times(event, route, &mut slots),
        }
    }

    fn add_tokens(&mut self, event: &Event<'_>, slots: &RouteSlots) {
        for (kind, n) in event.tokens.by_kind().into_iter().enumerate() {
            if n > 0 {
                self.add(at::TOKENS, slots.tokens, kind, n);
                self.add(at::CLIENT_TOKENS, slots.client_tokens, kind, n);
            }
        }
        let quality = TokenQuality::ALL.iter().position(|q| *q == event.quality);
        let quality = quality.expect("ALL has every quality");
        self.add(at::QUALITY, slots.quality, quality, 1);
    }

    /// The times of a successful attempt.
    fn observe_times(&mut self, event: &Event<'_>, route: &Route, slots: &mut RouteSlots) {
        let key = [route.provider.0, route.model.0, 0, 0, 0];
        let before = *slots;
        let durations = *slots.durations.get_or_insert_with(|| Durations {
            model: self.slot(at::DURATION, key),
            account: self.slot(
                at::ACCOUNT_DURATION,
                [route.provider.0, route.account.0, 0, 0, 0],
            ),
        });
        self.observe(at::DURATION, durations.model, event.latency_ms, event);
        let account = durations.account;
        self.add(at::ACCOUNT_DURATION, account, 0, event.latency_ms);
        self.add(at::ACCOUNT_DURATION, account, 1, 1);
        if event.stream && event.ttft_ms > 0 {
            let slot = *slots
                .first_token
                .get_or_insert_with(|| self.slot(at::FIRST_TOKEN, key));
            self.observe(at::FIRST_TOKEN, slot, event.ttft_ms, event);
            let after_first = event.tokens.generated().saturating_sub(1);
            let micros = event
                .latency_ms
                .saturating_sub(event.ttft_ms)
                .saturating_mul(1000);
            if let Some(per_token) = micros.checked_div(after_first) {
                let slot = *slots
                    .output_token
                    .get_or_insert_with(|| self.slot(at::OUTPUT_TOKEN, key));
                self.observe(at::OUTPUT_TOKEN, slot, per_token, event);
            }
        }
        if before.durations.is_none()
            || before.first_token != slots.first_token
            || before.output_token != slots.output_token
        {
            self.routes.insert(RouteKey::new(route), *slots);
        }
    }

    fn observe(&mut self, table: usize, slot: u32, value: u64, event: &Event<'_>) {
        let bucket = self.tables_at(table).observe(slot, value);
        if self.config.exemplars
            && let Some(request_id) = RequestId::new(&event.request_id)
        {
            let exemplar = Exemplar {
                request_id,
                value,
                at: event.finished(),
            };
            self.tables_at(table).set_exemplar(slot, bucket, exemplar);
        }
    }

    /// A payload has come, whatever it is.
    pub fn received(&mut self, bytes: usize) {
        self.add(at::RECORDS, 0, 0, 1);
        self.add(at::BYTES, 0, 0, bytes as u64);
    }

    pub fn duplicate(&mut self) {
        self.add(at::DUPLICATES, 0, 0, 1);
    }

    pub fn reject(&mut self, reason: RejectReason) {
        self.add(at::REJECTS, 0, reason as usize, 1);
    }

    pub fn control(&mut self, control: Control) {
        self.add(at::CONTROL, 0, control as usize, 1);
    }

    /// Time from the end of a request to the commit that is about to happen.
    pub fn observe_lag(&mut self, lag: Duration) {
        let millis = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
        self.tables_at(at::LAG).observe(0, millis);
    }

    /// Whether the database should be told something.
    pub fn is_dirty(&self) -> bool {
        self.tables.iter().any(Table::is_dirty)
    }

    /// Every total that has changed since the last commit, with its new value.
    pub fn staged_rows(&self) -> impl Iterator<Item = TotalRow> {
        self.tables.iter().flat_map(Table::staged_rows)
    }

    /// The transaction with the staged rows stands.
    pub fn commit(&mut self) {
        self.tables.iter_mut().for_each(Table::commit);
        self.held.retain(|held| !held.released);
    }

    /// The transaction failed: as if nothing had been counted since the last commit.
    pub fn rollback(&mut self) {
        self.tables.iter_mut().for_each(Table::rollback);
    }

    /// Shows what is committed. False when nothing has changed since the last time.
    pub fn publish(&mut self, now: UnixNanos) -> bool {
        // Names alone can change what the caps keep off the page.
        let named = self.accounts.publish(&mut self.texts);
        self.end_holds(now);
        let mut changed = self.refresh_gauges() || named || self.version == 0;
        for table in &mut self.tables {
            changed |= table.refresh();
        }
        if !changed {
            return false;
        }
        self.version += 1;
        for held in self.held.iter_mut().filter(|held| held.born.is_none()) {
            held.born = Some(self.version);
        }
        let dropped = RESTORED.iter().zip(&self.dropped);
        let dropped = dropped.filter(|(def, _)| !def.key.is_empty());
        self.exposition.publish(Arc::new(Snapshot {
            version: self.version,
            families: self.tables.iter().map(Table::published).collect(),
            gauges: self.money.gauges(),
            series: self.lines as u64,
            overflows: self.texts.overflows(),
            dropped: dropped.map(|(def, n)| (def.family.name, *n)).collect(),
        }));
        true
    }

    /// When [`Self::publish`] should be called again though nothing is counted.
    pub fn next_deadline(&self) -> Option<UnixNanos> {
        self.held
            .iter()
            .filter(|held| !held.released)
            .filter_map(|held| held.until)
            .min()
    }

    /// Begins the holds of series that a scrape has seen, and marks those whose hold is over for
    /// the next commit. Their value shows only once the database knows that their zero was seen:
    /// after a crash they would otherwise go back to zero.
    fn end_holds(&mut self, now: UnixNanos) {
        let seen = self.exposition.seen();
        let latest = now.saturating_add(self.config.zero_hold);
        for held in self.held.iter_mut().filter(|held| !held.released) {
            if held.until.is_none() && held.born.is_some_and(|born| born <= seen.version) {
                held.until = Some(seen.at.saturating_add(self.config.zero_hold));
            }
            // A clock that was set back must not hold a series for as long as it was wrong.
            held.until = held.until.map(|until| until.min(latest));
            if held.until.is_some_and(|until| until <= now) {
                held.released = true;
                self.tables[held.table].release(held.series);
            }
        }
        self.tables.iter_mut().for_each(Table::mark_released);
    }

    /// Whether a total has the cells of its family; one of a later version is not looked at.
    fn fits(&self, row: &TotalRow) -> bool {
        let table = self.tables.iter().find(|table| table.def.id == row.family);
        table.is_none_or(|table| table.width() == row.cells.len())
    }

    fn slot(&mut self, table: usize, key: Key) -> u32 {
        self.slot_with(table, key, false)
    }

    fn slot_with(&mut self, table: usize, key: Key, shown: bool) -> u32 {
        if let Some(slot) = self.tables_at(table).slot(&key) {
            return slot;
        }
        let target = &mut self.tables[table];
        let lines = target.def.lines();
        let before = target.series_count();
        let may_add = self.lines + lines <= self.config.caps.series;
        let (slot, birth) = target.insert(key, shown, &mut self.texts, may_add);
        if target.series_count() > before {
            self.lines += lines;
        }
        match birth {
            Birth::Held(series) => self.held.push(Held {
                table,
                series,
                born: None,
                until: None,
                released: false,
            }),
            Birth::Dropped => self.dropped[table] += 1,
            Birth::Open => {}
        }
        slot
    }

    fn add(&mut self, table: usize, slot: u32, cell: usize, n: u64) {
        self.tables_at(table).add(slot, cell, n);
    }

    fn raise(&mut self, table: usize, slot: u32, to: UnixNanos) {
        let nanos = u64::try_from(to.get()).unwrap_or_default();
        self.tables_at(table).raise(slot, nanos);
    }

    fn tables_at(&mut self, table: usize) -> &mut Table {
        &mut self.tables[table]
    }
}
