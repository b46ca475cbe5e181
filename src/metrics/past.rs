//! Writes the past of the counters, starting at zero: as blocks of Prometheus' database, or as
//! OpenMetrics with timestamps.
//!
//! In blocks a series has every sample that a scraper would have stored. The text has only the samples
//! before and after each change, and some between them, so that the series never becomes stale.

mod blocks;
mod walk;

pub use blocks::BlockWriter;

use std::io::{self, Write};

use super::catalogue::stored_families;
use super::counter::{Cells, StoredFamily, label_ids};
use super::encode::{Bounds, Dialect, Encoder, push_decimal, push_label};
use super::family::Buckets;
use super::labels::{Aliases, Caps, LabelKind, LabelTexts};

use super::snapshot::Audience;
use crate::model::{DimId, Dimension, PastKey, PastQuery, PastRow, TOTAL_KEY_LEN, TotalRow};

use blocks::Series;
use walk::{changes, scrapes};

/// Times of the past in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastTimes {
    pub from: i64,
    pub to: i64,
    /// Start of the live counters, at zero.
    pub live: i64,
    pub step: i64,
}

/// Output of the past.
#[derive(Debug)]
pub enum PastOutput<W> {
    /// OpenMetrics, for `promtool tsdb create-blocks-from openmetrics`.
    Text(W),
    Blocks(BlockWriter),
}

/// Writes families one after the other.
#[derive(Debug)]
pub struct PastPage<W> {
    out: PastOutput<W>,
    texts: LabelTexts,
    /// Labels that a scrape would add.
    target: Vec<(String, String)>,
    times: PastTimes,
    series: u64,
    samples: u64,
}

/// How to compute the past of each counter, in the order of the exposition.
pub fn past_queries() -> Vec<PastQuery> {
    let families = stored_families().into_iter();
    families.filter_map(StoredFamily::past_query).collect()
}

/// One family being written.
#[derive(Debug)]
pub struct PastSeries<'p, W> {
    page: &'p mut PastPage<W>,
    family: &'static StoredFamily,
    key: Vec<LabelKind>,
    started: bool,
    /// Increases of one key of ids. OpenMetrics requires all lines of a metric together, so all steps
    /// of a key are kept.
    rows: Vec<PastRow>,
}

impl<W: Write> PastPage<W> {
    /// `names` are the interned values. The labels of `totals`, the live counters, have precedence
    /// under the caps.
    pub fn new(
        out: PastOutput<W>,
        caps: Caps,
        aliases: Aliases,
        names: &[(Dimension, DimId, &str, &str)],
        totals: &[TotalRow],
        times: PastTimes,
        target: &[(String, String)],
    ) -> Self {
        let mut texts = LabelTexts::new(caps, aliases);
        for (dimension, id, value, label) in names {
            texts.name(*dimension, *id, value, label);
        }
        texts.admit(label_ids(&stored_families(), totals));
        Self {
            out,
            texts,
            target: target.to_vec(),
            times,
            series: 0,
            samples: 0,
        }
    }

    /// The id whose label value `id` has.
    pub fn shown(&mut self, key: PastKey, id: u32) -> u32 {
        LabelKind::of_key(key).map_or(id, |kind| self.texts.shown(kind, id))
    }

    /// Begins a family. Its rows must come by key, then time.
    pub fn family(&mut self, query: &PastQuery) -> Option<PastSeries<'_, W>> {
        let mut families = stored_families().into_iter();
        let family = families.find(|family| family.id == query.family)?;
        Some(PastSeries {
            page: self,
            family,
            key: family.key(),
            started: false,
            rows: Vec::new(),
        })
    }

    /// Completes the output. Returns the numbers of series and samples.
    pub fn finish(mut self) -> io::Result<(u64, u64)> {
        match &mut self.out {
            PastOutput::Text(out) => {
                out.write_all(b"# EOF\n")?;
                out.flush()?;
            }
            PastOutput::Blocks(blocks) => blocks.finish()?,
        }
        Ok((self.series, self.samples))
    }

    /// Writes one metric over all of its time.
    fn metric(&mut self, metric: &Metric, rows: &[PastRow]) -> io::Result<()> {
        let lines = metric.lines.len() as u64;
        self.series += lines;
        let samples = &mut self.samples;
        match &mut self.out {
            PastOutput::Text(out) => {
                let heads: Vec<String> = metric.lines.iter().map(Line::head).collect();
                changes(rows, self.times, |time, cells| {
                    *samples += lines;
                    metric.write(out, &heads, time, cells)
                })
            }
            PastOutput::Blocks(blocks) => {
                let mut series: Vec<Series> = metric.lines.iter().map(Line::series).collect();
                scrapes(rows, self.times, |time, cells| {
                    *samples += lines;
                    for (line, series) in metric.lines.iter().zip(&mut series) {
                        blocks.push(series, time, line.value.double(cells))?;
                    }
                    Ok(())
                })?;
                series.iter_mut().try_for_each(|series| blocks.end(series))
            }
        }
    }
}

impl<W: Write> PastSeries<'_, W> {
    pub fn push(&mut self, row: PastRow) -> io::Result<()> {
        if self.rows.last().is_some_and(|last| last.key != row.key) {
            self.write_key()?;
        }
        self.rows.push(row);
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.write_key()
    }

    fn write_key(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let Some(first) = rows.first() else {
            return Ok(());
        };
        if !std::mem::replace(&mut self.started, true)
            && let PastOutput::Text(out) = &mut self.page.out
        {
            let mut head = String::new();
            Encoder::new(&mut head, Dialect::OpenMetrics, Audience::Reader)
                .head(&self.family.family);
            out.write_all(head.as_bytes())?;
        }
        for metric in metrics(self.family, &self.labels(&first.key)) {
            self.page.metric(&metric, &rows)?;
        }
        Ok(())
    }

    fn labels(&self, key: &[u32; TOTAL_KEY_LEN]) -> Vec<(String, String)> {
        let mut labels = self.page.target.clone();
        let parts = self.family.family.labels.iter().zip(&self.key);
        for ((name, kind), id) in parts.zip(key) {
            let text = self.page.texts.text(*kind, *id);
            labels.push(((*name).to_owned(), text.to_owned()));
        }
        labels
    }
}

/// The lines of one metric, which OpenMetrics requires to be together.
struct Metric {
    lines: Vec<Line>,
}

struct Line {
    name: String,
    /// In the order of the page.
    labels: Vec<(String, String)>,
    value: Value,
}

enum Value {
    /// The cell itself.
    Cell(usize),
    /// The sum of all cells up to this one.
    UpTo(usize),
    /// The cell in base units.
    Scaled(usize, u64),
}

impl Value {
    /// The value times a power of ten, and that power.
    fn scaled(&self, cells: &[u64]) -> (u64, u64) {
        let cell = |at: usize| cells.get(at).copied().unwrap_or(0);
        match *self {
            Self::Cell(at) => (cell(at), 1),
            Self::UpTo(at) => (cells.iter().take(at + 1).sum(), 1),
            Self::Scaled(at, scale) => (cell(at), scale),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
    fn double(&self, cells: &[u64]) -> f64 {
        let (value, scale) = self.scaled(cells);
        value as f64 / scale as f64
    }
}

impl Line {
    /// Name and labels, and a space.
    fn head(&self) -> String {
        let mut labels = String::new();
        for (name, value) in &self.labels {
            push_label(&mut labels, name, value);
        }
        format!("{}{{{labels}}} ", self.name)
    }

    fn series(&self) -> Series {
        let mut labels = self.labels.clone();
        labels.push(("__name__".to_owned(), self.name.clone()));
        // A label without a value is a label that is not there.
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort_unstable();
        Series::new(labels)
    }
}

impl Metric {
    fn write(
        &self,
        out: &mut impl Write,
        heads: &[String],
        time: i64,
        cells: &[u64],
    ) -> io::Result<()> {
        let mut end = " ".to_owned();
        push_decimal(&mut end, u64::try_from(time).unwrap_or(0), 1000, 0);
        end.push('\n');
        let mut text = String::new();
        for (line, head) in self.lines.iter().zip(heads) {
            text.clear();
            let (value, scale) = line.value.scaled(cells);
            push_decimal(&mut text, value, scale, 0);
            for part in [head, &text, &end] {
                out.write_all(part.as_bytes())?;
            }
        }
        Ok(())
    }
}

fn metrics(stored: &StoredFamily, labels: &[(String, String)]) -> Vec<Metric> {
    let family = &stored.family;
    let one = |suffix: &str, value| Line {
        name: format!("{}{suffix}", family.name),
        labels: labels.to_vec(),
        value,
    };
    match stored.cells {
        Cells::One { scale } => vec![Metric {
            lines: vec![one("", Value::Scaled(0, scale))],
        }],
        Cells::Time => vec![Metric {
            lines: vec![one("", Value::Cell(0))],
        }],
        Cells::Each { values, scale } => (values.0)()
            .into_iter()
            .enumerate()
            .map(|(at, value)| {
                let name = family.labels.last().copied().unwrap_or("");
                let mut line = one("", Value::Scaled(at, scale));
                line.labels.push((name.to_owned(), value.to_owned()));
                Metric { lines: vec![line] }
            })
            .collect(),
        Cells::Buckets(buckets) => vec![histogram(buckets, &one)],
        Cells::Summary => vec![Metric {
            lines: vec![
                one("_sum", Value::Scaled(0, 1000)),
                one("_count", Value::Cell(1)),
            ],
        }],
    }
}

fn histogram(buckets: Buckets, one: &dyn Fn(&str, Value) -> Line) -> Metric {
    let bounds = Bounds::new(buckets);
    let mut lines: Vec<Line> = bounds
        .limits()
        .enumerate()
        .map(|(at, limit)| {
            let mut line = one("_bucket", Value::UpTo(at));
            line.labels.push(("le".to_owned(), limit.to_owned()));
            line
        })
        .collect();
    let (counts, sum) = (buckets.bounds.len(), buckets.bounds.len() + 1);
    lines.push(one("_sum", Value::Scaled(sum, buckets.scale)));
    lines.push(one("_count", Value::UpTo(counts)));
    Metric { lines }
}
