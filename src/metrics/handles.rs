//! Facts about this process: handles that the parts hold and set, read when a page is rendered.

mod account_errors;
mod exporter;
mod gauge_set;
mod polls;
mod process;
pub(super) mod source;
pub(super) mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

pub use account_errors::AccountErrors;
pub use exporter::{BuildInfo, ExporterMetrics, LogCounts};
pub use gauge_set::{GaugeSet, Samples};
pub use polls::PollMetrics;
pub use source::SourceMetrics;
pub use store::{StoreMetrics, StoreSizes};

use super::catalogue::{Family, accounts, budgets, ingest};
use super::encode::Encoder;
use super::snapshot::Snapshot;

/// All handles; each part gets its own.
#[derive(Clone, Debug)]
pub struct Handles {
    pub losses: Losses,
    pub source: SourceMetrics,
    pub store: StoreMetrics,
    pub exporter: ExporterMetrics,
    /// The account directory's families.
    pub accounts: GaugeSet,
    pub account_errors: AccountErrors,
    /// The quota readings' families.
    pub quotas: GaugeSet,
    pub polls: PollMetrics,
    /// The families of budgets and comparisons.
    pub budgets: GaugeSet,
}

impl Handles {
    pub fn new(build: BuildInfo, log_counts: LogCounts) -> Self {
        let losses = Losses::default();
        Self {
            source: SourceMetrics::new(losses.clone()),
            store: StoreMetrics::default(),
            accounts: GaugeSet::default(),
            account_errors: AccountErrors::default(),
            quotas: GaugeSet::default(),
            polls: PollMetrics::default(),
            budgets: GaugeSet::default(),
            exporter: ExporterMetrics::new(build, log_counts),
            losses,
        }
    }

    pub(super) fn encode(&self, page: &mut Encoder<'_>, snapshot: &Snapshot) {
        self.accounts.encode(page, accounts::ALL);
        self.account_errors.encode(page);
        self.quotas.encode(page, accounts::ALL);
        self.polls.encode(page);
        self.budgets.encode(page, budgets::ALL);
        self.source.encode(page);
        let complete = f64::from(u8::from(self.losses.none_lately()));
        gauge(page, &ingest::INGEST_COMPLETE, Some(complete));
        self.store.encode(page);
        let left_out = self.quotas.left_out() + self.budgets.left_out();
        self.exporter.encode(page, snapshot, left_out);
        process::encode(page);
    }
}

/// How long a known loss makes the picture incomplete.
const LATELY: Duration = Duration::from_hours(1);

/// When something was last known to be missing from the records.
#[derive(Clone, Debug)]
pub struct Losses {
    start: Instant,
    /// Milliseconds from `start`, plus one; 0 = never.
    last: Arc<AtomicU64>,
}

impl Default for Losses {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            last: Arc::default(),
        }
    }
}

impl Losses {
    pub fn note(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.fetch_max(millis + 1, Ordering::Relaxed);
    }

    fn none_lately(&self) -> bool {
        match self.last.load(Ordering::Relaxed).checked_sub(1) {
            None => true,
            Some(millis) => {
                self.start
                    .elapsed()
                    .saturating_sub(Duration::from_millis(millis))
                    > LATELY
            }
        }
    }
}

/// A gauge that is left out while its value is unknown.
fn gauge(page: &mut Encoder<'_>, family: &Family, value: Option<f64>) {
    if let Some(value) = value {
        page.head(family);
        page.sample(family, "", value);
    }
}

/// A gauge for each name: 1 for the one at `position`, 0 for the others.
fn one_of(
    page: &mut Encoder<'_>,
    family: &Family,
    name: &str,
    values: &[&str],
    position: Option<f64>,
) {
    page.head(family);
    for (at, value) in (0_u32..).zip(values) {
        let is_it = position.is_some_and(|position| (position - f64::from(at)).abs() < 0.5);
        page.sample(family, &label(name, value), f64::from(u8::from(is_it)));
    }
}

fn counter(page: &mut Encoder<'_>, family: &Family, counter: &Counter) {
    page.head(family);
    page.sample(family, "", as_f64(counter.get()));
}

fn counters(
    page: &mut Encoder<'_>,
    family: &Family,
    name: &str,
    values: &[&str],
    counters: &[Counter],
) {
    page.head(family);
    for (value, counter) in values.iter().zip(counters) {
        page.sample(family, &label(name, value), as_f64(counter.get()));
    }
}

/// A number that is absent until it is known.
#[derive(Debug)]
struct Known(AtomicU64);

/// A quiet NaN that no arithmetic makes.
const UNKNOWN: u64 = 0x7ff8_dead_beef_0001;

impl Default for Known {
    fn default() -> Self {
        Self(AtomicU64::new(UNKNOWN))
    }
}

impl Known {
    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(UNKNOWN, Ordering::Relaxed);
    }

    fn get(&self) -> Option<f64> {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => None,
            bits => Some(f64::from_bits(bits)),
        }
    }
}

/// As a gauge or counter shows it. Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
fn as_f64(value: u64) -> f64 {
    value as f64
}

fn label(name: &str, value: &str) -> String {
    let mut out = String::new();
    super::encode::push_label(&mut out, name, value);
    out
}
