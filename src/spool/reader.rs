#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a frame that is skipped is lost; a restart reads the spool again"
)]

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::SpoolError;
use super::frame::{Checked, Frame, check, find_next, view};
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
    /// Generation of the segment's file that is open.
    generation: u32,
    /// Bytes of the file from `start` on.
    buffer: Vec<u8>,
    /// Offset in the file of the first byte of `buffer`.
    start: u64,
    /// Read position within `buffer`.
    at: usize,
    damage: Damage,
}

impl Reader {
    pub(super) fn new(segments: Segments) -> Self {
        Self {
            segments,
            number: 0,
            id: SegmentId(0),
            file: None,
            generation: 0,
            buffer: Vec::new(),
            start: 0,
            at: 0,
            damage: Damage::default(),
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

    /// Restores the file being written if another program has deleted it. True if it had.
    pub fn restore_deleted_file(&mut self) -> Result<bool, SpoolError> {
        self.segments.restore_last()
    }

    /// Bytes of damaged frames that were skipped since the last call.
    pub fn take_damaged_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.damage.unreported_bytes)
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

    /// Makes the next frame whole in the buffer and returns its length there.
    fn ready(&mut self) -> Result<Option<usize>, SpoolError> {
        loop {
            if self.file.is_none() {
                if !self.open_next()? {
                    return Ok(None);
                }
                continue;
            }
            match check(&self.buffer[self.at..]) {
                Checked::Frame(len) => return Ok(Some(len)),
                Checked::Short(want) if self.fill(want)? => {}
                Checked::Short(_) => match self.at_end() {
                    End::Damaged => self.skip_damage()?,
                    End::Continue => {}
                    End::Wait => return Ok(None),
                },
                Checked::Damaged => self.skip_damage()?,
            }
        }
    }

    /// Opens the segment after the current one at its first unreleased byte.
    fn open_next(&mut self) -> Result<bool, SpoolError> {
        let state = self.segments.lock();
        let next = state.segments.iter().find(|s| s.number > self.number);
        let Some(next) = next else { return Ok(false) };
        let (from, len) = (next.released.max(HEADER_LEN), next.len);
        (self.number, self.id) = (next.number, next.id);
        (self.start, self.at, self.generation) = (from, 0, next.generation);
        drop(state);
        self.buffer.clear();
        let path = self.segments.path(self.number);
        match File::open(&path) {
            Ok(mut file) => {
                file.seek(SeekFrom::Start(from))
                    .map_err(|e| SpoolError::new(&path, "read", e))?;
                self.file = Some(file);
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if self.segments.restore_last()? {
                    self.number = self.number.saturating_sub(1);
                } else {
                    self.skip_deleted(len);
                }
            }
            Err(e) => return Err(SpoolError::new(&path, "opened", e)),
        }
        Ok(true)
    }

    /// Reads on until `want` bytes are there from the read position on; false at the end.
    fn fill(&mut self, want: usize) -> Result<bool, SpoolError> {
        let (end, generation) = {
            let state = self.segments.lock();
            match state.segments.iter().find(|s| s.number == self.number) {
                // An emptied segment has a new id: what follows is another content.
                Some(segment) if segment.id == self.id => (segment.len, segment.generation),
                _ => (0, self.generation),
            }
        };
        if generation != self.generation {
            let path = self.segments.path(self.number);
            let mut file = File::open(&path).map_err(|e| SpoolError::new(&path, "opened", e))?;
            file.seek(SeekFrom::Start(self.read_to()))
                .map_err(|e| SpoolError::new(&path, "read", e))?;
            (self.file, self.generation) = (Some(file), generation);
        }
        let file = self.file.as_mut();
        let file = file.expect("a segment is open while its frames are read");
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
        if read == 0 {
            self.cut_short(have);
        }
        Ok(read > 0)
    }

    /// Another program has deleted a file of this length that no one had open.
    fn skip_deleted(&mut self, len: u64) {
        let position = self.position();
        let lost = len.saturating_sub(position.offset);
        if lost > 0 && self.damage.note(position, lost) {
            let path = self.segments.path(self.number);
            tracing::error!(
                path = %path.display(), bytes = lost,
                "spool file was deleted by another program; the records in it are lost"
            );
        }
        self.start = self.start.max(len);
    }

    /// Another program has truncated the file to this length. New frames go to a new file, because
    /// their offsets in this one would be wrong.
    fn cut_short(&mut self, at: u64) {
        let mut state = self.segments.lock();
        let mut segments = state.segments.iter_mut();
        let segment = segments.find(|s| s.number == self.number && s.id == self.id);
        let Some(segment) = segment else { return };
        let lost = segment.len.saturating_sub(at);
        segment.len = at;
        if state.segments.back().is_some_and(|s| s.id == self.id) {
            state.tail = None;
        }
        drop(state);
        let position = Position {
            segment: self.id,
            offset: at,
        };
        if self.damage.note(position, lost) {
            let path = self.segments.path(self.number);
            tracing::error!(
                path = %path.display(), offset = at, bytes = lost,
                "spool file was truncated by another program; the records in it are lost"
            );
        }
    }

    /// Decides what follows when the bytes read hold no further whole frame. The writer may have
    /// appended since, so everything is decided under the lock.
    fn at_end(&mut self) -> End {
        let state = self.segments.lock();
        let is_last = state
            .segments
            .back()
            .is_none_or(|last| last.number <= self.number);
        let segment = state.segments.iter().find(|s| s.number == self.number);
        match segment {
            // Emptied after its release: read its new content from the start.
            Some(segment) if segment.id != self.id => {
                self.number = self.number.saturating_sub(1);
            }
            Some(segment) if segment.len > self.read_to() => return End::Continue,
            // The writer appends whole frames under the lock, so a part of one is damage.
            Some(_) if self.at < self.buffer.len() => return End::Damaged,
            Some(_) if is_last => return End::Wait,
            // At its end, or deleted after its release.
            Some(_) | None => {}
        }
        self.file = None;
        End::Continue
    }

    /// Offset in the file up to which `buffer` holds its bytes.
    fn read_to(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }

    /// Moves to the next whole frame of the segment, or to its end, and keeps a copy of the bytes
    /// in between.
    fn skip_damage(&mut self) -> Result<(), SpoolError> {
        while self.fill(usize::MAX)? {}
        let rest = &self.buffer[self.at..];
        let length = find_next(rest).unwrap_or(rest.len());
        let position = self.position();
        if self.damage.note(position, length as u64) {
            let piece = &rest[..length];
            self.segments.keep_damaged(self.number, position, piece);
        }
        self.at += length;
        Ok(())
    }
}

/// What follows the bytes that were read.
enum End {
    /// More bytes or another segment: look again.
    Continue,
    /// Nothing until the writer appends.
    Wait,
    /// Part of a frame.
    Damaged,
}

/// Damaged pieces that were skipped.
#[derive(Debug, Default)]
struct Damage {
    /// After a failed commit the same pieces are read again.
    known: HashSet<Position>,
    unreported_bytes: u64,
}

impl Damage {
    /// False if the piece is known.
    fn note(&mut self, at: Position, length: u64) -> bool {
        let is_new = self.known.insert(at);
        if is_new {
            self.unreported_bytes += length;
        }
        is_new
    }
}
