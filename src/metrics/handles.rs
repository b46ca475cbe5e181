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
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub use account_errors::AccountErrors;
pub use exporter::{BuildInfo, ExporterMetrics, LogCounts};
pub use gauge_set::{GaugeSet, Samples};
pub use polls::PollMetrics;
pub use source::{ReconnectReason, SourceMetrics};
pub use store::{Loss, StoreFile, StoreMetrics, StoreSizes};

use super::catalogue::{accounts, budgets, gateway};
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
    /// The families of a gateway's log.
    pub gateway: GaugeSet,
    /// The families of a gateway's channels and tokens.
    pub gateway_objects: GaugeSet,
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
            gateway: GaugeSet::default(),
            gateway_objects: GaugeSet::default(),
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
        self.gateway.encode(page, gateway::GAUGES);
        self.gateway_objects.encode(page, gateway::GAUGES);
        self.source.encode(page);
        self.store.encode(page);
        let sets = [&self.quotas, &self.budgets, &self.gateway_objects];
        let left_out = sets.into_iter().map(GaugeSet::left_out).sum();
        self.exporter.encode(page, snapshot, left_out);
        process::encode(page);
    }
}

/// How long a known loss makes the picture incomplete.
const RECENTLY: Duration = Duration::from_hours(1);

/// Whether the exporter can know of a loss at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContactState {
    /// CPA has never been reached.
    #[default]
    Never,
    /// The queue was read within CPA's retention.
    Good,
    /// It was not, and CPA may run: records may be expiring.
    Lost,
    /// CPA does not run: its port is closed.
    Down,
}

/// When something was last known to be missing from the records.
#[derive(Clone, Debug)]
pub struct Losses {
    start: Instant,
    /// Milliseconds from `start`, negative for a loss in an earlier run; [`i64::MIN`] = never.
    last: Arc<AtomicI64>,
    contact: Arc<Mutex<ContactState>>,
    store: StoreMetrics,
}

impl Default for Losses {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            last: Arc::new(AtomicI64::new(i64::MIN)),
            contact: Arc::default(),
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
        self.last.fetch_max(self.now(), Ordering::Relaxed);
    }

    /// A loss that an earlier run has noted.
    pub fn restore(&self, age: Duration) {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        self.last
            .fetch_max(self.now().saturating_sub(age), Ordering::Relaxed);
    }

    /// Time since the last loss.
    pub fn age(&self) -> Option<Duration> {
        let last = Some(self.last.load(Ordering::Relaxed)).filter(|last| *last != i64::MIN)?;
        let age = self.now().saturating_sub(last);
        Some(Duration::from_millis(u64::try_from(age).unwrap_or(0)))
    }

    pub fn set_contact(&self, state: ContactState) {
        *self.contact.lock() = state;
    }

    fn now(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// `None` while nothing is known.
    fn complete(&self) -> Option<bool> {
        if self.age().is_some_and(|age| age <= RECENTLY) {
            return Some(false);
        }
        match *self.contact.lock() {
            ContactState::Never | ContactState::Down => None,
            ContactState::Good => Some(true),
            ContactState::Lost => Some(false),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_is_unknown_without_contact_and_false_for_an_hour_after_a_loss() {
        let losses = Losses::default();
        let states = |losses: &Losses| {
            use ContactState::{Down, Good, Lost, Never};
            [Never, Good, Lost, Down].map(|state| {
                losses.set_contact(state);
                losses.complete()
            })
        };
        let no_loss = [None, Some(true), Some(false), None];
        assert_eq!((losses.age(), states(&losses)), (None, no_loss));
        // A loss of an earlier run that is too old.
        losses.restore(RECENTLY + Duration::from_secs(1));
        assert_eq!(states(&losses), no_loss);
        let earlier = Duration::from_mins(59);
        losses.restore(earlier);
        assert!(
            losses
                .age()
                .is_some_and(|age| age >= earlier && age < RECENTLY)
        );
        assert_eq!(states(&losses), [Some(false); 4]);
        losses.note();
        losses.restore(earlier);
        assert!(losses.age().is_some_and(|age| age < earlier));
    }
}
