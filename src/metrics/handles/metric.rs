//! Types of metrics that a part of the program sets, and the macro that declares them.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::super::encode::{Bounds, Encoder};
use super::super::family::{Buckets, Family, Kind};
use super::{as_f64, gauge, label};
use crate::model::LabelValue;

/// Declares the metrics of a part of the program: a field, and its name, labels and help.
macro_rules! metrics {
    (struct $struct:ident; $($field:ident: $type:ty, $name:literal, $labels:expr, $help:literal;)*) => {
        #[derive(Debug, Default)]
        struct $struct {
            $($field: $type,)*
        }

        impl $struct {
            /// In the order of the exposition.
            const FAMILIES: &'static [Family] = &[$(Family {
                name: $name,
                kind: <$type as Metric>::KIND,
                labels: $labels,
                help: $help,
            }),*];

            fn encode(&self, page: &mut Encoder<'_>) {
                let mut families = Self::FAMILIES.iter();
                $(if let Some(family) = families.next() {
                    self.$field.encode(page, family);
                })*
            }
        }
    };
}
pub(super) use metrics;

/// A metric with all its samples.
pub(super) trait Metric {
    const KIND: Kind;

    fn encode(&self, page: &mut Encoder<'_>, family: &Family);
}

/// A metric with one sample.
pub(super) trait Number {
    const KIND: Kind;

    /// `None` while it is unknown; then it is not exposed.
    fn number(&self) -> Option<f64>;
}

impl<N: Number> Metric for N {
    const KIND: Kind = N::KIND;

    fn encode(&self, page: &mut Encoder<'_>, family: &Family) {
        gauge(page, family, self.number());
    }
}

/// A gauge that is absent until its value is known.
#[derive(Debug)]
pub(super) struct Gauge(AtomicU64);

/// A quiet NaN that no arithmetic produces.
const UNKNOWN: u64 = 0x7ff8_dead_beef_0001;

impl Default for Gauge {
    fn default() -> Self {
        Self(AtomicU64::new(UNKNOWN))
    }
}

impl Gauge {
    pub(super) fn set(&self, value: f64) {
        self.set_or_clear(Some(value));
    }

    pub(super) fn set_bool(&self, value: bool) {
        self.set(f64::from(u8::from(value)));
    }

    pub(super) fn set_or_clear(&self, value: Option<f64>) {
        let bits = value.map_or(UNKNOWN, f64::to_bits);
        self.0.store(bits, Ordering::Relaxed);
    }
}

impl Number for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn number(&self) -> Option<f64> {
        let bits = self.0.load(Ordering::Relaxed);
        (bits != UNKNOWN).then(|| f64::from_bits(bits))
    }
}

impl Number for Counter {
    const KIND: Kind = Kind::Counter;

    fn number(&self) -> Option<f64> {
        Some(as_f64(self.get()))
    }
}

/// A counter of seconds, exact to the millisecond.
#[derive(Debug, Default)]
pub(super) struct SecondsCounter(Counter);

impl SecondsCounter {
    pub(super) fn add(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.inc_by(millis);
    }
}

impl Number for SecondsCounter {
    const KIND: Kind = Kind::Counter;

    fn number(&self) -> Option<f64> {
        Some(as_f64(self.0.get()) / 1000.0)
    }
}

/// A number for each value of the family's only label.
#[derive(Debug)]
pub(super) struct By<T, N> {
    numbers: Vec<N>,
    values: PhantomData<T>,
}

impl<T: LabelValue, N: Default> Default for By<T, N> {
    fn default() -> Self {
        Self {
            numbers: T::VALUES.iter().map(|_| N::default()).collect(),
            values: PhantomData,
        }
    }
}

impl<T: LabelValue, N> By<T, N> {
    #[expect(clippy::indexing_slicing, reason = "each value has a number")]
    pub(super) fn of(&self, value: T) -> &N {
        &self.numbers[value.index()]
    }
}

impl<T: LabelValue, N: Number> Metric for By<T, N> {
    const KIND: Kind = N::KIND;

    fn encode(&self, page: &mut Encoder<'_>, family: &Family) {
        page.head(family);
        let name = family.labels.first().copied().unwrap_or_default();
        for (value, number) in T::VALUES.iter().zip(&self.numbers) {
            if let Some(number) = number.number() {
                page.sample(family, &label(name, value.as_label()), number);
            }
        }
    }
}

/// A gauge for each value of a label: 1 for the current value, 0 for the others.
pub(super) type OneOf<T> = By<T, Flag>;

/// 0 or 1.
#[derive(Debug, Default)]
pub(super) struct Flag(AtomicU64);

impl<T: LabelValue> OneOf<T> {
    pub(super) fn set(&self, current: Option<T>) {
        let current = current.map(T::index);
        for (at, flag) in self.numbers.iter().enumerate() {
            let is_current = u64::from(current == Some(at));
            flag.0.store(is_current, Ordering::Relaxed);
        }
    }
}

impl Number for Flag {
    const KIND: Kind = Kind::Gauge;

    fn number(&self) -> Option<f64> {
        Some(as_f64(self.0.load(Ordering::Relaxed)))
    }
}

/// The buckets of a [`Histogram`].
pub(super) trait BucketsOf {
    const BUCKETS: Buckets;
}

/// A histogram without labels.
#[derive(Debug)]
pub(super) struct Histogram<B> {
    /// Observations per bucket (not cumulative), beyond the last bound, and the sum.
    cells: Vec<AtomicU64>,
    buckets: PhantomData<B>,
}

impl<B: BucketsOf> Default for Histogram<B> {
    fn default() -> Self {
        let cells = 0..B::BUCKETS.bounds.len() + 2;
        Self {
            cells: cells.map(|_| AtomicU64::default()).collect(),
            buckets: PhantomData,
        }
    }
}

impl<B: BucketsOf> Histogram<B> {
    /// `value` is in the raw units of the buckets.
    pub(super) fn observe(&self, value: u64) {
        let bucket = B::BUCKETS.bounds.partition_point(|bound| *bound < value);
        let cells = [(self.cells.get(bucket), 1), (self.cells.last(), value)];
        for (cell, n) in cells {
            cell.map(|cell| cell.fetch_add(n, Ordering::Relaxed));
        }
    }
}

impl<B: BucketsOf> Metric for Histogram<B> {
    const KIND: Kind = Kind::Histogram(B::BUCKETS);

    fn encode(&self, page: &mut Encoder<'_>, family: &Family) {
        let cells = self.cells.iter().map(|cell| cell.load(Ordering::Relaxed));
        let cells: Vec<u64> = cells.collect();
        page.head(family);
        page.histogram(family, "", &Bounds::new(B::BUCKETS), &cells, &[]);
    }
}
