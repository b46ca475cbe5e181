//! Snapshots of a table. Only changed chunks are copied.

use std::sync::Arc;

use super::super::snapshot::{CHUNK, Chunk, Entry, FamilySnapshot};
use super::{Exposure, Series, Table};

impl Table {
    /// True when something has changed since the last snapshot.
    pub(in crate::metrics) fn refresh(&mut self) -> bool {
        let mut changed = false;
        for at in 0..self.stale.len() {
            if !std::mem::take(&mut self.stale[at]) {
                continue;
            }
            changed = true;
            let chunk = Arc::new(self.chunk(at));
            match self.chunks.get_mut(at) {
                Some(place) => *place = chunk,
                None => self.chunks.push(chunk),
            }
        }
        if std::mem::take(&mut self.grown) {
            changed = true;
            let mut entries: Vec<Entry> = (0..)
                .zip(&self.series)
                .map(|(at, series)| Entry {
                    labels: Arc::clone(&series.labels),
                    at,
                })
                .collect();
            entries.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
            self.entries = entries.into();
        }
        changed
    }

    fn chunk(&self, at: usize) -> Chunk {
        let range = at * CHUNK..((at + 1) * CHUNK).min(self.series.len());
        let cells = &self.values[range.start * self.width..range.end * self.width];
        let series = &self.series[range.clone()];
        let held = |series: &Series| series.exposure != Exposure::Open;
        let held = if series.iter().any(held) {
            series.iter().map(held).collect()
        } else {
            Box::default()
        };
        let per_series = self.width - 1;
        let exemplars = match self.family.buckets() {
            Some(_) => &self.exemplars[range.start * per_series..range.end * per_series],
            None => &[],
        };
        Chunk {
            cells: cells.into(),
            held,
            exemplars: exemplars.into(),
        }
    }

    pub(in crate::metrics) fn published(&self) -> FamilySnapshot {
        FamilySnapshot {
            family: self.family,
            width: self.width,
            zeros: Arc::clone(&self.zeros),
            entries: Arc::clone(&self.entries),
            chunks: self.chunks.clone(),
        }
    }
}
