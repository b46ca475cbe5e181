//! State of one stored family: totals by internal ids, series by label values.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a slot or series that is not there would drop a count; a restart replays the spool"
)]

use std::ops::Range;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::counter::{Cells, StoredFamily};
use super::family::Buckets;
use super::labels::{LabelKind, LabelTexts, OTHER};
use super::snapshot::{CHUNK, Chunk, Entry, Exemplar};
use crate::model::{TOTAL_KEY_LEN, TotalRow, UnixNanos};

mod publication;

pub(super) type Key = [u32; TOTAL_KEY_LEN];

/// Totals with the open transaction, and series of the committed ones.
///
/// A *slot* is a total by internal ids, as in the database. A *series* is one set of label values:
/// usually one slot, or several that share the label value `other` or an alias.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) family: &'static StoredFamily,
    key: Vec<LabelKind>,
    width: usize,
    zeros: Arc<[u64]>,
    slots: HashMap<Key, u32>,
    keys: Vec<Key>,
    /// `width` numbers per slot: with the open transaction, and without.
    staged: Vec<u64>,
    committed: Vec<u64>,
    dirty: Vec<u32>,
    slot_state: Vec<SlotState>,
    by_labels: HashMap<Key, u32>,
    series: Vec<Series>,
    /// `width` numbers per series: sums over committed slots.
    values: Vec<u64>,
    exemplars: Vec<Option<Exemplar>>,
    /// Chunks of the last snapshot; the next one shares those without a change.
    chunks: Vec<Arc<Chunk>>,
    stale: Vec<bool>,
    entries: Arc<[Entry]>,
    grown: bool,
    /// The hold of a series has ended, and its slots are not marked yet.
    releasing: bool,
    /// A value has reached [`u64::MAX`], which is logged once.
    saturated: bool,
}

#[derive(Clone, Copy, Debug)]
struct SlotState {
    /// `None` beyond a cap.
    series: Option<u32>,
    dirty: bool,
    /// As in the database, or after the next commit.
    shown: bool,
}

#[derive(Debug)]
struct Series {
    labels: Arc<str>,
    exposure: Exposure,
}

/// Value that a series exposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exposure {
    /// Zero.
    Held,
    /// Zero until the next commit stores that a scraper has seen it.
    Releasing,
    /// The committed value.
    Open,
}

/// Series of a new slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Birth {
    /// A new series, held at zero.
    Held(u32),
    /// An existing series, or a new one that needs no zero.
    Open,
    /// None: beyond a cap.
    Dropped,
}

impl Table {
    pub(super) fn new(family: &'static StoredFamily) -> Self {
        Self {
            family,
            key: family.key(),
            width: family.width(),
            zeros: vec![0; family.width()].into(),
            slots: HashMap::new(),
            keys: Vec::new(),
            staged: Vec::new(),
            committed: Vec::new(),
            dirty: Vec::new(),
            slot_state: Vec::new(),
            by_labels: HashMap::new(),
            series: Vec::new(),
            values: Vec::new(),
            exemplars: Vec::new(),
            chunks: Vec::new(),
            stale: Vec::new(),
            entries: Arc::new([]),
            grown: false,
            releasing: false,
            saturated: false,
        }
    }

    /// Numbers per slot and per series.
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// Type of each part of a series' key.
    pub(super) fn key(&self) -> &[LabelKind] {
        &self.key
    }

    pub(super) fn slot(&self, key: &Key) -> Option<u32> {
        self.slots.get(key).copied()
    }

    /// Adds a slot for a key that has none. `may_add`: whether the cap allows one more series.
    pub(super) fn insert(
        &mut self,
        key: Key,
        shown: bool,
        texts: &mut LabelTexts,
        may_add: bool,
    ) -> (u32, Birth) {
        let slot = number(self.keys.len());
        self.slots.insert(key, slot);
        self.keys.push(key);
        self.staged.resize(self.staged.len() + self.width, 0);
        self.committed.resize(self.committed.len() + self.width, 0);
        let (series, birth) = self.series_for(key, shown, texts, may_add);
        let shown = match series {
            // A slot that joins a series shares its fate.
            Some(series) => self.series[series as usize].exposure != Exposure::Held,
            // Whoever raises the cap later sees what was seen before.
            None => shown,
        };
        self.slot_state.push(SlotState {
            series,
            dirty: false,
            shown,
        });
        self.touch(slot);
        (slot, birth)
    }

    fn series_for(
        &mut self,
        key: Key,
        shown: bool,
        texts: &mut LabelTexts,
        may_add: bool,
    ) -> (Option<u32>, Birth) {
        let mut labels = [0; TOTAL_KEY_LEN];
        for ((label, id), kind) in labels.iter_mut().zip(key).zip(&self.key) {
            *label = texts.shown(*kind, id);
        }
        let beyond = labels
            .iter()
            .take(self.key.len())
            .any(|label| *label == OTHER);
        if beyond && self.family.is_latest() {
            return (None, Birth::Dropped);
        }
        if let Some(series) = self.by_labels.get(&labels) {
            return (Some(*series), Birth::Open);
        }
        if !may_add {
            return (None, Birth::Dropped);
        }
        let held = self.family.zero_first() && !shown;
        let series = number(self.series.len());
        self.by_labels.insert(labels, series);
        self.series.push(Series {
            labels: self.label_text(labels, texts),
            exposure: if held { Exposure::Held } else { Exposure::Open },
        });
        self.values.resize(self.values.len() + self.width, 0);
        if let Some(buckets) = self.family.buckets() {
            let buckets = buckets.bounds.len() + 1;
            self.exemplars
                .resize_with(self.exemplars.len() + buckets, || None);
        }
        self.grown = true;
        mark_stale(&mut self.stale, series);
        let birth = if held {
            Birth::Held(series)
        } else {
            Birth::Open
        };
        (Some(series), birth)
    }

    /// `a="x",b="y"`, escaped.
    fn label_text(&self, labels: Key, texts: &LabelTexts) -> Arc<str> {
        let mut out = String::new();
        for ((name, kind), shown) in self.family.family.labels.iter().zip(&self.key).zip(labels) {
            super::encode::push_label(&mut out, name, texts.text(*kind, shown));
        }
        out.into()
    }

    #[inline]
    pub(super) fn add(&mut self, slot: u32, cell: usize, n: u64) {
        self.touch(slot);
        let value = &mut self.staged[slot as usize * self.width + cell];
        *value = value.checked_add(n).unwrap_or_else(|| {
            if !std::mem::replace(&mut self.saturated, true) {
                let metric = self.family.family.name;
                tracing::error!(metric, "a counter has reached its maximum and stays there");
            }
            u64::MAX
        });
    }

    /// Raises a latest time.
    pub(super) fn raise(&mut self, slot: u32, to: u64) {
        self.touch(slot);
        let value = &mut self.staged[slot as usize * self.width];
        *value = to.max(*value);
    }

    /// Counts an observation in raw units. Returns its bucket.
    pub(super) fn observe(&mut self, buckets: Buckets, slot: u32, value: u64) -> usize {
        let bucket = buckets.bounds.partition_point(|bound| *bound < value);
        self.add(slot, bucket, 1);
        self.add(slot, self.width - 1, value);
        bucket
    }

    pub(super) fn set_exemplar(&mut self, slot: u32, bucket: usize, exemplar: Exemplar) {
        // Beyond a cap nobody sees it.
        if let Some(series) = self.slot_state[slot as usize].series {
            let at = series as usize * (self.width - 1) + bucket;
            self.exemplars[at] = Some(exemplar);
        }
    }

    #[inline]
    fn touch(&mut self, slot: u32) {
        let state = &mut self.slot_state[slot as usize];
        if !state.dirty {
            state.dirty = true;
            self.dirty.push(slot);
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The changed slots with their absolute values, for the database.
    pub(super) fn staged_rows(&self) -> impl Iterator<Item = TotalRow> {
        self.dirty.iter().map(|slot| TotalRow {
            family: self.family.id,
            key: self.keys[*slot as usize],
            cells: self.staged[self.cells_of(*slot)].to_vec(),
            shown: self.slot_state[*slot as usize].shown,
        })
    }

    /// The transaction succeeded: staged numbers become public.
    pub(super) fn commit(&mut self) {
        for slot in std::mem::take(&mut self.dirty) {
            let state = &mut self.slot_state[slot as usize];
            state.dirty = false;
            let (series, shown) = (state.series, state.shown);
            let cells = self.cells_of(slot);
            let staged = &self.staged[cells.clone()];
            let committed = &mut self.committed[cells];
            if let Some(series) = series {
                let from = series as usize * self.width;
                let values = &mut self.values[from..from + self.width];
                for ((value, new), old) in values.iter_mut().zip(staged).zip(&*committed) {
                    *value = if self.family.is_latest() {
                        (*value).max(*new)
                    } else {
                        value.saturating_add(new.saturating_sub(*old))
                    };
                }
                // The zero has been seen, and that is on disk: now the value may be seen.
                if shown {
                    self.series[series as usize].exposure = Exposure::Open;
                }
                mark_stale(&mut self.stale, series);
            }
            committed.copy_from_slice(staged);
        }
    }

    /// The transaction failed: staged numbers return to the committed ones. Slots stay, and so does
    /// the mark that a zero has been seen.
    pub(super) fn rollback(&mut self) {
        for slot in &self.dirty {
            let cells = self.cells_of(*slot);
            self.staged[cells.clone()].copy_from_slice(&self.committed[cells]);
        }
    }

    /// Range of a slot's numbers.
    fn cells_of(&self, slot: u32) -> Range<usize> {
        let from = slot as usize * self.width;
        from..from + self.width
    }

    /// Sets a slot to a total of the database, which has the family's number of cells.
    pub(super) fn restore(&mut self, slot: u32, cells: &[u64], now: UnixNanos) {
        let range = self.cells_of(slot);
        let staged = &mut self.staged[range];
        staged.copy_from_slice(cells);
        if matches!(self.family.cells, Cells::Time) {
            // A clock before 1970 says nothing about times.
            let now = u64::try_from(now.get()).unwrap_or_default();
            for time in staged {
                *time = now.min(*time);
            }
        }
        self.touch(slot);
    }

    /// Ends the hold of a series with the next commit, which stores that first.
    pub(super) fn release(&mut self, series: u32) {
        self.series[series as usize].exposure = Exposure::Releasing;
        self.releasing = true;
    }

    /// Marks the slots of released series, all at once, because many are created together.
    pub(super) fn mark_released(&mut self) {
        if !std::mem::take(&mut self.releasing) {
            return;
        }
        for (slot, state) in (0..).zip(&mut self.slot_state) {
            let series = state.series.map(|series| &self.series[series as usize]);
            if !state.shown && series.is_some_and(|s| s.exposure == Exposure::Releasing) {
                state.shown = true;
                if !std::mem::replace(&mut state.dirty, true) {
                    self.dirty.push(slot);
                }
            }
        }
    }

    pub(super) fn series_count(&self) -> usize {
        self.series.len()
    }
}

fn mark_stale(stale: &mut Vec<bool>, series: u32) {
    let chunk = series as usize / CHUNK;
    if stale.len() <= chunk {
        stale.resize(chunk + 1, true);
    }
    stale[chunk] = true;
}

/// Number of the next slot or series after `known` ones.
fn number(known: usize) -> u32 {
    u32::try_from(known).expect("memory ends before four billion series")
}
