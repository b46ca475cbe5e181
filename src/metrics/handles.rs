//! Facts about this process: handles that the parts hold and set, read when a page is rendered.

mod account_errors;
mod exporter;
mod gauge_set;
mod metric;
mod polls;
mod process;
mod source;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use account_errors::AccountErrors;
pub use exporter::{BuildInfo, ExporterMetrics, LogCounts};
pub use gauge_set::{GaugeSet, Samples};
pub use polls::PollMetrics;
pub use source::{ReconnectReason, SourceMetrics};
pub use store::{Loss, StoreFile, StoreMetrics, StoreSizes};

use super::catalogue::{accounts, budgets};
use super::encode::Encoder;
use super::family::Family;
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
        let store = StoreMetrics::default();
        let losses = Losses {
            store: store.clone(),
            ..Losses::default()
        };
        Self {
            source: SourceMetrics::new(losses.clone()),
            store,
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
        self.store.encode(page);
        let left_out = self.quotas.left_out() + self.budgets.left_out();
        self.exporter.encode(page, snapshot, left_out);
        process::encode(page);
    }
}

/// How long a known loss makes the picture incomplete.
const RECENTLY: Duration = Duration::from_hours(1);

/// When something was last known to be missing from the records.
#[derive(Clone, Debug)]
pub struct Losses {
    start: Instant,
    /// Milliseconds from `start`, plus one; 0 = never.
    last: Arc<AtomicU64>,
    store: StoreMetrics,
}

impl Default for Losses {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            last: Arc::default(),
            store: StoreMetrics::default(),
        }
    }
}

impl Losses {
    /// Counts losses and notes their time.
    pub fn count(&self, loss: Loss, number: u64) {
        if number > 0 {
            self.store.count_losses(loss, number);
            self.note();
        }
    }

    pub fn note(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.fetch_max(millis + 1, Ordering::Relaxed);
    }

    fn none_recently(&self) -> bool {
        match self.last.load(Ordering::Relaxed).checked_sub(1) {
            None => true,
            Some(millis) => {
                self.start
                    .elapsed()
                    .saturating_sub(Duration::from_millis(millis))
                    > RECENTLY
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
