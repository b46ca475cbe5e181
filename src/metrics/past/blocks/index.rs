//! The index of a block, format 2: symbols, series, postings and where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use super::bytes::{crc32c, uvarint};
use super::{Labels, too_large};

const MAGIC: u32 = 0xbaaa_d700;
const VERSION: u8 = 2;

/// One series of a block.
#[derive(Debug)]
pub(super) struct IndexedSeries {
    pub(super) labels: Rc<Labels>,
    /// Number, times and places of its chunks, as the index has them.
    pub(super) chunks: Vec<u8>,
}

/// The index of `series`, whose order does not matter.
pub(super) fn index(mut series: Vec<IndexedSeries>) -> io::Result<Vec<u8>> {
    series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
    let symbols: BTreeSet<&str> = series
        .iter()
        .flat_map(|series| series.labels.iter())
        .flat_map(|(name, value)| [name.as_str(), value.as_str()])
        .collect();
    let mut out = Index::default();
    out.bytes.extend_from_slice(&MAGIC.to_be_bytes());
    out.bytes.push(VERSION);

    let symbols_at = out.at();
    let mut content = count(symbols.len())?.to_vec();
    for symbol in &symbols {
        text(&mut content, symbol);
    }
    out.section(&content)?;

    let numbers: BTreeMap<&str, u64> = symbols.into_iter().zip(0..).collect();
    let mut postings: Postings<'_> = BTreeMap::new();
    let mut series_at = None;
    for series in &series {
        out.pad(16);
        series_at.get_or_insert(out.at());
        let place = u32::try_from(out.at() / 16).map_err(too_large)?;
        postings.entry(("", "")).or_default().push(place);
        for (name, value) in series.labels.iter() {
            postings.entry((name, value)).or_default().push(place);
        }
        out.series(series, &numbers);
    }
    let series_at = series_at.unwrap_or(out.at());

    // Nothing has read label indices since format 2, but their table must be there.
    let label_table_at = out.at();
    out.section(&count(0)?)?;

    out.pad(4);
    let postings_at = out.at();
    let mut table = count(postings.len())?.to_vec();
    for ((name, value), places) in postings {
        out.pad(4);
        uvarint(&mut table, 2);
        text(&mut table, name);
        text(&mut table, value);
        uvarint(&mut table, out.at());
        let mut content = count(places.len())?.to_vec();
        content.extend(places.into_iter().flat_map(u32::to_be_bytes));
        out.section(&content)?;
    }
    let table_at = out.at();
    out.section(&table)?;

    let places = [
        symbols_at,
        series_at,
        label_table_at,
        label_table_at,
        postings_at,
        table_at,
    ];
    let places: Vec<u8> = places.into_iter().flat_map(u64::to_be_bytes).collect();
    out.bytes.extend_from_slice(&places);
    out.checksum(&places);
    Ok(out.bytes)
}

/// Series with a label, by its name and value; all series by two empty ones.
type Postings<'a> = BTreeMap<(&'a str, &'a str), Vec<u32>>;

#[derive(Default)]
struct Index {
    bytes: Vec<u8>,
}

impl Index {
    fn at(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    /// Length, content and checksum.
    fn section(&mut self, content: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(&count(content.len())?);
        self.bytes.extend_from_slice(content);
        self.checksum(content);
        Ok(())
    }

    fn series(&mut self, series: &IndexedSeries, numbers: &BTreeMap<&str, u64>) {
        let number = |text: &str| numbers.get(text).copied().unwrap_or_default();
        let mut content = Vec::new();
        uvarint(&mut content, series.labels.len() as u64);
        for (name, value) in series.labels.iter() {
            uvarint(&mut content, number(name));
            uvarint(&mut content, number(value));
        }
        content.extend_from_slice(&series.chunks);
        uvarint(&mut self.bytes, content.len() as u64);
        self.bytes.extend_from_slice(&content);
        self.checksum(&content);
    }

    fn checksum(&mut self, content: &[u8]) {
        self.bytes
            .extend_from_slice(&crc32c(&[content]).to_be_bytes());
    }
}

fn count(n: usize) -> io::Result<[u8; 4]> {
    Ok(u32::try_from(n).map_err(too_large)?.to_be_bytes())
}

fn text(out: &mut Vec<u8>, text: &str) {
    uvarint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}
