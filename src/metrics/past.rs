//! The past of the counters, as OpenMetrics with timestamps: with the names and labels of the page,
//! from zero on.
//!
//! A series is written as scrapes would have seen it, without the scrapes that saw nothing new: a
//! sample before and after each change, and one now and then, so that it never looks gone.

mod walk;

use std::io::{self, Write};

use super::catalogue::{Buckets, Family};
use super::encode::{Bounds, Dialect, Encoder, push_decimal, push_label};
use super::labels::{Aliases, Caps, LabelKind, LabelTexts};
use super::restored::{Cells, RESTORED, Restored, at};
use super::snapshot::Audience;
use crate::model::{
    DimId, Dimension, NANOS_PER_USD, PastFamily, PastKey, PastRow, TOTAL_KEY_LEN, TotalRow,
};

use walk::walk;

/// Times of the past in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastTimes {
    pub from: i64,
    pub to: i64,
    /// The live counters began here, at zero.
    pub live: i64,
    pub step: i64,
}

/// Writes families one after the other.
#[derive(Debug)]
pub struct PastPage<W> {
    out: W,
    texts: LabelTexts,
    /// Labels that a scrape would add, rendered.
    target: String,
    times: PastTimes,
    series: u64,
    samples: u64,
}

/// Upper bounds of the family's buckets; none for a family that is no histogram.
pub fn past_bounds(family: PastFamily) -> &'static [u64] {
    match restored(family).map(|def| def.cells) {
        Some(Cells::Buckets(buckets)) => buckets.bounds,
        Some(
            Cells::One
            | Cells::Kinds(_)
            | Cells::Summary
            | Cells::Time
            | Cells::Usd
            | Cells::UsdKinds(_),
        )
        | None => &[],
    }
}

/// One family under way.
#[derive(Debug)]
pub struct PastSeries<'p, W> {
    page: &'p mut PastPage<W>,
    def: &'static Restored,
    key: PastFamily,
    started: bool,
    /// What one key of ids grew by. Its lines are written one metric at a time, as OpenMetrics
    /// wants it, so all steps of a key are held.
    rows: Vec<PastRow>,
}

impl<W: Write> PastPage<W> {
    /// `names` are the interned values and `totals` the live counters, whose labels come first
    /// where a cap does not let all in.
    pub fn new(
        out: W,
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
        texts.admit(totals);
        let mut labels = String::new();
        for (name, value) in target {
            push_label(&mut labels, name, value);
        }
        Self {
            out,
            texts,
            target: labels,
            times,
            series: 0,
            samples: 0,
        }
    }

    /// The id as which `id` is shown.
    pub fn shown(&mut self, key: PastKey, id: u32) -> u32 {
        label_kind(key).map_or(id, |kind| self.texts.shown(kind, id))
    }

    /// Begins a family. Its rows must come by key, then time.
    pub fn family(&mut self, family: PastFamily) -> Option<PastSeries<'_, W>> {
        Some(PastSeries {
            def: restored(family)?,
            page: self,
            key: family,
            started: false,
            rows: Vec::new(),
        })
    }

    /// The end of the text, and how many series and samples it holds.
    pub fn finish(mut self) -> io::Result<(u64, u64)> {
        self.out.write_all(b"# EOF\n")?;
        self.out.flush()?;
        Ok((self.series, self.samples))
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
        if !std::mem::replace(&mut self.started, true) {
            let mut head = String::new();
            Encoder::new(&mut head, Dialect::OpenMetrics, Audience::Reader).head(self.def.family);
            self.page.out.write_all(head.as_bytes())?;
        }
        for metric in metrics(self.def, &self.labels(&first.key)) {
            self.page.series += metric.lines.len() as u64;
            let times = self.page.times;
            walk(&rows, times, |time, cells| {
                self.page.samples += metric.lines.len() as u64;
                metric.write(&mut self.page.out, time, cells)
            })?;
        }
        Ok(())
    }

    fn labels(&self, key: &[u32; TOTAL_KEY_LEN]) -> String {
        let mut labels = self.page.target.clone();
        let parts = self.def.family.labels.iter().zip(self.key.key());
        for ((name, part), id) in parts.zip(key) {
            let text = label_kind(*part).map_or("", |kind| self.page.texts.text(kind, *id));
            push_label(&mut labels, name, text);
        }
        labels
    }
}

/// Lines that belong to one metric in the sense of OpenMetrics, and so stand together.
struct Metric {
    lines: Vec<Line>,
}

struct Line {
    /// Name and labels.
    head: String,
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

impl Metric {
    fn write(&self, out: &mut impl Write, time: i64, cells: &[u64]) -> io::Result<()> {
        let mut end = " ".to_owned();
        push_decimal(&mut end, u64::try_from(time).unwrap_or(0), 1000, 0);
        end.push('\n');
        let cell = |at: usize| cells.get(at).copied().unwrap_or(0);
        let mut value = String::new();
        for line in &self.lines {
            value.clear();
            match line.value {
                Value::Cell(at) => push_decimal(&mut value, cell(at), 1, 0),
                Value::UpTo(at) => {
                    push_decimal(&mut value, cells.iter().take(at + 1).sum(), 1, 0);
                }
                Value::Scaled(at, scale) => push_decimal(&mut value, cell(at), scale, 0),
            }
            for part in [&line.head, &value, &end] {
                out.write_all(part.as_bytes())?;
            }
        }
        Ok(())
    }
}

fn metrics(def: &Restored, labels: &str) -> Vec<Metric> {
    let family = def.family;
    let with = |more: &str| {
        let comma = if labels.is_empty() || more.is_empty() {
            ""
        } else {
            ","
        };
        format!("{{{labels}{comma}{more}}} ")
    };
    let one = |suffix: &str, value| Line {
        head: format!("{}{suffix}{}", family.name, with("")),
        value,
    };
    match def.cells {
        Cells::Usd => vec![Metric {
            lines: vec![one("", Value::Scaled(0, NANOS_PER_USD))],
        }],
        // Events keep their value as a whole.
        Cells::UsdKinds(_) => Vec::new(),
        Cells::One | Cells::Time => vec![Metric {
            lines: vec![one("", Value::Cell(0))],
        }],
        Cells::Kinds(kinds) => kinds()
            .into_iter()
            .enumerate()
            .map(|(at, kind)| {
                let mut more = String::new();
                push_label(&mut more, family.labels.last().copied().unwrap_or(""), kind);
                Metric {
                    lines: vec![Line {
                        head: format!("{}{}", family.name, with(&more)),
                        value: Value::Cell(at),
                    }],
                }
            })
            .collect(),
        Cells::Buckets(buckets) => vec![histogram(family, buckets, labels, &one)],
        Cells::Summary => vec![Metric {
            lines: vec![
                one("_sum", Value::Scaled(0, 1000)),
                one("_count", Value::Cell(1)),
            ],
        }],
    }
}

fn histogram(
    family: &Family,
    buckets: Buckets,
    labels: &str,
    one: &dyn Fn(&str, Value) -> Line,
) -> Metric {
    let comma = if labels.is_empty() { "" } else { "," };
    let bounds = Bounds::new(buckets);
    let mut lines: Vec<Line> = bounds
        .suffixes()
        .enumerate()
        .map(|(at, suffix)| Line {
            head: format!("{}_bucket{{{labels}{comma}{suffix}", family.name),
            value: Value::UpTo(at),
        })
        .collect();
    let (counts, sum) = (buckets.bounds.len(), buckets.bounds.len() + 1);
    lines.push(one("_sum", Value::Scaled(sum, buckets.scale)));
    lines.push(one("_count", Value::UpTo(counts)));
    Metric { lines }
}

fn restored(family: PastFamily) -> Option<&'static Restored> {
    RESTORED.get(match family {
        PastFamily::Requests => at::REQUESTS,
        PastFamily::Failures => at::FAILURES,
        PastFamily::Tokens => at::TOKENS,
        PastFamily::Duration => at::DURATION,
        PastFamily::FirstToken => at::FIRST_TOKEN,
        PastFamily::OutputToken => at::OUTPUT_TOKEN,
        PastFamily::Endpoint => at::ENDPOINT,
        PastFamily::Tier => at::TIER,
        PastFamily::ClientRequests => at::CLIENT_REQUESTS,
        PastFamily::ClientFailures => at::CLIENT_FAILURES,
        PastFamily::ClientTokens => at::CLIENT_TOKENS,
        PastFamily::Quality => at::QUALITY,
        PastFamily::AccountDuration => at::ACCOUNT_DURATION,
        PastFamily::ListValue => at::LIST_VALUE,
        PastFamily::Cost => at::COST,
        PastFamily::ClientListValue => at::CLIENT_LIST_VALUE,
        PastFamily::ClientCost => at::CLIENT_COST,
        PastFamily::UnpricedRequests => at::UNPRICED_REQUESTS,
        PastFamily::UnpricedTokens => at::UNPRICED_TOKENS,
    })
}

fn label_kind(key: PastKey) -> Option<LabelKind> {
    match key {
        PastKey::Of(dimension) => LabelKind::of(dimension),
        PastKey::Status => Some(LabelKind::Code),
        PastKey::Reason => Some(LabelKind::Reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_live_counters() {
        for family in PastFamily::ALL {
            let def = restored(family).unwrap();
            let key: Vec<_> = family.key().iter().filter_map(|k| label_kind(*k)).collect();
            assert_eq!(key, def.key, "{}", def.family.name);
        }
    }
}
