//! What a scrape reads: immutable, shared, and complete in itself.

use std::sync::Arc;

use super::restored::Restored;
use crate::model::UnixNanos;

/// Series whose values are copied together when one of them changes.
pub(super) const CHUNK: usize = 256;

/// A request that fell into a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exemplar {
    pub(super) request_id: Box<str>,
    /// In the histogram's raw units.
    pub(super) value: u64,
    pub(super) at: UnixNanos,
}

/// One line's place on the page.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Rendered labels, without braces.
    pub(super) labels: Arc<str>,
    /// Number of the series among its family's.
    pub(super) at: u32,
}

/// The numbers of up to [`CHUNK`] series.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) cells: Box<[u64]>,
    pub(super) exemplars: Box<[Option<Exemplar>]>,
}

/// One family as it was at the publication.
#[derive(Debug)]
pub(super) struct FamilySnapshot {
    pub(super) def: &'static Restored,
    /// Sorted by labels.
    pub(super) entries: Arc<[Entry]>,
    pub(super) chunks: Vec<Arc<Chunk>>,
}

impl FamilySnapshot {
    /// The cells of a series.
    pub(super) fn cells(&self, at: u32) -> &[u64] {
        let width = self.def.width();
        let from = at as usize % CHUNK * width;
        let chunk = self.chunks.get(at as usize / CHUNK);
        chunk
            .and_then(|c| c.cells.get(from..from + width))
            .unwrap_or_default()
    }

    /// The exemplar of each bucket of a series.
    pub(super) fn exemplars(&self, at: u32) -> &[Option<Exemplar>] {
        let width = self.def.width() - 1;
        let from = at as usize % CHUNK * width;
        let chunk = self.chunks.get(at as usize / CHUNK);
        chunk
            .and_then(|c| c.exemplars.get(from..from + width))
            .unwrap_or_default()
    }
}

/// The state of all restored families at one moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// Grows with each publication; 0 before the first.
    pub(super) version: u64,
    pub(super) families: Vec<FamilySnapshot>,
    pub(super) series: u64,
    pub(super) overflows: Vec<(&'static str, u64)>,
    pub(super) dropped: Vec<(&'static str, u64)>,
}
