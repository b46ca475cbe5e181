//! Raw batches on disk between the moment they were taken from CPA and their commit in SQLite.
//!
//! What is popped exists nowhere else, so it is written here before anything looks at it. The
//! spool owns the segment files; it knows nothing of records, JSON or the database.
//!
//! * A **segment** is an append-only file with a random id. A process never appends to a segment
//!   of an earlier one, and an emptied segment gets a new id, so a position `(segment id, offset)`
//!   never means two things: a database of any age can be laid beside a spool of any age.
//! * A **frame** is one payload with length and checksum. A torn tail, left by a crash in the
//!   middle of a write, loses the torn frame only.
//! * The database stores the position up to which it has everything. [`Reader::release`] lets go
//!   of what lies before it: segments are deleted, and the last one is emptied.
//!
//! Writes reach the operating system (`write(2)`), not the disk: kill -9 loses nothing, power
//! loss at most what was not yet committed.

mod ballast;
mod frame;
mod reader;
mod segment;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use crate::platform::storage_remedy;

pub use frame::{Frame, FrameBody};
pub use reader::Reader;
pub use segment::{Position, SegmentId};
pub use writer::{Room, Writer};

/// A segment is closed and the next one begun once it has grown to this size.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// Opens the spool in `dir`, creating it if need be. `limit` bounds the uncommitted bytes.
///
/// The random ids come from `next_id`, a parameter so that tests are repeatable.
pub fn open(
    dir: PathBuf,
    limit: u64,
    next_id: Box<dyn FnMut() -> SegmentId + Send>,
) -> Result<(Writer, Reader), SpoolError> {
    let shared = segment::Segments::open(dir, limit, next_id)?;
    Ok((Writer::new(shared.clone()), Reader::new(shared)))
}

/// What went wrong with a spool file.
#[derive(Debug, thiserror::Error)]
#[error(
    "spool file {path} could not be {action}{}",
    storage_remedy(path, source)
)]
pub struct SpoolError {
    pub path: PathBuf,
    pub action: &'static str,
    #[source]
    pub source: io::Error,
}

impl SpoolError {
    fn new(path: impl Into<PathBuf>, action: &'static str, source: io::Error) -> Self {
        Self {
            path: path.into(),
            action,
            source,
        }
    }
}
