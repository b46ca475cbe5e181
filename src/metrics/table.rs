//! One restored family at work: totals by internal ids, series by label values.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::labels::{LabelTexts, OTHER};
use super::restored::{Cells, Restored};
use super::snapshot::{CHUNK, Chunk, Entry, Exemplar};
use crate::model::{TOTAL_KEY_LEN, TotalRow, UnixNanos};

mod publication;

pub(super) type Key = [u32; TOTAL_KEY_LEN];

/// A slot whose series is not exposed.
const DROPPED: u32 = u32::MAX;

/// Totals that are staged while a transaction is open, and the series made of committed ones.
///
/// A *slot* is a total by internal ids, as the database keeps it. A *series* is what a page shows:
/// mostly one slot, or several that share the label value `other`.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) def: &'static Restored,
    width: usize,
    zeros: Arc<[u64]>,
    slots: HashMap<Key, u32>,
    keys: Vec<Key>,
    /// `width` numbers a slot: with the open transaction, and without.
    staged: Vec<u64>,
    committed: Vec<u64>,
    dirty: Vec<u32>,
    slot_state: Vec<SlotState>,
    by_labels: HashMap<Key, u32>,
    series: Vec<Series>,
    /// `width` numbers a series: sums over committed slots.
    values: Vec<u64>,
    exemplars: Vec<Option<Exemplar>>,
    /// What was published last; chunks without a change are shared with the next snapshot.
    chunks: Vec<Arc<Chunk>>,
    stale: Vec<bool>,
    entries: Arc<[Entry]>,
    grown: bool,
    /// Some series' hold is over and its slots do not know yet.
    releasing: bool,
}

#[derive(Clone, Copy, Debug)]
struct SlotState {
    series: u32,
    dirty: bool,
    /// As the database has it, or will have it after the next commit.
    shown: bool,
}

#[derive(Debug)]
struct Series {
    labels: Arc<str>,
    exposure: Exposure,
}

/// How far a series has come on its way from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exposure {
    /// Exposed at zero for the time being.
    Held,
    /// Still at zero, until the database knows that the zero was seen.
    Releasing,
    /// Exposed with its value.
    Open,
}

/// What became of a new slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Birth {
    /// It has a series of its own, which is held at zero.
    Held(u32),
    /// Shown with its value at once: part of a known series, or nothing that needs a zero.
    Open,
    /// Beyond a cap.
    Dropped,
}

impl Table {
    pub(super) fn new(def: &'static Restored) -> Self {
        Self {
            def,
            width: def.width(),
            zeros: vec![0; def.width()].into(),
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
        }
    }

    pub(super) fn slot(&self, key: &Key) -> Option<u32> {
        self.slots.get(key).copied()
    }

    /// Adds a slot for a key that has none. `may_add` tells whether one more series is allowed.
    pub(super) fn insert(
        &mut self,
        key: Key,
        shown: bool,
        texts: &mut LabelTexts,
        may_add: bool,
    ) -> (u32, Birth) {
        let slot = u32::try_from(self.keys.len()).unwrap_or(DROPPED);
        self.slots.insert(key, slot);
        self.keys.push(key);
        self.staged.resize(self.staged.len() + self.width, 0);
        self.committed.resize(self.committed.len() + self.width, 0);
        let (series, birth) = self.series_for(key, shown, texts, may_add);
        let shown = match self.series.get(series as usize) {
            // A slot that joins a series shares its fate.
            Some(series) => series.exposure != Exposure::Held,
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
    ) -> (u32, Birth) {
        let mut labels = [0; TOTAL_KEY_LEN];
        for ((label, id), kind) in labels.iter_mut().zip(key).zip(self.def.key) {
            *label = texts.shown(*kind, id);
        }
        let beyond = labels
            .iter()
            .take(self.def.key.len())
            .any(|label| *label == OTHER);
        if beyond && self.def.is_latest() {
            return (DROPPED, Birth::Dropped);
        }
        if let Some(series) = self.by_labels.get(&labels) {
            return (*series, Birth::Open);
        }
        if !may_add {
            return (DROPPED, Birth::Dropped);
        }
        let held = self.def.zero_first && !shown;
        let series = u32::try_from(self.series.len()).unwrap_or(DROPPED);
        self.by_labels.insert(labels, series);
        self.series.push(Series {
            labels: self.label_text(labels, texts),
            exposure: if held { Exposure::Held } else { Exposure::Open },
        });
        self.values.resize(self.values.len() + self.width, 0);
        if let Cells::Buckets(buckets) = self.def.cells {
            let buckets = buckets.bounds.len() + 1;
            self.exemplars
                .resize_with(self.exemplars.len() + buckets, || None);
        }
        self.grown = true;
        mark_stale(&mut self.stale, series);
        (
            series,
            if held {
                Birth::Held(series)
            } else {
                Birth::Open
            },
        )
    }

    /// `a="x",b="y"`, escaped.
    fn label_text(&self, labels: Key, texts: &LabelTexts) -> Arc<str> {
        let mut out = String::new();
        for ((name, kind), shown) in self.def.family.labels.iter().zip(self.def.key).zip(labels) {
            super::encode::push_label(&mut out, name, texts.text(*kind, shown));
        }
        out.into()
    }

    #[inline]
    pub(super) fn add(&mut self, slot: u32, cell: usize, n: u64) {
        self.touch(slot);
        if let Some(value) = self.staged.get_mut(slot as usize * self.width + cell) {
            *value = value.wrapping_add(n);
        }
    }

    /// For families that show the latest value.
    pub(super) fn raise(&mut self, slot: u32, to: u64) {
        self.touch(slot);
        if let Some(value) = self.staged.get_mut(slot as usize * self.width) {
            *value = to.max(*value);
        }
    }

    /// Counts an observation in raw units. Returns its bucket.
    pub(super) fn observe(&mut self, slot: u32, value: u64) -> usize {
        let Cells::Buckets(buckets) = self.def.cells else {
            return 0;
        };
        let bucket = buckets.bounds.partition_point(|bound| *bound < value);
        self.add(slot, bucket, 1);
        self.add(slot, self.width - 1, value);
        bucket
    }

    pub(super) fn set_exemplar(&mut self, slot: u32, bucket: usize, exemplar: Exemplar) {
        let Some(state) = self.slot_state.get(slot as usize) else {
            return;
        };
        let at = state.series as usize * (self.width - 1) + bucket;
        if let Some(place) = self.exemplars.get_mut(at) {
            *place = Some(exemplar);
        }
    }

    #[inline]
    fn touch(&mut self, slot: u32) {
        if let Some(state) = self.slot_state.get_mut(slot as usize)
            && !state.dirty
        {
            state.dirty = true;
            self.dirty.push(slot);
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The dirty slots with their absolute values, as the database shall have them.
    pub(super) fn staged_rows(&self) -> impl Iterator<Item = TotalRow> {
        self.dirty.iter().filter_map(|slot| {
            let at = *slot as usize;
            Some(TotalRow {
                family: self.def.id,
                key: *self.keys.get(at)?,
                cells: self
                    .staged
                    .get(at * self.width..(at + 1) * self.width)?
                    .to_vec(),
                shown: self.slot_state.get(at)?.shown,
            })
        })
    }

    /// The transaction stands: what was staged becomes public.
    pub(super) fn commit(&mut self) {
        for slot in std::mem::take(&mut self.dirty) {
            let at = slot as usize;
            let Some(state) = self.slot_state.get_mut(at) else {
                continue;
            };
            state.dirty = false;
            let (series, shown) = (state.series, state.shown);
            let cells = at * self.width..(at + 1) * self.width;
            let (Some(staged), Some(committed)) = (
                self.staged.get(cells.clone()),
                self.committed.get_mut(cells),
            ) else {
                continue;
            };
            let from = series as usize * self.width;
            if let Some(values) = self.values.get_mut(from..from + self.width) {
                for ((value, new), old) in values.iter_mut().zip(staged).zip(&*committed) {
                    *value = if self.def.is_latest() {
                        (*value).max(*new)
                    } else {
                        value.wrapping_add(new.wrapping_sub(*old))
                    };
                }
                // The zero has been seen, and that is on disk: now the value may be seen.
                if shown && let Some(series) = self.series.get_mut(series as usize) {
                    series.exposure = Exposure::Open;
                }
                mark_stale(&mut self.stale, series);
            }
            committed.copy_from_slice(staged);
        }
    }

    /// The transaction failed: as if nothing had been counted. Slots and their zeros stay, and
    /// so does the news that a zero has been seen.
    pub(super) fn rollback(&mut self) {
        for slot in &self.dirty {
            let cells = *slot as usize * self.width..(*slot as usize + 1) * self.width;
            if let (Some(staged), Some(committed)) = (
                self.staged.get_mut(cells.clone()),
                self.committed.get(cells),
            ) {
                staged.copy_from_slice(committed);
            }
        }
    }

    /// Takes over a total from the database.
    pub(super) fn restore(&mut self, slot: u32, cells: &[u64], now: UnixNanos) {
        let at = slot as usize * self.width;
        // Other buckets than ours mean other numbers: from zero, which Prometheus understands.
        // A release that changes a family's cells gives it another id, so this is a safeguard.
        if let Some(staged) = self.staged.get_mut(at..at + self.width)
            && staged.len() == cells.len()
        {
            staged.copy_from_slice(cells);
            if matches!(self.def.cells, Cells::Time) {
                let now = u64::try_from(now.get()).unwrap_or_default();
                for time in staged {
                    *time = now.min(*time);
                }
            }
        }
        self.touch(slot);
    }

    /// Lets a held series go at the next commit, which makes that durable first.
    pub(super) fn release(&mut self, series: u32) {
        if let Some(series) = self.series.get_mut(series as usize) {
            series.exposure = Exposure::Releasing;
            self.releasing = true;
        }
    }

    /// Marks the slots of released series: once for all of them, since many are born together.
    pub(super) fn mark_released(&mut self) {
        if !std::mem::take(&mut self.releasing) {
            return;
        }
        for (slot, state) in (0..).zip(&mut self.slot_state) {
            let series = self.series.get(state.series as usize);
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
    if let Some(stale) = stale.get_mut(chunk) {
        *stale = true;
    }
}
