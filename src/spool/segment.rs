//! The segment files and their state, shared by writer and reader.

#![expect(
    clippy::expect_used,
    reason = "a segment that is not known is lost; a restart lists the files again"
)]

use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::SpoolError;

const MAGIC: &[u8; 8] = b"CPASPL01";
/// Magic, id, commit number, checksum.
pub(super) const HEADER_LEN: u64 = HEADER_BYTES as u64;
const HEADER_BYTES: usize = 28;
const SUFFIX: &str = "spool";
/// Name of the file that reserves space on the disk.
const BALLAST: &str = "reserve";
/// Suffix of copies of damaged pieces.
const DAMAGED: &str = "damaged";
/// Maximum number of copies; they are for people to look at.
const MAX_DAMAGED: usize = 16;

/// Random name of a segment's content. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId(pub u64);

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A place in the spool: everything before `offset` in `segment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    pub segment: SegmentId,
    pub offset: u64,
}

/// One file, oldest first in [`Segments`].
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) id: SegmentId,
    pub(super) number: u64,
    /// Bytes that are there to be read, header included.
    pub(super) len: u64,
    /// Bytes that the reader has let go of, header included.
    pub(super) released: u64,
    /// Increases when a deleted file is created again with the same content.
    pub(super) generation: u32,
}

/// State behind the lock. Every critical section is a few field accesses and, for the writer,
/// one `write(2)`.
#[derive(Debug)]
pub(super) struct State {
    pub(super) segments: VecDeque<Segment>,
    /// The last segment, open for appending; `None` after a failure, until the next append.
    pub(super) tail: Option<File>,
    /// Number of the last commit that the reader reported.
    pub(super) commit_number: u64,
    /// First segment of this process; those before it were left by earlier ones.
    pub(super) own_from: u64,
}

/// Handle shared by writer and reader.
#[derive(Clone)]
pub(super) struct Segments {
    dir: Arc<Path>,
    limit: u64,
    state: Arc<Mutex<State>>,
    next_id: Arc<Mutex<Box<dyn FnMut() -> SegmentId + Send>>>,
}

impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segments")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Segments {
    pub(super) fn open(
        dir: PathBuf,
        limit: u64,
        mut next_id: Box<dyn FnMut() -> SegmentId + Send>,
    ) -> Result<Self, SpoolError> {
        crate::platform::create_private_dir(&dir)
            .map_err(|e| SpoolError::new(&dir, "created", e))?;
        let (segments, commit_number) = find(&dir, &mut next_id)?;
        let own_from = segments.back().map_or(1, |last| last.number + 1);
        let this = Self {
            dir: dir.into(),
            limit,
            state: Arc::new(Mutex::new(State {
                segments,
                tail: None,
                commit_number,
                own_from,
            })),
            next_id: Arc::new(Mutex::new(next_id)),
        };
        // Never append to a file of an earlier process: its tail may be torn.
        this.begin_segment(&mut this.lock())?;
        Ok(this)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:020}.{SUFFIX}"))
    }

    /// Writes a damaged piece, which is about to be skipped, to a file beside its segment.
    pub(super) fn keep_damaged(&self, number: u64, at: Position, piece: &[u8]) {
        let path = self.path(number);
        let copy = self
            .dir
            .join(format!("{number:020}-{}.{DAMAGED}", at.offset));
        let kept = self.write_damaged(&copy, piece);
        let (offset, bytes) = (at.offset, piece.len());
        match kept {
            Ok(()) => tracing::error!(
                path = %path.display(), offset, bytes, copy = %copy.display(),
                "damaged bytes in the spool skipped; their records are lost, a copy of the bytes is kept"
            ),
            Err(error) => tracing::error!(
                path = %path.display(), offset, bytes, %error,
                "damaged bytes in the spool skipped; their records are lost"
            ),
        }
    }

    fn write_damaged(&self, copy: &Path, piece: &[u8]) -> io::Result<()> {
        let is_copy = |entry: &io::Result<fs::DirEntry>| {
            entry
                .as_ref()
                .is_ok_and(|e| e.path().extension().is_some_and(|x| x == DAMAGED))
        };
        if fs::read_dir(&self.dir)?.filter(|e| is_copy(e)).count() >= MAX_DAMAGED {
            return Err(io::Error::other("the spool directory holds enough of them"));
        }
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true);
        crate::platform::private(&mut options)
            .open(copy)?
            .write_all(piece)
    }

    pub(super) fn ballast_path(&self) -> PathBuf {
        self.dir.join(BALLAST)
    }

    fn fresh_id(&self) -> SegmentId {
        let mut next = self.next_id.lock();
        next()
    }

    /// Starts the next file and makes it the tail.
    pub(super) fn begin_segment(&self, state: &mut State) -> Result<(), SpoolError> {
        let number = state.segments.back().map_or(1, |last| last.number + 1);
        let id = self.fresh_id();
        let path = self.path(number);
        let mut options = OpenOptions::new();
        options.create_new(true).read(true).append(true);
        let file = crate::platform::private(&mut options)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(&header(id, state.commit_number))
                    .map(|()| file)
            })
            .map_err(|e| SpoolError::new(&path, "begun", e))?;
        state.tail = Some(file);
        state.segments.push_back(Segment {
            id,
            number,
            len: HEADER_LEN,
            released: HEADER_LEN,
            generation: 0,
        });
        Ok(())
    }

    /// Creates the last file again if another program has deleted or moved it. True if it had.
    pub(super) fn restore_last(&self) -> Result<bool, SpoolError> {
        let mut state = self.lock();
        let state = &mut *state;
        let (Some(tail), Some(last)) = (&mut state.tail, state.segments.back_mut()) else {
            return Ok(false);
        };
        let path = self.path(last.number);
        if is_same_file(tail, &path).map_err(|e| SpoolError::new(&path, "examined", e))? {
            return Ok(false);
        }
        let restored = crate::platform::create_private_dir(&self.dir)
            .and_then(|()| copy_open_file(tail, &path, last.len))
            .map_err(|e| SpoolError::new(&path, "restored", e))?;
        *tail = restored;
        last.generation += 1;
        Ok(true)
    }

    /// Deletes what has been released; empties the tail when nothing is left in it.
    pub(super) fn sweep(&self, state: &mut State) -> Result<(), SpoolError> {
        while state.segments.len() > 1 {
            let first = state.segments.front().expect("there are two or more");
            if first.released < first.len {
                break;
            }
            let path = self.path(first.number);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(SpoolError::new(&path, "removed", e));
                }
                _gone => state.segments.pop_front(),
            };
        }
        self.empty_tail(state)
    }

    /// Gives the last segment a new content when everything in it has been released.
    fn empty_tail(&self, state: &mut State) -> Result<(), SpoolError> {
        let commit_number = state.commit_number;
        // Closed by a failure: the next append begins a new file.
        let Some(tail) = &mut state.tail else {
            return Ok(());
        };
        let last = state.segments.back_mut();
        let last = last.expect("a spool always keeps its last segment");
        if last.len <= HEADER_LEN || last.released < last.len {
            return Ok(());
        }
        let id = self.fresh_id();
        let written = tail
            .set_len(0)
            .and_then(|()| tail.write_all(&header(id, commit_number)));
        if let Err(error) = written {
            let path = self.path(last.number);
            // It may be left without a header, and a frame behind none would not be found again:
            // the next append begins a new file.
            state.tail = None;
            return Err(SpoolError::new(path, "emptied", error));
        }
        *last = Segment {
            id,
            number: last.number,
            len: HEADER_LEN,
            released: HEADER_LEN,
            generation: last.generation,
        };
        Ok(())
    }
}

impl State {
    /// Whether something that an earlier process wrote has not been released.
    pub(super) fn has_inherited(&self) -> bool {
        let mut earlier = self
            .segments
            .iter()
            .take_while(|s| s.number < self.own_from);
        earlier.any(|s| s.released < s.len)
    }

    /// Bytes written and not yet released.
    pub(super) fn pending(&self) -> u64 {
        self.segments
            .iter()
            .map(|s| s.len.saturating_sub(s.released))
            .sum()
    }
}

fn header(id: SegmentId, commit_number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&id.0.to_le_bytes());
    bytes.extend_from_slice(&commit_number.to_le_bytes());
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn parse_header(bytes: &[u8; HEADER_BYTES]) -> Option<(SegmentId, u64)> {
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    let (magic, rest) = content.split_first_chunk::<8>()?;
    let (id, commit) = rest.split_first_chunk::<8>()?;
    let commit = commit.first_chunk::<8>()?;
    (magic == MAGIC && crc32fast::hash(content) == u32::from_le_bytes(*crc)).then(|| {
        (
            SegmentId(u64::from_le_bytes(*id)),
            u64::from_le_bytes(*commit),
        )
    })
}

/// The segments of earlier processes, oldest first, and the highest commit number they know.
fn find(
    dir: &Path,
    next_id: &mut dyn FnMut() -> SegmentId,
) -> Result<(VecDeque<Segment>, u64), SpoolError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| SpoolError::new(dir, "listed", e))? {
        let path = entry.map_err(|e| SpoolError::new(dir, "listed", e))?.path();
        if path.extension().is_some_and(|x| x == SUFFIX)
            && let Some(number) = path
                .file_stem()
                .and_then(|s| s.to_str()?.parse::<u64>().ok())
        {
            numbers.push((number, path));
        }
    }
    numbers.sort_unstable();
    let mut segments = VecDeque::new();
    let mut commit_number = 0;
    for (number, path) in numbers {
        let (header, len) = inspect(&path).map_err(|e| SpoolError::new(&path, "read", e))?;
        let (id, commit, len) = match header {
            Some((id, commit)) => (id, commit, len),
            // Begun or emptied when its process died: it holds no frame.
            None if len <= HEADER_LEN => (SegmentId(0), 0, 0),
            None => {
                let path = path.display();
                tracing::error!(
                    %path, bytes = len,
                    "header of a spool file is damaged; its records are read again, and those that \
                     are stored already count as duplicates"
                );
                (next_id(), 0, len)
            }
        };
        commit_number = commit_number.max(commit);
        segments.push_back(Segment {
            id,
            number,
            len,
            released: HEADER_LEN.min(len),
            generation: 0,
        });
    }
    Ok((segments, commit_number))
}

/// Whether `path` still names the open file. A platform without file ids does not delete open files.
fn is_same_file(open: &File, path: &Path) -> io::Result<bool> {
    let open = crate::platform::file_id(&open.metadata()?);
    match fs::metadata(path) {
        Ok(named) => Ok(open == crate::platform::file_id(&named)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Copies the first `len` bytes of a file without a name to a new file, open for appending.
fn copy_open_file(open: &mut File, path: &Path, len: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create_new(true).read(true).append(true);
    let mut copy = crate::platform::private(&mut options).open(path)?;
    open.seek(SeekFrom::Start(0))?;
    io::copy(&mut open.take(len), &mut copy)?;
    Ok(copy)
}

/// Reads the header of a segment, `None` if it is not valid, and the length of the file.
fn inspect(path: &Path) -> io::Result<(Option<(SegmentId, u64)>, u64)> {
    let mut file = File::open(path)?;
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = [0_u8; HEADER_BYTES];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok((parse_header(&bytes), len)),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok((None, len)),
        Err(e) => Err(e),
    }
}
