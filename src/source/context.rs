//! What every mode works with, and what a mode can end with.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::inlet::Inlet;
use super::plan::ModeSetting;
use crate::clock::Clock;
use crate::cpa::resp::{Connection, Endpoint, RespFailure};
use crate::cpa::{Access, Refusal, Remedy, RespError, SuccessCount};
use crate::errors::{Chain, RepeatLimit};
use crate::metrics::SourceMetrics;
use crate::model::{Batch, BatchBody, IngestMode};

/// How records are taken; from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: Url,
    pub setting: ModeSetting,
    /// Pause between pops over RESP while little is queued.
    pub poll_interval: Duration,
    /// The same over HTTP, where a call costs CPA 62 ms of CPU.
    pub http_poll_interval: Duration,
    /// Pause between looks at CPA's switches and counters.
    pub check_interval: Duration,
    /// Bytes that one pop over RESP should bring.
    pub pop_bytes: u64,
    /// Whether to switch CPA's usage statistics on when they are off.
    pub manage_usage_statistics: bool,
    /// For `https` URLs.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Settings {
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::new(&self.url, self.tls.clone())
    }
}

/// Seen by the mode that runs, by the minute's checks and by a reload.
#[derive(Debug)]
pub struct Shared {
    /// Knows how many records were received; a whole HTTP answer counts as one.
    pub(super) success_count: SuccessCount,
    /// Set by the checks, taken by the mode that runs.
    pub(super) starved: AtomicBool,
    /// Grows with each reload.
    reloads: AtomicU64,
    reloaded: AtomicBool,
    retention_seconds: AtomicU64,
}

impl Shared {
    pub(super) fn new(received: Arc<AtomicU64>) -> Self {
        Self {
            success_count: SuccessCount::new(received),
            starved: AtomicBool::new(false),
            reloads: AtomicU64::new(0),
            reloaded: AtomicBool::new(false),
            retention_seconds: AtomicU64::new(60),
        }
    }

    /// Where CPA's own counts meet what has arrived.
    pub fn success_count(&self) -> SuccessCount {
        self.success_count.clone()
    }

    /// Makes the mode that runs end, so that everything is found out anew.
    pub fn reload(&self) {
        self.reloaded.store(true, Ordering::Relaxed);
        self.reloads.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether there was a reload since the last call.
    pub(super) fn take_reload(&self) -> bool {
        self.reloaded.swap(false, Ordering::Relaxed)
    }

    pub(super) fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }

    pub(super) fn retention(&self) -> Duration {
        Duration::from_secs(self.retention_seconds.load(Ordering::Relaxed))
    }

    pub(super) fn set_retention(&self, retention: Duration) {
        self.retention_seconds
            .store(retention.as_secs(), Ordering::Relaxed);
    }
}

/// Why a mode ended.
#[derive(Debug)]
pub(super) enum SessionEnd {
    /// The program stops.
    Stopped,
    Refused(Refusal),
    /// RESP is not served here.
    Unavailable(String),
    /// The connection failed or ended.
    Down {
        why: String,
        remedy: Option<Remedy>,
    },
    /// CPA counts requests and nothing arrives.
    Starved,
    /// Time to find out again what is best: after a reload, or to try a better mode.
    Again,
}

/// Everything a mode needs.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) inlet: Inlet,
    pub(super) access: Arc<Access>,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: SourceMetrics,
    pub(super) clock: Clock,
    pub(super) soft: CancellationToken,
    pub(super) hard: CancellationToken,
    pub(super) contact: LastContact,
    /// A live subscription ended; whether that was a cut shows at the next connect.
    pub(super) perhaps_cut: bool,
    /// Since when CPA has given no answer, if the log has said so.
    pub(super) silent_since: Option<Instant>,
    /// Attempts that failed since CPA last let us in.
    pub(super) failures: RepeatLimit,
}

/// After a request to stop, a reply that is on its way gets this long.
const LAST_REPLY: Duration = Duration::from_secs(3);

impl Context {
    /// A logged-in RESP connection, or why there is none.
    pub(super) async fn connect(&mut self) -> Result<Connection, SessionEnd> {
        let Some(key) = self.access.key(&self.soft).await else {
            return Err(SessionEnd::Stopped);
        };
        let connection = self.connect_with(&key).await.map_err(SessionEnd::from)?;
        self.admitted();
        Ok(connection)
    }

    /// CPA has let us in.
    pub(super) fn admitted(&mut self) {
        self.access.connected();
        self.metrics.set_up(true);
        self.failures.succeeded();
        if let Some(since) = self.silent_since.take() {
            let silence = since.elapsed().as_millis();
            let silence = Duration::from_millis(u64::try_from(silence).unwrap_or(u64::MAX));
            tracing::info!(after = %humantime::format_duration(silence), "CPA is reachable again");
        }
    }

    async fn connect_with(&self, key: &SecretString) -> Result<Connection, RespFailure> {
        let endpoint = self.settings.endpoint();
        let opening = Connection::open(&endpoint, secrecy::ExposeSecret::expose_secret(key));
        self.patiently(opening).await?
    }

    /// Waits for a reply; once the program is to stop, only a little longer.
    pub(super) async fn patiently<T>(
        &self,
        reply: impl Future<Output = T>,
    ) -> Result<T, RespFailure> {
        let late = async {
            self.soft.cancelled().await;
            sleep(LAST_REPLY).await;
        };
        tokio::select! {
            biased;
            reply = reply => Ok(reply),
            () = late => Err(RespFailure::Timeout(LAST_REPLY)),
        }
    }

    /// Puts records into the spool. Not cancel-safe.
    pub(super) async fn put(
        &mut self,
        mode: IngestMode,
        body: BatchBody,
    ) -> Result<(), SessionEnd> {
        let batch = Batch {
            mode,
            received: self.clock.now(),
            body,
        };
        self.metrics.batch(mode);
        match self.inlet.put(&batch, &self.hard).await {
            Ok(()) => Ok(()),
            Err(lost) => {
                tracing::error!(error = %Chain(&lost), "records lost");
                Err(SessionEnd::Stopped)
            }
        }
    }

    /// A pause that a stop cuts short. False when the program stops.
    pub(super) async fn pause(&self, length: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.soft.cancelled() => false,
            () = sleep(length) => true,
        }
    }

    /// Notes that the queue has just been looked at, and what a long silence before may have cost.
    pub(super) fn touch(&mut self) {
        let gap = self.contact.touch(Instant::now(), self.shared.retention());
        if gap.is_zero() {
            return;
        }
        self.metrics.add_gap(gap);
        tracing::warn!(
            seconds = gap.as_secs(),
            retention = self.shared.retention().as_secs(),
            "the queue was not read for longer than CPA keeps records: some may be missing; raise \
             `redis-usage-queue-retention-seconds` in CPA (up to 3600)"
        );
    }
}

/// When the queue was last looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastContact(Option<Instant>);

impl LastContact {
    /// Time in which records can have expired unseen since the last look.
    fn touch(&mut self, now: Instant, retention: Duration) -> Duration {
        let last = self.0.replace(now);
        let silence = last.map_or(Duration::ZERO, |last| now.duration_since(last));
        silence.saturating_sub(retention)
    }
}

/// Ends a mode when something it does not decide itself has happened.
#[derive(Debug)]
pub(super) struct Interrupts {
    reloads: u64,
    until: Option<Instant>,
}

impl Interrupts {
    pub(super) fn new(context: &Context, until: Option<Instant>) -> Self {
        Self {
            reloads: context.shared.reloads(),
            until,
        }
    }

    pub(super) fn check(&self, context: &Context) -> Option<SessionEnd> {
        if context.soft.is_cancelled() {
            Some(SessionEnd::Stopped)
        } else if context.shared.starved.swap(false, Ordering::Relaxed) {
            Some(SessionEnd::Starved)
        } else if context.shared.reloads() != self.reloads
            || self.until.is_some_and(|until| Instant::now() >= until)
        {
            Some(SessionEnd::Again)
        } else {
            None
        }
    }
}

impl From<RespFailure> for SessionEnd {
    fn from(failure: RespFailure) -> Self {
        match failure {
            RespFailure::Answer(RespError::Refused(refusal)) => Self::Refused(refusal),
            RespFailure::Answer(RespError::Unavailable(why)) => Self::Unavailable(why.to_owned()),
            RespFailure::ClosedAtLogin | RespFailure::Protocol(_) => {
                Self::Unavailable(failure.to_string())
            }
            RespFailure::Answer(_)
            | RespFailure::Connect(_)
            | RespFailure::Timeout(_)
            | RespFailure::Ended(_) => Self::down(&failure),
        }
    }
}

impl SessionEnd {
    pub(super) fn down(failure: &(dyn Error + 'static)) -> Self {
        Self::Down {
            why: Chain(failure).to_string(),
            remedy: Remedy::of(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_beyond_the_retention_is_a_gap() {
        let start = Instant::now();
        let minute = Duration::from_mins(1);
        let mut contact = LastContact::default();
        assert_eq!(contact.touch(start, minute), Duration::ZERO);
        assert_eq!(contact.touch(start + minute, minute), Duration::ZERO);
        assert_eq!(contact.touch(start + minute * 3, minute), minute);
        assert_eq!(contact.touch(start + minute * 3, minute), Duration::ZERO);
    }
}
