//! Declaration of a counter. One row states everything about it: its family, its number in the
//! database, what an item adds to it, and the SQL that computes its past from stored events.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "declarations are constant, and a test reads them all"
)]

use super::family::{Buckets, Family, Kind};
use super::labels::LabelKind;
use crate::model::{LabelValue, NANOS_PER_USD, PastQuery, TotalRow, UnixNanos};

/// Largest number of values of a closed label.
pub(super) const MAX_VALUES: usize = 6;

/// A counter of the items that an `F` reads.
#[derive(Debug)]
pub(super) struct Counter<F> {
    pub(super) stored: StoredFamily,
    pub(super) amount: F,
}

/// What an item adds to a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amount<'a> {
    /// The counter does not count the item, so it gets no series.
    Nothing,
    /// Increase of a counter, observed value of a histogram or summary, or a time in nanoseconds.
    Of(u64),
    /// Increase for each value of the closed label.
    Each(&'a [u64; MAX_VALUES]),
    /// 1 for the value at this position of the closed label.
    OneAt(usize),
}

impl Amount<'_> {
    /// 1 if `counts`, else nothing.
    pub(super) const fn one_if(counts: bool) -> Self {
        if counts { Self::Of(1) } else { Self::Nothing }
    }
}

impl From<UnixNanos> for Amount<'_> {
    fn from(time: UnixNanos) -> Self {
        Self::Of(u64::try_from(time.get()).unwrap_or_default())
    }
}

impl From<Option<u64>> for Amount<'_> {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Self::Nothing, Self::Of)
    }
}

/// A family whose totals are stored in the database.
#[derive(Debug)]
pub(super) struct StoredFamily {
    /// Number in the database; never reused for another meaning.
    pub(super) id: u16,
    pub(super) family: Family,
    pub(super) cells: Cells,
    /// `None`: stored events do not contain it.
    past: Option<Past>,
}

/// SQL over the columns of `store::past`.
#[derive(Debug)]
struct Past {
    filter: &'static str,
    values: &'static [&'static str],
}

/// Layout of the numbers of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cells {
    /// One counter, in units of 1/`scale`.
    One { scale: u64 },
    /// One counter for each value of a last, closed label.
    Each { values: Values, scale: u64 },
    /// Observations per bucket (not cumulative), beyond the last bound, and the sum.
    Buckets(Buckets),
    /// Sum in milliseconds, count.
    Summary,
    /// Latest time in nanoseconds; 0 = never.
    Time,
}

/// The values of a closed label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values(pub(super) fn() -> Vec<&'static str>);

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        (self.0)() == (other.0)()
    }
}

impl Eq for Values {}

/// A counter of whole numbers.
pub(super) const fn counter(
    id: u16,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> StoredFamily {
    StoredFamily {
        id,
        family: Family {
            name,
            kind: Kind::Counter,
            labels,
            help,
        },
        cells: Cells::One { scale: 1 },
        past: None,
    }
}

impl StoredFamily {
    /// Its numbers are nano-dollars, exposed in dollars.
    pub(super) const fn usd(mut self) -> Self {
        self.cells = match self.cells {
            Cells::Each { values, .. } => Cells::Each {
                values,
                scale: NANOS_PER_USD,
            },
            Cells::One { .. } | Cells::Buckets(_) | Cells::Summary | Cells::Time => Cells::One {
                scale: NANOS_PER_USD,
            },
        };
        self
    }

    /// The last label has the values of `T`.
    pub(super) const fn by<T: LabelValue>(self) -> Self {
        self.by_values(all::<T>)
    }

    /// The last label has these values.
    pub(super) const fn by_values(mut self, values: fn() -> Vec<&'static str>) -> Self {
        self.cells = Cells::Each {
            values: Values(values),
            scale: 1,
        };
        self
    }

    pub(super) const fn histogram(mut self, buckets: Buckets) -> Self {
        self.family.kind = Kind::Histogram(buckets);
        self.cells = Cells::Buckets(buckets);
        self
    }

    /// A summary of milliseconds.
    pub(super) const fn summary(mut self) -> Self {
        self.family.kind = Kind::Summary;
        self.cells = Cells::Summary;
        self
    }

    /// A gauge of the latest time.
    pub(super) const fn latest_time(mut self) -> Self {
        self.family.kind = Kind::Gauge;
        self.cells = Cells::Time;
        self
    }

    /// SQL that computes the counter from stored events: the condition of the counted events, and
    /// the expressions whose sums are the cells.
    pub(super) const fn sql(
        mut self,
        filter: &'static str,
        values: &'static [&'static str],
    ) -> Self {
        self.past = Some(Past { filter, values });
        self
    }

    /// Completes the declaration.
    pub(super) const fn adds<F: Copy>(self, amount: F) -> Counter<F> {
        Counter {
            stored: self,
            amount,
        }
    }

    /// The labels that are not closed.
    fn open_labels(&self) -> &[&'static str] {
        let closed = usize::from(matches!(self.cells, Cells::Each { .. }));
        &self.family.labels[..self.family.labels.len() - closed]
    }

    /// Type of each part of a series' key, in label order.
    pub(super) fn key(&self) -> Vec<LabelKind> {
        let kind = |name: &&str| {
            LabelKind::named(self.family.name, name).expect("a test names the labels of all rows")
        };
        self.open_labels().iter().map(kind).collect()
    }

    /// Whether a new series is exposed at 0 first, because the first value of a series adds nothing
    /// to `increase()`. Series without a key exist from the start.
    pub(super) fn zero_first(&self) -> bool {
        !self.is_latest() && !self.open_labels().is_empty()
    }

    /// Numbers per series.
    pub(super) fn width(&self) -> usize {
        match self.cells {
            Cells::One { .. } | Cells::Time => 1,
            Cells::Summary => 2,
            Cells::Each { values, .. } => (values.0)().len(),
            Cells::Buckets(buckets) => buckets.bounds.len() + 2,
        }
    }

    /// Lines of one series in the exposition.
    pub(super) fn lines(&self) -> usize {
        match self.cells {
            Cells::Buckets(buckets) => buckets.bounds.len() + 3,
            Cells::One { .. } | Cells::Each { .. } | Cells::Summary | Cells::Time => self.width(),
        }
    }

    /// Those of a histogram.
    pub(super) fn buckets(&self) -> Option<Buckets> {
        match self.cells {
            Cells::Buckets(buckets) => Some(buckets),
            Cells::One { .. } | Cells::Each { .. } | Cells::Summary | Cells::Time => None,
        }
    }

    /// A gauge shows the latest of its totals, every other family their sum.
    pub(super) fn is_latest(&self) -> bool {
        self.cells == Cells::Time
    }

    /// `None` for a family that stored events do not contain.
    pub(super) fn past_query(&self) -> Option<PastQuery> {
        let past = self.past.as_ref()?;
        Some(PastQuery {
            family: self.id,
            key: self.key().into_iter().map(LabelKind::past_key).collect(),
            filter: past.filter,
            values: past.values,
            bounds: self.buckets().map_or(&[], |buckets| buckets.bounds),
        })
    }
}

fn all<T: LabelValue>() -> Vec<&'static str> {
    T::VALUES.iter().map(|value| value.as_label()).collect()
}

/// The label values in the keys of stored totals, with repetitions.
pub(super) fn label_ids(
    families: &[&'static StoredFamily],
    rows: &[TotalRow],
) -> impl Iterator<Item = (LabelKind, u32)> {
    let keys: Vec<(u16, Vec<LabelKind>)> = families.iter().map(|f| (f.id, f.key())).collect();
    rows.iter().flat_map(move |row| {
        let key = keys.iter().find(|(id, _)| *id == row.family);
        let key: Vec<LabelKind> = key.map(|(_, key)| key.clone()).unwrap_or_default();
        key.into_iter().zip(row.key)
    })
}
