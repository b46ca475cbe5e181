//! Reads CPA's published state: exposes its switches and its clock, and finds out whether records are
//! missing ([`completeness`](super::completeness)).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::completeness::{
    Balance, Comparison, EarlierRun, Finding, Judgement, Sample, StatisticsOff, Taking, growth,
};
use super::context::{Settings, Shared};
use super::history::Keeper;
use super::http_queue::http_pause;
use super::plan::ModeSetting;
use super::report;
use crate::cpa::{Counts, CpaState, CpaStates, ReadRequests, Server};
use crate::metrics::{ContactState, SourceMetrics};
use crate::model::IngestMode;

/// Smaller clock skew is not logged.
const SKEW_TO_LOG: f64 = 5.0;
/// Pause between two early reads after a silence.
const READ_PAUSE: Duration = Duration::from_secs(5);

/// Dependencies of the checks.
#[derive(Debug)]
pub(super) struct CheckParts {
    pub(super) settings: Settings,
    pub(super) states: CpaStates,
    pub(super) requests: ReadRequests,
    /// Number of received records.
    pub(super) received: Arc<AtomicU64>,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: SourceMetrics,
    pub(super) stop: CancellationToken,
}

#[derive(Debug)]
pub(super) struct Checks {
    parts: CheckParts,
    known: Known,
    comparison: Comparison,
    off: StatisticsOff,
    /// The earlier run, until it is compared with the first contact.
    earlier: Option<EarlierRun>,
    /// Whether the earlier run is known.
    loaded: bool,
}

/// What the last state said, so that only changes are logged.
#[derive(Debug, Default)]
struct Known {
    server: Option<Server>,
    statistics: Option<bool>,
    statistics_read: Option<Instant>,
    retention: Option<Duration>,
    skewed: bool,
    counts: Option<Arc<Counts>>,
    /// Growth of CPA's counts since the start of the exporter, over its restarts.
    counted: u64,
    /// Records at the last tick.
    received: u64,
    reloads: u64,
    /// Last early read after a silence.
    asked: Option<Instant>,
}

impl Checks {
    pub(super) fn new(parts: CheckParts) -> Self {
        Self {
            comparison: Comparison::new(parts.settings.check_interval),
            off: StatisticsOff::default(),
            known: Known::default(),
            earlier: None,
            loaded: false,
            parts,
        }
    }

    /// Runs until the program stops.
    pub(super) async fn run(mut self, keeper: Keeper) {
        let stop = self.parts.stop.clone();
        stop.run_until_cancelled(self.watch(keeper)).await;
    }

    async fn watch(&mut self, keeper: Keeper) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let loader = keeper.clone();
        let mut loading = std::pin::pin!(loader.load());
        loop {
            tokio::select! {
                earlier = &mut loading, if !self.loaded => {
                    self.loaded = true;
                    self.earlier = earlier;
                }
                changed = self.parts.states.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let state = Arc::clone(&self.parts.states.borrow_and_update());
                    self.read(&state);
                }
                _ = ticks.tick() => {
                    self.tick();
                    keeper.save_sometimes();
                }
            }
        }
    }

    /// CPA's state was published.
    fn read(&mut self, state: &CpaState) {
        if let Some(server) = &state.server
            && self.known.server.as_ref() != Some(server)
        {
            let api = server.api.as_str();
            self.parts.metrics.set_server(&server.version, api);
            self.known.server = Some(server.clone());
            // Another program has its own counts; do not compare with the old ones.
            self.known.counts = None;
            self.comparison.reset();
        }
        self.check_retention(state.retention);
        if state.statistics_read != self.known.statistics_read {
            self.known.statistics_read = state.statistics_read;
            self.check_statistics(state.statistics);
        }
        self.check_clock(state.skew);
        let Some(counts) = &state.counts else {
            return;
        };
        let known = self.known.counts.as_ref();
        if known.is_none_or(|known| !Arc::ptr_eq(known, counts)) {
            self.compare(counts, state.statistics);
        }
    }

    /// CPA's counts were read.
    fn compare(&mut self, counts: &Arc<Counts>, statistics: Option<bool>) {
        let now = Instant::now();
        if let Some(old) = self.known.counts.replace(Arc::clone(counts)) {
            let (growth, restarted) = growth(&old.requests, &counts.requests);
            self.known.counted = self.known.counted.saturating_add(growth);
            if restarted {
                self.comparison.reset();
            }
        }
        let balance = Balance {
            counted: counts
                .requests
                .values()
                .fold(0, |all, n| all.saturating_add(*n)),
            received: counts.received,
        };
        self.judge(now, Some(balance));
        if statistics == Some(false) {
            self.comparison.reset();
            return;
        }
        let sample = Sample {
            at: now,
            counted: self.known.counted,
            received: counts.received,
        };
        let can_probe = self.parts.shared.mode() != Some(IngestMode::Http)
            && matches!(
                self.parts.settings.setting,
                ModeSetting::Auto | ModeSetting::Forced(IngestMode::Pop)
            );
        if let Some(finding) = self.comparison.sample(sample, can_probe) {
            self.report(finding);
        }
    }

    /// Once a second.
    fn tick(&mut self) {
        let now = Instant::now();
        let received = self.parts.received.load(Ordering::Relaxed);
        if received != self.known.received {
            self.known.received = received;
            if let Some(length) = self.off.arrived(now) {
                report::log_statistics_on(length);
                self.parts.requests.counts.notify_one();
            }
        }
        let uncounted = self.off.uncounted(now);
        if !uncounted.is_zero() {
            self.parts.metrics.add_gap(uncounted);
        }
        let reloads = self.parts.shared.reloads();
        if std::mem::replace(&mut self.known.reloads, reloads) != reloads {
            self.comparison.forget();
        }
        self.comparison.set_taking(self.taking(), self.lag());
        if let Some(finding) = self.comparison.tick(now) {
            self.report(finding);
        }
        self.check_contact(now);
        if self.comparison.wants_counts(now, received) || self.silence_wants_counts(now) {
            self.parts.requests.counts.notify_one();
        }
        let probing = self.comparison.wants_subscription();
        self.parts.shared.probing.store(probing, Ordering::Relaxed);
    }

    fn taking(&self) -> Taking {
        match self.parts.shared.mode() {
            None => Taking::Nothing,
            Some(IngestMode::Subscribe) => Taking::Subscribed,
            Some(IngestMode::Pop | IngestMode::Http) => Taking::Popping,
        }
    }

    /// Pause between two pops.
    fn lag(&self) -> Duration {
        match self.parts.shared.mode() {
            Some(IngestMode::Http) => {
                http_pause(&self.parts.settings, self.parts.shared.retention())
            }
            _ => self.parts.settings.poll_interval,
        }
    }

    fn check_contact(&mut self, now: Instant) {
        let retention = self.parts.shared.longest_silence();
        let mut contact = self.parts.shared.contact();
        if contact.is_known()
            && let Some(earlier) = self.earlier.take()
        {
            contact.earlier_run(earlier, retention);
        }
        let down = self.parts.shared.down.load(Ordering::Relaxed);
        let state = if !contact.is_known() || !self.loaded {
            ContactState::Never
        } else if contact.silence(now) <= retention && !contact.is_waiting() {
            ContactState::Good
        } else if down || contact.is_waiting() {
            ContactState::Down
        } else {
            ContactState::Lost
        };
        drop(contact);
        self.parts.metrics.losses().set_contact(state);
        self.judge(now, None);
    }

    /// Whether CPA's counts are needed to judge a silence.
    fn silence_wants_counts(&mut self, now: Instant) -> bool {
        let wants = self.parts.shared.contact().wants_counts(now)
            && self.known.asked.is_none_or(|at| now >= at + READ_PAUSE);
        if wants {
            self.known.asked = Some(now);
        }
        wants
    }

    fn judge(&mut self, now: Instant, balance: Option<Balance>) {
        let retention = self.parts.shared.retention();
        let judgements = self.parts.shared.contact().judge(now, balance, retention);
        for judgement in judgements {
            self.comparison.reset();
            if let Judgement::Gap { length, .. } = judgement {
                self.parts.metrics.add_gap(length);
            }
            report::log_judgement(judgement, retention);
        }
    }

    fn report(&self, finding: Finding) {
        let metrics = &self.parts.metrics;
        report::log_finding(finding);
        match finding {
            Finding::Theft { subscribed, .. } => {
                metrics.set_starved(true);
                if self.parts.settings.setting == ModeSetting::Auto && subscribed.is_some() {
                    self.parts.shared.starved.store(true, Ordering::Relaxed);
                }
            }
            Finding::StillTheft(_) => metrics.losses().note(),
            Finding::Over => metrics.set_starved(false),
            Finding::Hint(_) | Finding::NoTheft { .. } | Finding::Undecided => {}
        }
    }

    fn check_clock(&mut self, skew: Option<f64>) {
        let Some(skew) = skew else {
            return;
        };
        self.parts.metrics.set_clock_skew(skew);
        let skewed = skew.abs() > SKEW_TO_LOG;
        if skewed && !self.known.skewed {
            tracing::warn!(
                seconds = skew,
                "the clocks of CPA and of this machine differ: lag and last-request times are off by \
                 the same amount; synchronise both by NTP"
            );
        }
        self.known.skewed = skewed;
    }

    fn check_statistics(&mut self, on: Option<bool>) {
        if on == Some(false) && self.known.statistics != Some(false) {
            tracing::error!(
                "CPA produces no usage records: set `usage-statistics-enabled: true` in its \
                 configuration, or `cpa.manage_usage_statistics = true` here"
            );
        }
        if let Some(on) = on {
            self.parts.metrics.set_statistics_enabled(on);
        }
        if let Some(length) = self.off.read(Instant::now(), on) {
            report::log_statistics_on(length);
        }
        self.known.statistics = on;
    }

    fn check_retention(&mut self, retention: Option<Duration>) {
        let Some(retention) = retention else {
            return;
        };
        self.parts.shared.set_retention(retention);
        let poll = self
            .parts
            .settings
            .poll_interval
            .max(self.parts.settings.http_poll_interval);
        if self.known.retention != Some(retention) && retention < poll * 4 {
            tracing::warn!(
                retention = %humantime::format_duration(retention),
                "CPA's retention is short: a brief interruption loses records; raise \
                 `redis-usage-queue-retention-seconds` in CPA (up to 3600)"
            );
        }
        self.known.retention = Some(retention);
    }
}
