//! Immutable state of all counters, shared by scrapes.

#![expect(
    clippy::indexing_slicing,
    reason = "a series without its numbers would be shown as zero, which looks like a reset"
)]

use std::sync::Arc;

use super::counter::StoredFamily;
use super::family::Family;
use crate::model::UnixNanos;

/// Number of series that are copied together when one of them changes.
pub(super) const CHUNK: usize = 256;

/// A request of a bucket. Without allocation, because every observation creates one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exemplar {
    pub(super) request_id: RequestId,
    /// In the histogram's raw units.
    pub(super) value: u64,
    pub(super) at: UnixNanos,
}

/// An exemplar without its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExemplarOf {
    request_id: RequestId,
    at: UnixNanos,
}

impl ExemplarOf {
    /// `None` if `request_id` is no id.
    pub(super) fn new(request_id: &str, at: UnixNanos) -> Option<Self> {
        let request_id = RequestId::new(request_id)?;
        Some(Self { request_id, at })
    }

    pub(super) const fn value(&self, value: u64) -> Exemplar {
        Exemplar {
            request_id: self.request_id,
            value,
            at: self.at,
        }
    }
}

/// Longest id: a UUID.
const MAX_ID: usize = 36;

/// An id as CPA creates them: hex digits or a UUID. Other text could contain a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestId {
    length: u8,
    bytes: [u8; MAX_ID],
}

impl RequestId {
    pub(super) fn new(text: &str) -> Option<Self> {
        let is_id = |b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-');
        if text.is_empty() || !text.bytes().all(is_id) {
            return None;
        }
        let mut bytes = [0; MAX_ID];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self {
            length: u8::try_from(text.len()).ok()?,
            bytes,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length));
        bytes
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

/// A series in the order of the exposition.
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
    /// For each series, whether scrapers see zeros instead of its cells; empty if they see none.
    pub(super) held: Box<[bool]>,
    pub(super) exemplars: Box<[Option<Exemplar>]>,
}

/// One family at the time of the snapshot.
#[derive(Debug)]
pub(super) struct FamilySnapshot {
    pub(super) family: &'static StoredFamily,
    /// Numbers per series.
    pub(super) width: usize,
    /// The cells of a held series, as scrapers see them.
    pub(super) zeros: Arc<[u64]>,
    /// Sorted by labels.
    pub(super) entries: Arc<[Entry]>,
    pub(super) chunks: Vec<Arc<Chunk>>,
}

impl FamilySnapshot {
    /// The cells of a series, as `audience` sees them.
    pub(super) fn cells(&self, at: u32, audience: Audience) -> &[u64] {
        let chunk = &self.chunks[at as usize / CHUNK];
        let (width, at) = (self.width, at as usize % CHUNK);
        if audience == Audience::Scraper && chunk.held.get(at) == Some(&true) {
            return &self.zeros;
        }
        &chunk.cells[at * width..(at + 1) * width]
    }

    /// The exemplar of each bucket of a histogram's series.
    pub(super) fn exemplars(&self, at: u32) -> &[Option<Exemplar>] {
        let width = self.width - 1;
        let from = at as usize % CHUNK * width;
        &self.chunks[at as usize / CHUNK].exemplars[from..from + width]
    }
}

/// Type of reader of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Computes increases, so it needs the zero of a new series before its value.
    Scraper,
    /// Sees the committed values at once.
    Reader,
}

/// A family of gauges that the counters' owner computes, as text.
#[derive(Clone, Debug)]
pub(super) struct Gauges {
    pub(super) family: &'static Family,
    /// Rendered labels and value, sorted.
    pub(super) samples: Vec<(String, String)>,
}

/// State of all stored families.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// Increases with each snapshot; 0 before the first.
    pub(super) version: u64,
    pub(super) families: Vec<FamilySnapshot>,
    pub(super) gauges: Arc<[Gauges]>,
    pub(super) series: u64,
    pub(super) overflows: Vec<(&'static str, u64)>,
    pub(super) dropped: Vec<(&'static str, u64)>,
}

impl Snapshot {
    /// Whether a series is held at zero, so that scrapers and readers get different pages.
    pub(super) fn has_held(&self) -> bool {
        let mut chunks = self.families.iter().flat_map(|family| &family.chunks);
        chunks.any(|chunk| !chunk.held.is_empty())
    }
}
