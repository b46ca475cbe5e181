//! The tables of all counters, and the series of theirs that are held at zero.

#![expect(
    clippy::indexing_slicing,
    reason = "a count without its place would be dropped; a restart replays the spool"
)]

use std::time::Duration;

use super::super::counted::LabelIds;
use super::super::counter::{Amount, Cells, StoredFamily};
use super::super::exposition::Seen;
use super::super::labels::LabelTexts;
use super::super::snapshot::ExemplarOf;
use super::super::table::{Birth, Key, Table};
use crate::model::{TotalRow, UnixNanos};

#[derive(Debug)]
pub(super) struct Tables {
    pub(super) texts: LabelTexts,
    list: Vec<Table>,
    held: Vec<Held>,
    /// Lines of all series in the exposition.
    lines: usize,
    max_lines: usize,
    dropped: Vec<u64>,
}

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

impl Tables {
    pub(super) fn new(
        families: &[&'static StoredFamily],
        texts: LabelTexts,
        max_lines: usize,
    ) -> Self {
        let mut this = Self {
            texts,
            list: families.iter().map(|family| Table::new(family)).collect(),
            held: Vec::new(),
            lines: 0,
            max_lines,
            dropped: vec![0; families.len()],
        };
        for table in 0..this.list.len() {
            if this.list[table].key().is_empty() {
                this.slot(table, Key::default(), false);
            }
        }
        this
    }

    pub(super) fn all(&self) -> &[Table] {
        &self.list
    }

    pub(super) fn all_mut(&mut self) -> &mut [Table] {
        &mut self.list
    }

    /// The slot of a table for an item with these labels.
    pub(super) fn slot_of(&mut self, table: usize, labels: &LabelIds) -> u32 {
        let mut key = Key::default();
        for (id, kind) in key.iter_mut().zip(self.list[table].key()) {
            *id = labels.get(*kind);
        }
        self.slot(table, key, false)
    }

    /// `shown`: a scrape has seen the series, so it needs no zero.
    fn slot(&mut self, table: usize, key: Key, shown: bool) -> u32 {
        let target = &mut self.list[table];
        if let Some(slot) = target.slot(&key) {
            return slot;
        }
        let lines = target.family.lines();
        let before = target.series_count();
        let may_add = self.lines + lines <= self.max_lines;
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

    #[inline]
    pub(super) fn add(
        &mut self,
        table: usize,
        slot: u32,
        amount: Amount<'_>,
        exemplar: Option<&ExemplarOf>,
    ) {
        let table = &mut self.list[table];
        match amount {
            Amount::Nothing => {}
            Amount::OneAt(cell) => table.add(slot, cell, 1),
            Amount::Each(numbers) => {
                for (cell, n) in numbers.iter().enumerate().filter(|(_, n)| **n > 0) {
                    table.add(slot, cell, *n);
                }
            }
            Amount::Of(n) => match table.family.cells {
                Cells::Time => table.raise(slot, n),
                Cells::Buckets(buckets) => {
                    let bucket = table.observe(buckets, slot, n);
                    if let Some(of) = exemplar {
                        table.set_exemplar(slot, bucket, of.value(n));
                    }
                }
                Cells::Summary => {
                    table.add(slot, 0, n);
                    table.add(slot, 1, 1);
                }
                Cells::One { .. } | Cells::Each { .. } if n == 0 => {}
                Cells::One { .. } | Cells::Each { .. } => table.add(slot, 0, n),
            },
        }
    }

    /// Takes over totals of an earlier run.
    pub(super) fn restore(&mut self, rows: &[TotalRow], now: UnixNanos) {
        // A series that has been seen stays seen when one that has not joins it under a new alias
        // or cap.
        let mut rows: Vec<&TotalRow> = rows.iter().collect();
        rows.sort_unstable_by_key(|row| (!row.shown, row.key, row.family));
        for row in rows {
            let Some(table) = self.table_of(row) else {
                // Written by a later version; it stays in the database.
                continue;
            };
            let slot = self.slot(table, row.key, row.shown);
            self.list[table].restore(slot, &row.cells, now);
        }
    }

    /// Whether a total has the cells of its family. A family of a later version is ignored.
    pub(super) fn fits(&self, row: &TotalRow) -> bool {
        self.table_of(row)
            .is_none_or(|table| self.list[table].width() == row.cells.len())
    }

    fn table_of(&self, row: &TotalRow) -> Option<usize> {
        let mut tables = self.list.iter();
        tables.position(|table| table.family.id == row.family)
    }

    pub(super) fn commit(&mut self) {
        self.list.iter_mut().for_each(Table::commit);
        self.held.retain(|held| !held.released);
    }

    pub(super) fn rollback(&mut self) {
        self.list.iter_mut().for_each(Table::rollback);
    }

    /// Begins the holds of series that a scrape has seen, and marks those whose hold is over for
    /// the next commit. Their value shows only once the database knows that their zero was seen:
    /// after a crash they would otherwise go back to zero.
    pub(super) fn end_holds(&mut self, seen: Seen, hold: Duration, now: UnixNanos) {
        let latest = now.saturating_add(hold);
        for held in self.held.iter_mut().filter(|held| !held.released) {
            if held.until.is_none() && held.born.is_some_and(|born| born <= seen.version) {
                held.until = Some(seen.at.saturating_add(hold));
            }
            // A clock that was set back must not hold a series for as long as it was wrong.
            held.until = held.until.map(|until| until.min(latest));
            if held.until.is_some_and(|until| until <= now) {
                held.released = true;
                self.list[held.table].release(held.series);
            }
        }
        self.list.iter_mut().for_each(Table::mark_released);
    }

    /// `version` is the first one that shows the new series.
    pub(super) fn published(&mut self, version: u64) {
        for held in self.held.iter_mut().filter(|held| held.born.is_none()) {
            held.born = Some(version);
        }
    }

    /// When the next hold ends.
    pub(super) fn next_release(&self) -> Option<UnixNanos> {
        let waiting = self.held.iter().filter(|held| !held.released);
        waiting.filter_map(|held| held.until).min()
    }

    pub(super) const fn lines(&self) -> usize {
        self.lines
    }

    /// Series beyond the cap, by family.
    pub(super) fn dropped(&self) -> Vec<(&'static str, u64)> {
        let tables = self.list.iter().zip(&self.dropped);
        tables
            .filter(|(table, _)| !table.key().is_empty())
            .map(|(table, dropped)| (table.family.family.name, *dropped))
            .collect()
    }
}
