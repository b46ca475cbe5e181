//! Once a minute: CPA's switches, its clock, and whether its counters grow while no record arrives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::context::{Settings, Shared};
use crate::cpa::{Client, Counted, HttpFailure, Remedy, Server};
use crate::errors::{Chain, RepeatLimit};
use crate::metrics::SourceMetrics;

/// Records that CPA has counted may still be in transit.
const ARRIVAL_GRACE: Duration = Duration::from_secs(3);
/// Rounds between two requests for the retention: each call costs CPA.
const ROUNDS_KNOWN: u32 = 10;
/// Smaller clock skew is not logged.
const SKEW_TO_LOG: f64 = 5.0;

#[derive(Debug)]
pub(super) struct Checks {
    pub(super) settings: Settings,
    pub(super) client: Client,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: SourceMetrics,
    pub(super) stop: CancellationToken,
    pub(super) known: Known,
}

/// Result of the last round, so that only changes are logged.
#[derive(Debug, Default)]
pub(super) struct Known {
    server: Option<Server>,
    statistics: Option<bool>,
    retention: Option<Duration>,
    skewed: bool,
    failures: RepeatLimit,
    /// Rounds until the retention is requested again.
    fresh_for: u32,
    /// CPA's successes and the received records at the last round.
    counts: Option<Counted>,
}

impl Checks {
    /// Runs until the program stops.
    pub(super) async fn run(mut self) {
        loop {
            let client = self.client.clone();
            if client.access().probe_key(&self.stop).await.is_none() {
                return;
            }
            match self.round().await {
                Ok(()) => self.known.failures.succeeded(),
                Err(HttpFailure::Refused(_) | HttpFailure::NoAccess) => client.forget_server(),
                Err(failure) => {
                    // Another program may answer now.
                    client.forget_server();
                    self.known.fresh_for = 0;
                    self.log_unreachable(&failure);
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = client.access().wait_for_refusal() => {}
                () = sleep(self.settings.check_interval) => {}
            }
        }
    }

    async fn round(&mut self) -> Result<(), HttpFailure> {
        self.check_server().await?;
        let on = self.check_statistics().await?;
        self.check_starvation(on).await?;
        self.check_clock();
        Ok(())
    }

    /// Asks for the generation; a detection also reads the retention.
    async fn check_server(&mut self) -> Result<(), HttpFailure> {
        let proven = self.client.access().accepted_key_now().is_some();
        let server = if proven {
            self.client.server().await?
        } else {
            self.client.detect().await?
        };
        if self.known.server.as_ref() != Some(&server) {
            let api = server.api.as_str();
            tracing::info!(version = %server.version, api, "connected to CPA");
            self.metrics.set_server(&server.version, api);
            // Another program has its own counters; do not compare with the old ones.
            self.known.counts = None;
            self.known.fresh_for = 0;
        }
        self.known.server = Some(server);
        if self.known.fresh_for == 0 {
            self.check_retention().await?;
            self.known.fresh_for = ROUNDS_KNOWN;
        }
        self.known.fresh_for -= 1;
        Ok(())
    }

    fn check_clock(&mut self) {
        let Some(skew) = self.client.clock_skew() else {
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

    /// True when CPA produces records.
    async fn check_statistics(&mut self) -> Result<bool, HttpFailure> {
        let mut on = self.client.statistics_enabled().await?;
        if on == Some(false) && self.settings.manage_usage_statistics {
            self.client.enable_statistics().await?;
            tracing::info!("CPA's usage statistics were off; enabled them");
            on = Some(true);
        }
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
        Ok(on != Some(false))
    }

    async fn check_retention(&mut self) -> Result<(), HttpFailure> {
        let retention = self.client.retention().await?;
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
        Ok(())
    }

    async fn check_starvation(&mut self, statistics_on: bool) -> Result<(), HttpFailure> {
        let counted = self.count().await?;
        let Some(old) = self.known.counts.replace(counted) else {
            return Ok(());
        };
        // A counter that decreased was reset by a restart of CPA.
        let grew = counted.successes > old.successes && statistics_on;
        if grew && self.shared.success_count.arrived() == old.arrived {
            sleep(ARRIVAL_GRACE).await;
        }
        if self.shared.success_count.arrived() > old.arrived {
            self.metrics.set_starved(false);
        } else if grew {
            self.metrics.set_starved(true);
            self.shared.starved.store(true, Ordering::Relaxed);
            tracing::warn!(
                requests = counted.successes - old.successes,
                "CPA counts requests but delivers no records: another collector pops them"
            );
        }
        Ok(())
    }

    /// Reuses the count of the account directory, which reads the same lists.
    async fn count(&mut self) -> Result<Counted, HttpFailure> {
        let success_count = &self.shared.success_count;
        let fresh = success_count.fresh(self.known.counts, self.settings.check_interval);
        if let Some(counted) = fresh {
            return Ok(counted);
        }
        let arrived = success_count.arrived();
        let successes = self.client.successes().await?;
        Ok(success_count.note(successes, arrived))
    }

    /// RESP may still work.
    fn log_unreachable(&mut self, failure: &HttpFailure) {
        let error = Chain(failure).to_string();
        if let Some(repeated) = self.known.failures.log(&error, Instant::now().into_std()) {
            let remedy = Remedy::of(failure).map(|remedy| remedy.text(&self.settings.url));
            tracing::warn!(
                error,
                remedy,
                repeated,
                "CPA's management API is unreachable; its settings and counters are not checked"
            );
        }
    }
}
