//! Usage counters of limits: quotas, budgets and comparisons. Only committed events count.
//!
//! A separate thread adds the events of earlier runs from a snapshot that is taken before the first
//! round, so each event counts once. Nothing is published until all are added. After a change of the
//! rules or of stored amounts, new counters are filled; the old ones stay until these are complete.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::limit_gauges;
use super::stored_read::StoredRead;
use super::usage_entry::{UsageEntry, stored_entry};
use super::window_usage::WindowSpans;
use super::{Listener, wake_up::WakeUp};
use crate::budget::{Combos, Rules, UsageCounters};
use crate::errors::Chain;
use crate::metrics::{Counters, GaugeSet};
use crate::model::{DimId, Dimension, Route, UnixNanos};
use crate::store::{Ingest, NewName, Snapshot, Store, StoreError};

/// Number of events that are added under one lock.
const CHUNK: usize = 1000;
/// Time without another change of amounts after which the counters are filled again.
const QUIET: Duration = Duration::from_secs(3);
/// A clock that is set back by more than this makes the counters wrong: they have dropped events of
/// windows that seemed to be over.
const SET_BACK: Duration = Duration::from_mins(1);

/// Publishing thousands of quotas takes a while; the pause after it is this many times longer.
const PAUSE_FACTOR: u32 = 100;

/// The rules in use; a reload replaces them.
pub type SharedRules = Arc<ArcSwap<Rules>>;

/// Rules of the configuration, and their gauges.
#[derive(Clone, Debug)]
pub struct LimitParts {
    pub rules: SharedRules,
    /// Gauges of budgets and comparisons.
    pub gauges: GaugeSet,
    /// Quota windows whose usage is counted.
    pub windows: WindowSpans,
}

pub(super) struct LimitTracker {
    parts: LimitParts,
    rules: Arc<Rules>,
    usage: Arc<Mutex<UsageCounters>>,
    combos: Combos,
    combo_ids: Vec<DimId>,
    filling: Option<Filling>,
    /// Time since which the counters are wrong: amounts changed, or they could not be filled.
    stale: Option<Instant>,
    /// The latest time seen.
    latest: UnixNanos,
    wake_up: WakeUp,
    /// Earliest time of the next publication.
    next: Option<Instant>,
}

/// The thread that adds stored events.
struct Filling {
    usage: Arc<Mutex<UsageCounters>>,
    read: StoredRead<()>,
}

impl LimitTracker {
    pub(super) fn new(parts: LimitParts, now: UnixNanos, wake_up: WakeUp) -> Self {
        let rules = parts.rules.load_full();
        Self {
            usage: Arc::new(Mutex::new(UsageCounters::new(Arc::clone(&rules), now))),
            rules,
            parts,
            combos: Combos::default(),
            combo_ids: Vec::new(),
            filling: None,
            stale: None,
            latest: now,
            wake_up,
            next: None,
        }
    }

    /// Interns the combos; the transaction saves them.
    pub(super) fn begin(&mut self, store: &mut Ingest<'_>) {
        if self.combo_ids.len() != self.rules.combos.len() {
            let names = self.rules.combos.iter().map(|combo| &combo.name);
            self.combo_ids = names
                .map(|name| store.intern_configured(Dimension::Combo, name))
                .collect();
        }
    }

    /// `label` is the value of the metrics' label.
    pub(super) fn name(&mut self, name: &NewName, label: Option<&str>) {
        let NewName {
            dimension,
            id,
            value,
            ..
        } = name;
        self.combos.name(*dimension, *id, value);
        let texts = [value, name.label.as_str(), label.unwrap_or(value)];
        if is_selected(*dimension) {
            self.usage.lock().name(*dimension, *id, &texts);
            if let Some(filling) = &self.filling {
                filling.usage.lock().name(*dimension, *id, &texts);
            }
        }
    }

    pub(super) fn combos_of(&mut self, route: &Route) -> Vec<DimId> {
        if self.combo_ids.is_empty() {
            return Vec::new();
        }
        let combos = self.combos.resolve(&self.rules, route);
        #[expect(clippy::indexing_slicing, reason = "`begin` gives each combo its id")]
        combos.iter().map(|at| self.combo_ids[*at]).collect()
    }

    /// Adds committed events.
    pub(super) fn record(&self, events: &[UsageEntry]) {
        for usage in self.all_counters() {
            let mut usage = usage.lock();
            for (route, entry) in events {
                usage.record(route, entry);
            }
        }
    }

    /// Starts to add the stored events to new counters. Call between rounds.
    pub(super) fn fill(&mut self, store: &Store, now: UnixNanos) -> Result<(), StoreError> {
        let snapshot = store.snapshot()?;
        let usage = self.usage.lock().with_rules(Arc::clone(&self.rules), now);
        let usage = Arc::new(Mutex::new(usage));
        self.filling = Filling::start(snapshot, usage, now, self.wake_up.clone());
        self.stale = self.filling.is_none().then(Instant::now);
        self.latest = now;
        Ok(())
    }

    /// The amounts of stored events have changed.
    pub(super) fn amounts_changed(&mut self) {
        self.stale = Some(Instant::now());
    }

    /// Applies changed rules, and takes over counters that are complete. Call between rounds.
    pub(super) fn update(&mut self, store: &Store, now: UnixNanos) {
        let rules = self.parts.rules.load_full();
        let others = !Arc::ptr_eq(&rules, &self.rules);
        if others {
            self.rules = rules;
            self.combo_ids.clear();
            self.combos.forget();
        }
        self.take_filled();
        let set_back = self.latest.since(now) > SET_BACK;
        self.latest = if set_back { now } else { self.latest.max(now) };
        let changed = self.stale.is_some_and(|since| since.elapsed() >= QUIET);
        if (others || changed || set_back)
            && let Err(error) = self.fill(store, now)
        {
            tracing::warn!(error = %Chain(&error), "stored events could not be read for limits");
            self.stale = Some(Instant::now());
        }
    }

    /// Takes over counters that are complete.
    fn take_filled(&mut self) {
        let done = self.filling.take_if(|filling| filling.read.is_finished());
        let Some(Filling { usage, read }) = done else {
            return;
        };
        match read.join() {
            Ok(()) => self.usage = usage,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "stored events could not be read for limits");
                self.stale = Some(Instant::now());
            }
        }
    }

    /// Publishes the gauges and quotas once the counters are complete.
    pub(super) fn publish(
        &mut self,
        counters: &mut Counters,
        listener: &dyn Listener,
        now: UnixNanos,
    ) {
        let began = Instant::now();
        let mut usage = self.usage.lock();
        if !usage.is_complete() || self.next.is_some_and(|next| began < next) {
            return;
        }
        listener.local_quotas(limit_gauges::quotas(&mut usage, now));
        let samples = limit_gauges::samples(&mut usage, counters, now);
        drop(usage);
        self.parts.gauges.publish(samples);
        self.next = Some(Instant::now() + began.elapsed() * PAUSE_FACTOR);
    }

    fn all_counters(&self) -> impl Iterator<Item = &Arc<Mutex<UsageCounters>>> {
        let filling = self.filling.as_ref().map(|filling| &filling.usage);
        std::iter::once(&self.usage).chain(filling)
    }
}

impl Filling {
    fn start(
        snapshot: Snapshot,
        usage: Arc<Mutex<UsageCounters>>,
        now: UnixNanos,
        wake_up: WakeUp,
    ) -> Option<Self> {
        let filled = Arc::clone(&usage);
        let read = move |abandoned: &AtomicBool| fill(&snapshot, &filled, now, abandoned);
        match StoredRead::start("limits", wake_up, read) {
            Ok(read) => Some(Self { usage, read }),
            Err(error) => {
                tracing::warn!(%error, "cannot start a thread to read stored events for limits");
                None
            }
        }
    }
}

fn fill(
    snapshot: &Snapshot,
    usage: &Mutex<UsageCounters>,
    now: UnixNanos,
    abandoned: &AtomicBool,
) -> Result<(), StoreError> {
    let from = usage.lock().backfill_start(now);
    let mut chunk = Vec::with_capacity(CHUNK);
    snapshot.read(from, |event| {
        chunk.push(stored_entry(&event));
        if chunk.len() == CHUNK {
            record(usage, &mut chunk);
        }
        if abandoned.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    record(usage, &mut chunk);
    usage.lock().complete();
    Ok(())
}

fn record(usage: &Mutex<UsageCounters>, chunk: &mut Vec<UsageEntry>) {
    let mut usage = usage.lock();
    for (route, entry) in chunk.drain(..) {
        usage.record(&route, &entry);
    }
}

const fn is_selected(dimension: Dimension) -> bool {
    matches!(
        dimension,
        Dimension::Provider | Dimension::Account | Dimension::Client | Dimension::Model
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::no_windows;
    use super::*;
    use crate::budget::{Measure, Period, QuotaRule, Selector, Split};
    use crate::decode::{Decoder, HashKey};
    use crate::model::{Limit, Money};
    use crate::store::SpoolMark;

    const DAY: Duration = Duration::from_hours(24);
    /// 2026-11-24, noon.
    const NOON: UnixNanos = UnixNanos::from_millis(1_795_521_600_000);

    /// Requests of the last hour, of all accounts together.
    fn rules() -> Rules {
        Rules {
            quotas: vec![QuotaRule {
                name: Limit::new("hourly").unwrap(),
                selector: Selector::default(),
                measure: Measure::Requests,
                period: Period::rolling(Duration::from_hours(1)).unwrap(),
                split: Split::None,
                limit: None,
            }],
            ..Rules::default()
        }
    }

    /// A stored record of a minute before noon.
    fn store_one(store: &mut Store) {
        let record = r#"{"timestamp":"2026-11-24T11:59:00Z","provider":"codex","model":"a","tokens":{"input_tokens":3,"total_tokens":3}}"#;
        let decoder = Decoder::new(HashKey([7; 16]));
        let crate::decode::Decoded::Event(event) = decoder.decode(record.as_bytes()) else {
            panic!("no event");
        };
        let mut open = store.begin().unwrap();
        let route = open.intern(&event);
        open.event(&event, &route, &Money::default()).unwrap();
        let mark = SpoolMark::default();
        open.commit(std::iter::empty(), mark).unwrap();
    }

    /// Value of the quota once the counters are filled.
    fn used(limits: &mut LimitTracker, store: &Store, now: UnixNanos) -> u64 {
        let began = Instant::now();
        limits.update(store, now);
        while limits.filling.is_some() {
            assert!(began.elapsed() < Duration::from_mins(1), "never filled");
            // The thread's end wakes us.
            limits.wake_up.wait(Duration::from_millis(50));
            limits.update(store, now);
        }
        let mut usage = limits.usage.lock();
        let [quota] = usage.quotas(now).collect::<Vec<_>>()[..] else {
            panic!("one quota");
        };
        quota.count.used
    }

    #[test]
    fn a_clock_that_ran_ahead_makes_the_counters_wrong_only_while_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        store_one(&mut store);
        let parts = LimitParts {
            rules: Arc::new(ArcSwap::from_pointee(rules())),
            gauges: GaugeSet::default(),
            windows: no_windows(),
        };
        let mut limits = LimitTracker::new(parts, NOON, WakeUp::default());
        limits.fill(&store, NOON).unwrap();
        assert_eq!(used(&mut limits, &store, NOON), 1);
        assert_eq!(used(&mut limits, &store, NOON.saturating_add(DAY)), 0);
        assert_eq!(used(&mut limits, &store, NOON), 1);
        // A second back is no reason to read everything again.
        let before = UnixNanos::new(NOON.get() - 1_000_000_000);
        limits.update(&store, before);
        assert!(limits.filling.is_none());
    }
}
