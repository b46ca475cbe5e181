#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a batch that was not written must not be reported as written; a restart is safe"
)]

use std::fs::OpenOptions;
use std::io::{self, Write};

use super::ballast::Ballast;
use super::frame::{encode, encoded_len};
use super::segment::Segments;
use super::{SEGMENT_BYTES, SpoolError};
use crate::model::Batch;

/// Takes batches in. Owned by the source.
#[derive(Debug)]
pub struct Writer {
    segments: Segments,
    /// Reused between appends.
    buffer: Vec<u8>,
    ballast: Ballast,
}

/// Whether a reply can be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Free,
    /// The pending bytes have reached the limit of the spool.
    SpoolFull,
    /// The file system has no room for the reply.
    DiskFull,
}

impl Writer {
    pub(super) fn new(segments: Segments) -> Self {
        Self {
            ballast: Ballast::new(segments.ballast_path()),
            segments,
            buffer: Vec::new(),
        }
    }

    /// Whether a reply of up to `bytes` can be requested: it has room on the disk, too, which
    /// nobody else can take.
    ///
    /// [`Self::append`] does not check it, because it must take every received reply.
    pub fn room_for(&mut self, bytes: u64) -> Room {
        if self.pending_bytes().saturating_add(bytes) > self.segments.limit() {
            Room::SpoolFull
        } else if self.ballast.ensure(bytes).is_err() {
            Room::DiskFull
        } else {
            Room::Free
        }
    }

    /// Bytes that wait for their commit.
    pub fn pending_bytes(&self) -> u64 {
        self.segments.lock().pending()
    }

    pub fn limit_bytes(&self) -> u64 {
        self.segments.limit()
    }

    /// Writes the batch; when it returns `Ok`, the operating system has every byte.
    ///
    /// After an error nothing of the batch is in the spool, and the same batch can be appended
    /// again. Blocks while the disk does.
    pub fn append(&mut self, batch: &Batch) -> Result<(), SpoolError> {
        self.buffer.clear();
        self.buffer.reserve(encoded_len(batch));
        encode(batch, &mut self.buffer);
        match self.write_buffer() {
            Err(error)
                if error.source.kind() == io::ErrorKind::StorageFull && self.ballast.release() =>
            {
                self.write_buffer()
            }
            outcome => outcome,
        }
    }

    fn write_buffer(&mut self) -> Result<(), SpoolError> {
        let mut state = self.segments.lock();
        let full = state.segments.back().is_none_or(|s| s.len >= SEGMENT_BYTES);
        if full || state.tail.is_none() {
            self.segments.begin_segment(&mut state)?;
        }
        let state = &mut *state;
        let tail = state.tail.as_mut().expect("begin_segment opens the tail");
        let segment = state
            .segments
            .back_mut()
            .expect("begin_segment adds the tail's segment");
        if let Err(error) = tail.write_all(&self.buffer) {
            // Part of it may be there. Cut it off, or let the next append begin a new file:
            // readers stop at a torn tail.
            if tail.set_len(segment.len).is_err() {
                state.tail = None;
            }
            let path = self.segments.path(segment.number);
            return Err(SpoolError::new(path, "written", error));
        }
        segment.len += self.buffer.len() as u64;
        // One huge reply must not be held for ever.
        self.buffer.shrink_to(4 * 1024 * 1024);
        Ok(())
    }

    /// Brings what was appended last to the disk, for whoever removes it elsewhere.
    pub fn sync(&self) -> Result<(), SpoolError> {
        let state = self.segments.lock();
        let segment = state
            .segments
            .back()
            .expect("a spool always keeps its last segment");
        let path = self.segments.path(segment.number);
        let flushed = match &state.tail {
            Some(tail) => tail.sync_all(),
            // A later failure has closed the file that the batch went to.
            None => OpenOptions::new()
                .append(true)
                .open(&path)
                .and_then(|file| file.sync_all()),
        };
        flushed.map_err(|error| SpoolError::new(path, "flushed", error))
    }
}
