#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a frame that is skipped is lost; a restart reads the spool again"
)]

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::SpoolError;
use super::frame::{Checked, Frame, check, view};
use super::segment::{HEADER_LEN, Position, SegmentId, Segments};

/// Least number of bytes asked of a file at once.
const CHUNK: usize = 512 * 1024;

/// Gives frames out in the order in which they were appended. Owned by the ingest thread.
#[derive(Debug)]
pub struct Reader {
    segments: Segments,
    /// Segment being read.
    number: u64,
    id: SegmentId,
    file: Option<File>,
    /// Bytes of the file from `start` on.
    buffer: Vec<u8>,
    /// Offset in the file of the first byte of `buffer`.
    start: u64,
    /// Read position within `buffer`.
    at: usize,
}

impl Reader {
    pub(super) fn new(segments: Segments) -> Self {
        Self {
            segments,
            number: 0,
            id: SegmentId(0),
            file: None,
            buffer: Vec::new(),
            start: 0,
            at: 0,
        }
    }

    /// Number of the last commit the spool knows of. A database with a lower one is older.
    pub fn commit_number(&self) -> u64 {
        self.segments.lock().commit_number
    }

    /// Lets go of everything before `position`, and of all segments older than it.
    ///
    /// Call it after the commit that made `position` durable, and once at start with what the
    /// database holds. A position in no known segment lets go of nothing.
    /// `commit_number` is that commit's.
    pub fn release(&mut self, position: Position, commit_number: u64) -> Result<(), SpoolError> {
        let mut state = self.segments.lock();
        state.commit_number = state.commit_number.max(commit_number);
        if state.segments.iter().any(|s| s.id == position.segment) {
            for segment in &mut state.segments {
                if segment.id == position.segment {
                    segment.released = position
                        .offset
                        .clamp(segment.released, segment.len.max(segment.released));
                    break;
                }
                segment.released = segment.len;
            }
        }
        self.segments.sweep(&mut state)
    }

    /// Goes back to the first frame that has not been released.
    pub fn rewind(&mut self) {
        self.number = 0;
        self.file = None;
    }

    /// Where the next frame begins: everything before it has been given out.
    pub fn position(&self) -> Position {
        Position {
            segment: self.id,
            offset: self.start + self.at as u64,
        }
    }

    /// Uncommitted bytes.
    pub fn pending_bytes(&self) -> u64 {
        self.segments.lock().pending()
    }

    /// Whether what earlier processes left has not all been committed.
    pub fn has_inherited(&self) -> bool {
        self.segments.lock().has_inherited()
    }

    /// Bytes of all segment files.
    pub fn file_bytes(&self) -> u64 {
        self.segments.lock().segments.iter().map(|s| s.len).sum()
    }

    /// Whether something that was appended has not been given out yet.
    pub fn has_frame(&mut self) -> Result<bool, SpoolError> {
        Ok(self.ready()?.is_some())
    }

    /// The next frame, or `None` when all that was appended has been given out.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SpoolError> {
        let Some(len) = self.ready()? else {
            return Ok(None);
        };
        let from = self.at;
        let Some(frame) = view(&self.buffer[from..from + len]) else {
            // Written by a later version: not ours to skip.
            let path = self.segments.path(self.number);
            let unknown = io::Error::other("frame of an unknown type");
            return Err(SpoolError::new(path, "understood", unknown));
        };
        self.at += len;
        Ok(Some(frame))
    }

    /// Makes the next frame whole in the buffer and gives its length there.
    fn ready(&mut self) -> Result<Option<usize>, SpoolError> {
        loop {
            if self.file.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let goes_on = match check(&self.buffer[self.at..]) {
                Checked::Frame(len) => return Ok(Some(len)),
                Checked::Short(want) => self.fill(want)? || self.leave_segment(false),
                Checked::Damaged => self.leave_segment(true),
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }

    /// Opens the segment after the current one at its first unreleased byte.
    fn open_next(&mut self) -> Result<bool, SpoolError> {
        let (number, id, from) = {
            let state = self.segments.lock();
            let next = state.segments.iter().find(|s| s.number > self.number);
            let Some(next) = next else { return Ok(false) };
            (next.number, next.id, next.released.max(HEADER_LEN))
        };
        let path = self.segments.path(number);
        let mut file = File::open(&path).map_err(|e| SpoolError::new(&path, "opened", e))?;
        file.seek(SeekFrom::Start(from))
            .map_err(|e| SpoolError::new(&path, "read", e))?;
        self.buffer.clear();
        (self.number, self.id, self.start, self.at) = (number, id, from, 0);
        self.file = Some(file);
        Ok(true)
    }

    /// Reads on until `want` bytes are there from the read position on; false at the end.
    fn fill(&mut self, want: usize) -> Result<bool, SpoolError> {
        let file = self.file.as_mut();
        let file = file.expect("a segment is open while its frames are read");
        let end = {
            let state = self.segments.lock();
            match state.segments.iter().find(|s| s.number == self.number) {
                // An emptied segment has a new id: what follows is another content.
                Some(segment) if segment.id == self.id => segment.len,
                _ => 0,
            }
        };
        self.buffer.drain(..self.at);
        self.start += self.at as u64;
        self.at = 0;
        let have = self.start + self.buffer.len() as u64;
        let available = end.saturating_sub(have);
        if available == 0 {
            return Ok(false);
        }
        let missing = want.saturating_sub(self.buffer.len()).max(CHUNK) as u64;
        let path = self.segments.path(self.number);
        let read = file
            .take(missing.min(available))
            .read_to_end(&mut self.buffer)
            .map_err(|e| SpoolError::new(&path, "read", e))?;
        Ok(read > 0)
    }

    /// Ends the reading of a segment that has no further whole frame.
    ///
    /// False when there is nothing to do but wait: it is the last one, in which frames can still
    /// be appended. What the writer has done since the look that led here counts, so everything
    /// is decided anew under the lock.
    fn leave_segment(&mut self, damaged: bool) -> bool {
        let mut state = self.segments.lock();
        let is_last = state
            .segments
            .back()
            .is_none_or(|last| last.number <= self.number);
        let at = self.start + self.at as u64;
        let read_to = self.start + self.buffer.len() as u64;
        let segment = state.segments.iter_mut().find(|s| s.number == self.number);
        match segment {
            // Deleted after its release: go on behind it.
            None => {}
            // Emptied after its release: it has a new content, to be read from its start.
            Some(segment) if segment.id != self.id => {
                self.number = self.number.saturating_sub(1);
            }
            // Grown since.
            Some(segment) if !damaged && segment.len > read_to => return true,
            Some(_) if is_last && !damaged => return false,
            Some(segment) => {
                let lost = segment.len.saturating_sub(at);
                if lost > 0 {
                    let path = self.segments.path(self.number);
                    tracing::warn!(
                        path = %path.display(), offset = at, bytes = lost,
                        "spool file ends in a torn frame, which is cut off; it had not been \
                         written in full"
                    );
                    segment.len = at;
                }
                if is_last {
                    // Damage in the file being written: what follows goes to a new one.
                    state.tail = None;
                    self.file = None;
                    return false;
                }
            }
        }
        self.file = None;
        true
    }
}
