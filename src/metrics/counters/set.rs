//! Counts items of one type: a loop over the declarations of their counters.

#![expect(
    clippy::indexing_slicing,
    reason = "positions come from the number of entries"
)]

use super::super::counted::LabelIds;
use super::super::counter::{Amount, Counter};
use super::super::snapshot::ExemplarOf;
use super::tables::Tables;

/// Entries of a cache: enough for the label values of a second, at 2 MiB for 25 counters.
const ENTRIES: usize = 1 << 14;

/// The counters of one type of item. `F` reads what an item adds to a counter.
#[derive(Debug)]
pub(super) struct CounterSet<F> {
    /// Number of the first counter's table; the others follow.
    first: usize,
    amounts: Vec<F>,
    slots: SlotCache,
}

impl<F: Copy> CounterSet<F> {
    /// `first` is the number of tables before, and becomes that of the tables so far.
    pub(super) fn new(counters: &'static [Counter<F>], first: &mut usize) -> Self {
        let set = Self {
            first: *first,
            amounts: counters.iter().map(|row| row.amount).collect(),
            slots: SlotCache::new(counters.len()),
        };
        *first += counters.len();
        set
    }

    /// Adds an item to all counters. `amount` applies a reader to it.
    #[inline]
    pub(super) fn count(
        &mut self,
        tables: &mut Tables,
        labels: &LabelIds,
        exemplar: Option<&ExemplarOf>,
        amount: impl Fn(F) -> Amount,
    ) {
        let slots = self.slots.of(labels);
        for ((table, reader), slot) in (self.first..).zip(&self.amounts).zip(slots) {
            let amount = amount(*reader);
            if amount == Amount::Nothing {
                continue;
            }
            if *slot == 0 {
                *slot = tables.slot_of(table, labels) + 1;
            }
            tables.add(table, *slot - 1, amount, exemplar);
        }
    }
}

/// The slots of recently counted labels. A collision replaces the older entry.
#[derive(Debug)]
struct SlotCache {
    labels: Vec<LabelIds>,
    /// `width` slots plus one of each entry; 0 = unknown.
    slots: Vec<u32>,
    width: usize,
}

impl SlotCache {
    /// The memory of unused entries is never touched, so it costs nothing.
    fn new(width: usize) -> Self {
        Self {
            labels: vec![LabelIds::default(); ENTRIES],
            slots: vec![0; ENTRIES * width],
            width,
        }
    }

    #[inline]
    fn of(&mut self, labels: &LabelIds) -> &mut [u32] {
        let at = labels.hash() as usize % ENTRIES;
        let slots = &mut self.slots[at * self.width..(at + 1) * self.width];
        if self.labels[at] != *labels {
            self.labels[at] = *labels;
            slots.fill(0);
        }
        slots
    }
}
