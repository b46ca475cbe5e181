//! What a scrape reads: immutable, shared, and complete in itself.

#![expect(
    clippy::indexing_slicing,
    reason = "a series without its numbers would be shown as zero, which looks like a reset"
)]

use std::sync::Arc;

use super::catalogue::Family;
use super::counter::StoredFamily;
use crate::model::UnixNanos;

/// Series whose values are copied together when one of them changes.
pub(super) const CHUNK: usize = 256;

/// A request that fell into a bucket. Kept in place, because every observation makes one.
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

/// What CPA's ids look like: hex digits or a UUID. Anything else could be somebody's text.
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
    /// For each series whether scrapers see zeros in place of its cells; empty when they do of none.
    pub(super) held: Box<[bool]>,
    pub(super) exemplars: Box<[Option<Exemplar>]>,
}

/// One family as it was at the publication.
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

/// Who reads a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Computes increases, so it must see the zero of a new series before its value.
    Scraper,
    /// Sees the committed values at once.
    Reader,
}

/// Gauges that the ledger knows, ready to be written.
#[derive(Clone, Debug)]
pub(super) struct Gauges {
    pub(super) family: &'static Family,
    /// Rendered labels and value, sorted.
    pub(super) samples: Vec<(String, String)>,
}

/// The state of all restored families at one moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// Grows with each publication; 0 before the first.
    pub(super) version: u64,
    pub(super) families: Vec<FamilySnapshot>,
    pub(super) gauges: Arc<[Gauges]>,
    pub(super) series: u64,
    pub(super) overflows: Vec<(&'static str, u64)>,
    pub(super) dropped: Vec<(&'static str, u64)>,
}

impl Snapshot {
    /// Whether some series are at zero for scrapers, so that their page differs from the readers'.
    pub(super) fn has_held(&self) -> bool {
        let mut chunks = self.families.iter().flat_map(|family| &family.chunks);
        chunks.any(|chunk| !chunk.held.is_empty())
    }
}
