//! Counts items of one type: a loop over the declarations of their counters.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a count without its place would be dropped; a restart replays the spool"
)]

use foldhash::{HashMap, HashMapExt as _};

use super::super::counted::LabelIds;
use super::super::counter::{Amount, Counter};
use super::super::snapshot::ExemplarOf;
use super::tables::Tables;

/// Maximum number of label sets whose slots are cached; hostile variety must not fill memory.
const MAX_CACHED: usize = 16_384;

/// The counters of one type of item. `F` reads what an item adds to a counter.
#[derive(Debug)]
pub(super) struct CounterSet<F> {
    /// Number of each counter's table, and its reader.
    counters: Vec<(usize, F)>,
    /// Cached label sets, by their number.
    cached: HashMap<LabelIds, u32>,
    /// Of each cached label set, the slot plus one in each table; 0 = unknown.
    slots: Vec<u32>,
    /// The label set that was counted last.
    last: (LabelIds, u32),
}

impl<F: Copy> CounterSet<F> {
    /// Each part has the number of its first table.
    pub(super) fn new(parts: &[(usize, &'static [Counter<F>])]) -> Self {
        let counters = parts.iter().flat_map(|(first, counters)| {
            let readers = counters.iter().map(|counter| counter.amount);
            (*first..).zip(readers)
        });
        let mut this = Self {
            counters: counters.collect(),
            cached: HashMap::new(),
            slots: Vec::new(),
            last: (LabelIds::default(), 0),
        };
        this.cache(&LabelIds::default());
        this
    }

    /// Adds an item to all counters.
    #[inline]
    pub(super) fn count<T>(
        &mut self,
        tables: &mut Tables,
        labels: &LabelIds,
        item: &T,
        exemplar: Option<&ExemplarOf>,
    ) where
        F: for<'a> Fn(&'a T) -> Amount<'a>,
    {
        if self.last.0 != *labels {
            let entry = self.cached.get(labels).copied();
            self.last = (*labels, entry.unwrap_or_else(|| self.cache(labels)));
        }
        let entry = self.last.1;
        let width = self.counters.len();
        let slots = &mut self.slots[entry as usize * width..][..width];
        for ((table, reader), slot) in self.counters.iter().zip(slots) {
            let amount = reader(item);
            if matches!(amount, Amount::Nothing) {
                continue;
            }
            if *slot == 0 {
                *slot = tables.slot_of(*table, labels) + 1;
            }
            tables.add(*table, *slot - 1, amount, exemplar);
        }
    }

    fn cache(&mut self, labels: &LabelIds) -> u32 {
        if self.cached.len() >= MAX_CACHED {
            self.cached.clear();
            self.slots.clear();
        }
        let entry = u32::try_from(self.cached.len()).expect("the cache is small");
        self.cached.insert(*labels, entry);
        self.slots.resize(self.slots.len() + self.counters.len(), 0);
        entry
    }
}
