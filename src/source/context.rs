//! State shared by the modes, and the reasons for which a mode ends.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::completeness::Contact;
use super::inlet::Inlet;
use super::plan::ModeSetting;
use crate::clock::Clock;
use crate::cpa::resp::{Connection, RespFailure};
use crate::cpa::{Client, DEFAULT_RETENTION, Refusal, Remedy, RespError};
use crate::errors::{Chain, RepeatLimit};
use crate::metrics::{Loss, SourceMetrics};
use crate::model::{Batch, IngestMode};

/// A subscription that does not answer a PING is closed this long after its last message.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(50);

/// Ingest settings from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: Url,
    pub setting: ModeSetting,
    /// Pause between pops over RESP while little is queued.
    pub poll_interval: Duration,
    /// Pause between pops over HTTP, where a call costs CPA 62 ms of CPU.
    pub http_poll_interval: Duration,
    /// Interval at which CPA's counts are read.
    pub check_interval: Duration,
    /// Target size of one pop over RESP, in bytes.
    pub pop_bytes: u64,
}

/// State shared by the running mode, the checks and a reload.
#[derive(Debug, Default)]
pub struct Shared {
    /// Another client takes records. Set by the checks, reset by the running mode.
    pub(super) starved: AtomicBool,
    /// Whether the checks want a subscription for a while.
    pub(super) probing: AtomicBool,
    contact: Mutex<Contact>,
    mode: Mutex<Option<IngestMode>>,
    /// CPA's port is closed.
    pub(super) down: AtomicBool,
    /// Increases with each reload.
    reloads: AtomicU64,
    reloaded: AtomicBool,
    /// 0 while it is unknown.
    retention_seconds: AtomicU64,
}

impl Shared {
    /// Ends the running mode, so that the server is probed again.
    pub fn reload(&self) {
        self.reloaded.store(true, Ordering::Relaxed);
        self.reloads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn contact(&self) -> MutexGuard<'_, Contact> {
        self.contact.lock()
    }

    /// The running mode, if there is contact.
    pub(super) fn mode(&self) -> Option<IngestMode> {
        *self.mode.lock()
    }

    pub(super) fn set_mode(&self, mode: Option<IngestMode>) {
        *self.mode.lock() = mode;
    }

    /// Whether there was a reload since the last call.
    pub(super) fn take_reload(&self) -> bool {
        self.reloaded.swap(false, Ordering::Relaxed)
    }

    pub(super) fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }

    pub(super) fn retention(&self) -> Duration {
        match self.retention_seconds.load(Ordering::Relaxed) {
            0 => DEFAULT_RETENTION,
            seconds => Duration::from_secs(seconds),
        }
    }

    /// A silence of this length loses nothing: a subscription without records is only pinged.
    pub(super) fn longest_silence(&self) -> Duration {
        match self.mode() {
            Some(IngestMode::Subscribe) => self.retention().max(DEAD_AFTER),
            _ => self.retention(),
        }
    }

    pub(super) fn set_retention(&self, retention: Duration) {
        self.retention_seconds
            .store(retention.as_secs(), Ordering::Relaxed);
    }
}

/// Reason for which a mode ended.
#[derive(Debug)]
pub(super) enum SessionEnd {
    /// The program stops.
    Stopped,
    /// CPA refused a command on an open connection.
    Refused(Refusal),
    /// CPA refused the key; the call has reported it.
    AccessLost,
    /// RESP is unavailable on this server.
    Unavailable(String),
    /// The connection failed or ended.
    Down { why: String, remedy: Option<Remedy> },
    /// Another client takes records.
    Starved,
    /// A probe for other clients begins or ends.
    Probe,
    /// Select a mode again: after a reload, or to try a better mode.
    Again,
}

/// Dependencies and state of a mode.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) inlet: Inlet,
    pub(super) client: Client,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: SourceMetrics,
    pub(super) clock: Clock,
    pub(super) soft: CancellationToken,
    pub(super) hard: CancellationToken,
    /// A live subscription ended; the next connect shows whether CPA cut it.
    pub(super) maybe_cut: bool,
    /// Start of CPA's silence, if it was logged.
    pub(super) silent_since: Option<Instant>,
    /// Failed attempts since CPA last accepted the key.
    pub(super) failures: RepeatLimit,
}

/// Time for a pending reply after a stop request.
pub(super) const LAST_REPLY: Duration = Duration::from_secs(3);

impl Context {
    /// Opens a connection and logs in, or returns why the mode ends.
    pub(super) async fn connect(&mut self) -> Result<Connection, SessionEnd> {
        let connecting = self.client.connect(&self.soft);
        let connection = match self.await_reply(connecting).await {
            Ok(None) => return Err(SessionEnd::Stopped),
            Ok(Some(Ok(connection))) => connection,
            Ok(Some(Err(RespFailure::Answer(RespError::Refused(_))))) => {
                return Err(SessionEnd::AccessLost);
            }
            Ok(Some(Err(failure))) | Err(failure) => return Err(failure.into()),
        };
        self.accepted();
        Ok(connection)
    }

    /// CPA has accepted the key.
    pub(super) fn accepted(&mut self) {
        self.metrics.set_up(true);
        self.failures.succeeded();
        if let Some(since) = self.silent_since.take() {
            let silence = since.elapsed().as_millis();
            let silence = Duration::from_millis(u64::try_from(silence).unwrap_or(u64::MAX));
            tracing::info!(after = %humantime::format_duration(silence), "CPA is reachable again");
        }
    }

    /// Ends [`LAST_REPLY`] after a stop request.
    pub(super) fn late(&self) -> impl Future<Output = ()> + use<> {
        let soft = self.soft.clone();
        async move {
            soft.cancelled().await;
            sleep(LAST_REPLY).await;
        }
    }

    /// A reply ended before so many of its records, at least.
    pub(super) fn reply_cut(&self, records: u64) {
        self.metrics.losses().count(Loss::ReplyCut, records.max(1));
        tracing::error!(
            records,
            "a reply of CPA ended early: the rest of its records is lost"
        );
    }

    /// Waits for a reply; after a stop request, at most [`LAST_REPLY`].
    pub(super) async fn await_reply<T>(
        &self,
        reply: impl Future<Output = T>,
    ) -> Result<T, RespFailure> {
        tokio::select! {
            biased;
            reply = reply => Ok(reply),
            () = self.late() => Err(RespFailure::Timeout(LAST_REPLY)),
        }
    }

    /// Writes records to the spool. Not cancel-safe.
    pub(super) async fn put(
        &mut self,
        mode: IngestMode,
        records: Vec<Bytes>,
    ) -> Result<(), SessionEnd> {
        let batch = Batch {
            mode,
            received: self.clock.now(),
            records,
        };
        self.metrics.batch(mode);
        match self.inlet.put(batch, &self.hard).await {
            Ok(()) => Ok(()),
            Err(lost) => {
                tracing::error!(error = %Chain(&lost), "records lost");
                Err(SessionEnd::Stopped)
            }
        }
    }

    /// Sleeps; a stop request ends the sleep. False when the program stops.
    pub(super) async fn pause(&self, length: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.soft.cancelled() => false,
            () = sleep(length) => true,
        }
    }

    /// The queue was read, or the subscription is alive.
    pub(super) fn touch(&self) {
        self.shared.down.store(false, Ordering::Relaxed);
        let longest = self.shared.longest_silence();
        self.shared.contact().touch(Instant::now(), longest);
    }

    /// Records arrive in this mode from now on.
    pub(super) fn set_mode(&self, mode: IngestMode) {
        self.metrics.set_mode(Some(mode));
        self.shared.set_mode(Some(mode));
    }
}

/// Ends a mode on a stop, a reload, starvation or a time limit.
#[derive(Debug)]
pub(super) struct Interrupts {
    reloads: u64,
    probing: bool,
    until: Option<Instant>,
}

impl Interrupts {
    pub(super) fn new(context: &Context, until: Option<Instant>) -> Self {
        Self {
            reloads: context.shared.reloads(),
            probing: context.shared.probing.load(Ordering::Relaxed),
            until,
        }
    }

    pub(super) fn check(&self, context: &Context) -> Option<SessionEnd> {
        if context.soft.is_cancelled() {
            Some(SessionEnd::Stopped)
        } else if context.shared.starved.swap(false, Ordering::Relaxed) {
            Some(SessionEnd::Starved)
        } else if context.shared.probing.load(Ordering::Relaxed) != self.probing {
            Some(SessionEnd::Probe)
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
            | RespFailure::Ended(_)
            | RespFailure::Cut(_) => Self::down(&failure),
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
