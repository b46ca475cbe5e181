//! The past as blocks of Prometheus' database (TSDB), which need no conversion.
//!
//! A series has a sample at every step from its birth on, as if it had been scraped: a sample that
//! repeats its value takes two bits. A block becomes visible at once, under its final name.

mod bytes;
mod chunk;
mod index;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::num::TryFromIntError;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::{crc32c, uvarint, varint};
use chunk::{Chunk, MAX_SAMPLES};
use index::{IndexedSeries, index};

/// Labels of a series, sorted by name, with `__name__`.
pub(super) type Labels = Vec<(String, String)>;

/// One of the lengths that Prometheus' own compaction makes.
const BLOCK_MS: i64 = 54 * 3_600_000;
const CHUNKS_MAGIC: u32 = 0x85bd_40dd;
const CHUNKS_VERSION: u8 = 1;
const XOR: u8 = 1;
/// Prometheus ignores directories that end so, and removes them when it starts.
const UNFINISHED: &str = "tmp-for-creation";

/// Writes blocks into a directory.
#[derive(Debug)]
pub struct BlockWriter {
    directory: PathBuf,
    /// By number: the time that each begins, in lengths of a block.
    blocks: BTreeMap<i64, Block>,
}

/// A series under way.
#[derive(Debug)]
pub(super) struct Series {
    labels: Rc<Labels>,
    block: i64,
    chunk: Chunk,
    chunks: Chunks,
}

/// Chunks of a series in one block.
#[derive(Debug, Default)]
struct Chunks {
    count: u64,
    last_time: i64,
    last_place: u64,
    bytes: Vec<u8>,
}

impl BlockWriter {
    /// Creates `directory` if it is not there. Blocks that it has stay.
    pub fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            blocks: BTreeMap::new(),
        })
    }

    pub(super) fn push(&mut self, series: &mut Series, time: i64, value: f64) -> io::Result<()> {
        let block = time.div_euclid(BLOCK_MS);
        if block != series.block {
            self.end(series)?;
            series.block = block;
        } else if series.chunk.count() == MAX_SAMPLES {
            self.end_chunk(series)?;
        }
        series.chunk.push(time, value);
        Ok(())
    }

    /// Ends what the series has in its block.
    pub(super) fn end(&mut self, series: &mut Series) -> io::Result<()> {
        if series.chunk.count() == 0 {
            return Ok(());
        }
        self.end_chunk(series)?;
        let Chunks { count, bytes, .. } = std::mem::take(&mut series.chunks);
        let mut chunks = Vec::with_capacity(bytes.len() + 2);
        uvarint(&mut chunks, count);
        chunks.extend_from_slice(&bytes);
        self.block(series.block)?.series.push(IndexedSeries {
            labels: Rc::clone(&series.labels),
            chunks,
        });
        Ok(())
    }

    fn end_chunk(&mut self, series: &mut Series) -> io::Result<()> {
        let chunk = std::mem::take(&mut series.chunk);
        let (first, last) = chunk.times();
        let place = self.block(series.block)?.chunk(chunk)?;
        series.chunks.add(first, last, place);
        Ok(())
    }

    fn block(&mut self, number: i64) -> io::Result<&mut Block> {
        use std::collections::btree_map::Entry;
        Ok(match self.blocks.entry(number) {
            Entry::Occupied(block) => block.into_mut(),
            Entry::Vacant(place) => place.insert(Block::new(&self.directory, number)?),
        })
    }

    /// Completes all blocks.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        for (_number, block) in std::mem::take(&mut self.blocks) {
            block.finish(&self.directory)?;
        }
        Ok(())
    }
}

/// Leaves no half of a block behind.
impl Drop for BlockWriter {
    fn drop(&mut self) {
        for block in self.blocks.values() {
            // Prometheus removes what could not be removed here.
            let _leftover = fs::remove_dir_all(&block.directory);
        }
    }
}

impl Series {
    pub(super) fn new(labels: Labels) -> Self {
        Self {
            labels: Rc::new(labels),
            block: i64::MIN,
            chunk: Chunk::default(),
            chunks: Chunks::default(),
        }
    }
}

impl Chunks {
    fn add(&mut self, first: i64, last: i64, place: u64) {
        if self.count == 0 {
            varint(&mut self.bytes, first);
        } else {
            uvarint(&mut self.bytes, (first - self.last_time).cast_unsigned());
        }
        uvarint(&mut self.bytes, (last - first).cast_unsigned());
        if self.count == 0 {
            uvarint(&mut self.bytes, place);
        } else {
            // Chunks of a series come one after another.
            varint(&mut self.bytes, (place - self.last_place).cast_signed());
        }
        self.count += 1;
        self.last_time = last;
        self.last_place = place;
    }
}

/// A block under way.
#[derive(Debug)]
struct Block {
    directory: PathBuf,
    chunks: BufWriter<File>,
    at: u32,
    crc: u32,
    series: Vec<IndexedSeries>,
    samples: u64,
    chunk_count: u64,
    first: i64,
    last: i64,
}

impl Block {
    fn new(parent: &Path, number: i64) -> io::Result<Self> {
        let directory = parent.join(format!("backfill-{number}.{UNFINISHED}"));
        // Of a run that was killed.
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _removed => {}
        }
        fs::create_dir_all(directory.join("chunks"))?;
        let mut this = Self {
            chunks: BufWriter::new(File::create(directory.join("chunks/000001"))?),
            directory,
            at: 0,
            crc: 0,
            series: Vec::new(),
            samples: 0,
            chunk_count: 0,
            first: i64::MAX,
            last: i64::MIN,
        };
        this.write(&CHUNKS_MAGIC.to_be_bytes())?;
        this.write(&[CHUNKS_VERSION, 0, 0, 0])?;
        Ok(this)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.chunks.write_all(bytes)?;
        let at = u64::from(self.at) + bytes.len() as u64;
        self.at = u32::try_from(at).map_err(too_large)?;
        Ok(())
    }

    /// Writes a chunk. Returns where it is.
    fn chunk(&mut self, chunk: Chunk) -> io::Result<u64> {
        let place = self.at;
        self.samples += u64::from(chunk.count());
        self.chunk_count += 1;
        let (first, last) = chunk.times();
        (self.first, self.last) = (self.first.min(first), self.last.max(last));
        let data = chunk.into_data();
        let mut head = Vec::new();
        uvarint(&mut head, data.len() as u64);
        head.push(XOR);
        let crc = crc32c(&[&[XOR], &data]);
        self.crc = self.crc.rotate_left(1) ^ crc;
        self.write(&head)?;
        self.write(&data)?;
        self.write(&crc.to_be_bytes())?;
        Ok(place.into())
    }

    fn finish(mut self, parent: &Path) -> io::Result<()> {
        self.chunks.flush()?;
        self.chunks.get_ref().sync_all()?;
        let series = std::mem::take(&mut self.series);
        let count = series.len();
        let index = index(series)?;
        let ulid = ulid(self.first, self.crc, crc32c(&[&index]));
        write_file(&self.directory.join("index"), &index)?;
        let meta = serde_json::json!({
            "ulid": ulid,
            "minTime": self.first,
            // Exclusive.
            "maxTime": self.last + 1,
            "stats": {
                "numSamples": self.samples,
                "numSeries": count,
                "numChunks": self.chunk_count,
            },
            "compaction": { "level": 1, "sources": [ulid] },
            "version": 1,
        });
        let meta = serde_json::to_vec_pretty(&meta)?;
        write_file(&self.directory.join("meta.json"), &meta)?;
        let place = parent.join(&ulid);
        if place.exists() {
            // The name comes from the content: this very block is there already.
            return fs::remove_dir_all(&self.directory);
        }
        fs::rename(&self.directory, place)
    }
}

fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A name as Prometheus wants it (ULID). Equal content at the same time has the same one.
fn ulid(time: i64, chunks: u32, index: u32) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let time = u128::try_from(time).unwrap_or_default() & ((1 << 48) - 1);
    let value = (time << 80) | (u128::from(chunks) << 32) | u128::from(index);
    let digit = |at: u32| DIGITS.get(((value >> (5 * at)) & 31) as usize);
    let digits = (0..26).rev().filter_map(digit);
    digits.map(|digit| char::from(*digit)).collect()
}

fn too_large(_number: TryFromIntError) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        "a block would be larger than 4 GiB; take longer steps",
    )
}
