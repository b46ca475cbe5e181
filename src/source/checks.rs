//! Reads CPA's published state: exposes its switches and its clock, and detects that its counts grow
//! while no record arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::context::{Settings, Shared};
use crate::cpa::{Counts, CpaState, CpaStates, Server};
use crate::metrics::SourceMetrics;

/// Records that CPA has counted may still be in transit.
const ARRIVAL_GRACE: Duration = Duration::from_secs(3);
/// Smaller clock skew is not logged.
const SKEW_TO_LOG: f64 = 5.0;

#[derive(Debug)]
pub(super) struct Checks {
    pub(super) settings: Settings,
    pub(super) states: CpaStates,
    /// Number of received records.
    pub(super) received: Arc<AtomicU64>,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: SourceMetrics,
    pub(super) stop: CancellationToken,
    pub(super) known: Known,
}

/// What the last state said, so that only changes are logged.
#[derive(Debug, Default)]
pub(super) struct Known {
    server: Option<Server>,
    statistics: Option<bool>,
    retention: Option<Duration>,
    skewed: bool,
    counts: Option<Arc<Counts>>,
}

impl Checks {
    /// Runs until the program stops.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(async {
            while self.states.changed().await.is_ok() {
                let state = Arc::clone(&self.states.borrow_and_update());
                self.check(&state).await;
            }
        })
        .await;
    }

    async fn check(&mut self, state: &CpaState) {
        if let Some(server) = &state.server
            && self.known.server.as_ref() != Some(server)
        {
            self.metrics
                .set_server(&server.version, server.api.as_str());
            self.known.server = Some(server.clone());
            // Another program has its own counts; do not compare with the old ones.
            self.known.counts = None;
        }
        self.check_retention(state.retention);
        self.check_statistics(state.statistics);
        self.check_clock(state.skew);
        self.check_starvation(state).await;
    }

    fn check_clock(&mut self, skew: Option<f64>) {
        let Some(skew) = skew else {
            return;
        };
        self.metrics.set_clock_skew(skew);
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
            self.metrics.set_statistics_enabled(on);
        }
        self.known.statistics = on;
    }

    fn check_retention(&mut self, retention: Option<Duration>) {
        let Some(retention) = retention else {
            return;
        };
        self.shared.set_retention(retention);
        let poll = self
            .settings
            .poll_interval
            .max(self.settings.http_poll_interval);
        if self.known.retention != Some(retention) && retention < poll * 4 {
            tracing::warn!(
                retention = %humantime::format_duration(retention),
                "CPA's retention is short: a brief interruption loses records; raise \
                 `redis-usage-queue-retention-seconds` in CPA (up to 3600)"
            );
        }
        self.known.retention = Some(retention);
    }

    async fn check_starvation(&mut self, state: &CpaState) {
        let Some(counts) = &state.counts else {
            return;
        };
        if self
            .known
            .counts
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, counts))
        {
            return;
        }
        let Some(old) = self.known.counts.replace(Arc::clone(counts)) else {
            return;
        };
        let sum = |counts: &Counts| counts.requests.values().sum::<u64>();
        // A count that decreased was reset by a restart of CPA.
        let requests = sum(counts).saturating_sub(sum(&old));
        let grew = requests > 0 && state.statistics != Some(false);
        if grew && self.received() == old.received {
            sleep(ARRIVAL_GRACE).await;
        }
        if self.received() > old.received {
            self.metrics.set_starved(false);
        } else if grew {
            self.metrics.set_starved(true);
            self.shared.starved.store(true, Ordering::Relaxed);
            tracing::warn!(
                requests,
                "CPA counts requests but delivers no records: another collector pops them"
            );
        }
    }

    fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}
