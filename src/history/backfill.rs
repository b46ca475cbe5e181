//! Exports stored events as past samples of the counters, as TSDB blocks or as OpenMetrics.
//!
//! The export ends where the live counters start: they start at zero, and so does the last sample
//! of each series. A later end is useful for a Prometheus that was installed after the exporter;
//! from the first live event on, only events that the live counters count are exported.

use std::io::{self, Write};
use std::time::Duration;

use crate::metrics::{Aliases, Caps, PastOutput, PastPage, PastTimes, past_queries};
use crate::model::{DimId, Dimension, FailureReason, PastKey, UnixNanos};
use crate::store::{Extent, NewName, PastRange, Reader, StoreError};

/// Maximum number of steps: the samples of one series are held in memory.
const MAX_STEPS: i64 = 2_000_000;

#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    #[error("database")]
    Store(#[from] StoreError),
    #[error("output")]
    Write(#[from] io::Error),
    #[error("the range ends before it begins")]
    Empty,
    #[error("the range has {0} steps, more than {MAX_STEPS}; use longer steps or a shorter range")]
    TooLong(i64),
    #[error("a step is 1s to 4m; a longer one would make the series stale between samples")]
    Step,
}

/// Options of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// `None`: from the first event on.
    pub from: Option<UnixNanos>,
    /// `None`: until the live counters start, or now.
    pub to: Option<UnixNanos>,
    pub step: Duration,
}

/// Result of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backfill {
    pub series: u64,
    pub samples: u64,
    pub from: UnixNanos,
    pub to: UnixNanos,
    /// Whether the range overlaps the time of the live counters.
    pub joins_live: bool,
    /// Imported events in the overlap, which are not exported.
    pub left_out: u64,
}

impl Backfill {
    /// Writes the samples. `target` are the labels that a scrape adds.
    pub fn write(
        reader: &Reader,
        out: PastOutput<impl Write>,
        range: Range,
        now: UnixNanos,
        (caps, aliases): (Caps, Aliases),
        target: &[(String, String)],
    ) -> Result<Self, BackfillError> {
        // A running exporter continues to write; all families must be read from one snapshot.
        reader.hold()?;
        let asked = range.within(&reader.extent()?, now)?;
        let PastRange {
            from,
            to,
            live,
            step_ms,
        } = asked;
        let times = PastTimes {
            from: from.as_millis(),
            to: to.as_millis(),
            live: live.as_millis(),
            step: step_ms,
        };
        let names = reader.names()?;
        let texts: Vec<_> = names.iter().map(as_text).collect();
        let totals = reader.totals()?;
        let mut page = PastPage::new(out, caps, aliases, &texts, &totals, times, target);
        show(reader, &mut page, &names)?;
        for query in past_queries() {
            let Some(mut series) = page.family(&query) else {
                continue;
            };
            reader.past(&query, asked, |row| {
                series.push(row).map_err(BackfillError::from)
            })?;
            series.finish()?;
        }
        let (series, samples) = page.finish()?;
        let joins_live = to > live;
        Ok(Self {
            series,
            samples,
            from,
            to,
            joins_live,
            left_out: if joins_live {
                reader.imported_since(live, to)?
            } else {
                0
            },
        })
    }
}

impl Range {
    /// Fills the open ends of the range from the stored events.
    fn within(&self, extent: &Extent, now: UnixNanos) -> Result<PastRange, BackfillError> {
        let step_ms = i64::try_from(self.step.as_millis()).unwrap_or(i64::MAX);
        if !(1000..=240_000).contains(&step_ms) {
            return Err(BackfillError::Step);
        }
        let live = extent.live.unwrap_or(UnixNanos::new(i64::MAX));
        let to = self.to.unwrap_or(live.min(now));
        let from = self.from.or(extent.first).unwrap_or(to).min(to);
        if self.from.is_some_and(|from| from > to) {
            return Err(BackfillError::Empty);
        }
        let steps = (to.as_millis() - from.as_millis()) / step_ms;
        if steps > MAX_STEPS {
            return Err(BackfillError::TooLong(steps));
        }
        Ok(PastRange {
            from,
            to,
            live,
            step_ms,
        })
    }
}

fn as_text(name: &NewName) -> (Dimension, DimId, &str, &str) {
    (name.dimension, name.id, &name.value, &name.label)
}

/// Registers every id that can be a label value. Ids with the same value are sorted together, so
/// the reader gets the mapping.
fn show<W: Write>(
    reader: &Reader,
    page: &mut PastPage<W>,
    names: &[NewName],
) -> Result<(), BackfillError> {
    let statuses = reader.failure_statuses()?;
    let statuses = statuses.into_iter().map(|status| (PastKey::Status, status));
    let reasons = FailureReason::ALL.map(|reason| (PastKey::Reason, u32::from(reason.code())));
    let names = names
        .iter()
        .map(|name| (PastKey::Interned(name.dimension), name.id.0));
    let changes: Vec<_> = names
        .chain(statuses)
        .chain(reasons)
        .map(|(key, id)| (key, id, page.shown(key, id)))
        .filter(|(_, id, shown)| id != shown)
        .collect();
    reader.show_as(&changes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_ends_cover_the_events_before_the_live_counters() {
        let at = UnixNanos::from_millis;
        let extent = Extent {
            first: Some(at(10_000)),
            last: Some(at(90_000)),
            live: Some(at(50_000)),
        };
        let within = |from: Option<i64>, to: Option<i64>, step: u64| {
            let range = Range {
                from: from.map(at),
                to: to.map(at),
                step: Duration::from_millis(step),
            };
            let found = range.within(&extent, at(100_000));
            found.map(|found| [found.from, found.to].map(UnixNanos::as_millis))
        };
        assert_eq!(within(None, None, 1000).unwrap(), [10_000, 50_000]);
        assert_eq!(
            within(Some(20_000), Some(60_000), 1000).unwrap(),
            [20_000, 60_000]
        );
        // A range before all events is empty but valid.
        assert_eq!(within(None, Some(5000), 1000).unwrap(), [5000, 5000]);
        for step in [999, 240_001] {
            let refused = within(None, None, step);
            assert!(matches!(refused, Err(BackfillError::Step)), "{step}");
        }
        let backwards = within(Some(60_000), None, 1000);
        assert!(matches!(backwards, Err(BackfillError::Empty)));
        let long = within(Some(0), Some((MAX_STEPS + 1) * 1000), 1000);
        assert!(matches!(long, Err(BackfillError::TooLong(_))));
    }
}
