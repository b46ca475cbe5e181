//! Reads CPA periodically and publishes what it found as one immutable state.
//!
//! Switches and counts are read at one interval, the complete lists of accounts at another; no list
//! is read twice for two readers. Each call costs a CPA with a hashed secret about 62 ms of CPU.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::client::{Client, HttpFailure};
use super::generation::Server;
use super::lists::{Decoding, Lists, ListsFailure, ListsReader, RequestCounts};
use super::remedy::Remedy;
use crate::errors::{Chain, RepeatLimit};

/// CPA sends several notifications of one change in quick succession.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// Rounds between two requests for the retention: it rarely changes.
const ROUNDS_PER_RETENTION: u32 = 10;

/// What CPA reported at the last read of each part. A part that could not be read keeps its value.
#[derive(Clone, Debug, Default)]
pub struct CpaState {
    pub(crate) server: Option<Server>,
    /// Whether CPA produces usage records; `None` when this release has no such switch.
    pub(crate) statistics: Option<bool>,
    /// When `statistics` was read.
    pub(crate) statistics_read: Option<Instant>,
    /// How long CPA keeps a record in its queue.
    pub(crate) retention: Option<Duration>,
    /// CPA's clock minus ours, in seconds.
    pub(crate) skew: Option<f64>,
    pub(crate) lists: Option<Arc<Lists>>,
    pub(crate) counts: Option<Arc<Counts>>,
}

/// CPA's request counts, and ours at the same moment.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) requests: RequestCounts,
    /// Records received until then.
    pub(crate) received: u64,
}

/// The published state.
pub type CpaStates = watch::Receiver<Arc<CpaState>>;

/// Requests for a read before its time. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ReadRequests {
    /// CPA has reported a change of its accounts or configuration.
    pub accounts: Arc<Notify>,
    /// Switches and counts are needed now.
    pub counts: Arc<Notify>,
}

/// Settings from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct ObserverSettings {
    /// Interval of switches and counts.
    pub checks: Duration,
    /// Interval of the complete lists of accounts.
    pub accounts: Duration,
    /// Whether to enable CPA's usage statistics when they are off.
    pub manage_usage_statistics: bool,
}

/// Dependencies of the observer.
pub struct ObserverParts {
    pub settings: ObserverSettings,
    pub client: Client,
    pub decoding: Decoding,
    /// Number of records received so far.
    pub received: Box<dyn Fn() -> u64 + Send + Sync>,
    pub requests: ReadRequests,
    pub stop: CancellationToken,
}

/// The observer's task.
pub struct Observer {
    parts: ObserverParts,
    lists: ListsReader,
    states: watch::Sender<Arc<CpaState>>,
    next_checks: Instant,
    next_accounts: Instant,
    /// Rounds until the retention is read again.
    retention_known_for: u32,
    unreachable: RepeatLimit,
    /// Whether the last read of the lists failed.
    lists_failing: bool,
}

impl Observer {
    pub fn new(parts: ObserverParts) -> (Self, CpaStates) {
        let (states, receiver) = watch::channel(Arc::default());
        let lists = ListsReader::new(parts.client.clone(), parts.decoding.clone());
        let now = Instant::now();
        let this = Self {
            parts,
            lists,
            states,
            next_checks: now,
            next_accounts: now,
            retention_known_for: 0,
            unreachable: RepeatLimit::default(),
            lists_failing: false,
        };
        (this, receiver)
    }

    /// Runs until the program stops. Cancel-safe.
    pub async fn run(mut self) {
        let stop = self.parts.stop.clone();
        let requests = self.parts.requests.clone();
        let client = self.parts.client.clone();
        loop {
            if client.access().probe_key(&stop).await.is_none() {
                return;
            }
            let outcome = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                outcome = self.round() => outcome,
            };
            if let Err(failure) = outcome {
                self.failed(&failure);
            }
            // After a failed round, the parts that were not read wait for the next one.
            let now = Instant::now();
            let settings = self.parts.settings;
            for (next, interval) in [
                (&mut self.next_checks, settings.checks),
                (&mut self.next_accounts, settings.accounts),
            ] {
                if *next <= now {
                    *next = now + interval;
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = client.access().wait_for_refusal() => self.next_checks = now,
                () = requests.counts.notified() => self.next_checks = now,
                () = requests.accounts.notified() => {
                    tokio::time::sleep(DEBOUNCE).await;
                    self.next_accounts = now;
                }
                () = sleep_until(self.next_checks.min(self.next_accounts)) => {}
            }
        }
    }

    async fn round(&mut self) -> Result<(), HttpFailure> {
        let now = Instant::now();
        if self.next_checks <= now || self.parts.client.access().accepted_key_now().is_none() {
            self.read_switches().await?;
            self.unreachable.succeeded();
        }
        let lists = if self.next_accounts <= now {
            self.lists.all().await
        } else {
            self.lists.counted().await
        };
        let mut lists = match lists {
            Ok(lists) => lists,
            Err(failure) => {
                self.lists_failed(&failure);
                return Ok(());
            }
        };
        self.lists_failing = false;
        // A failure that arrived since the start of the round may be newer than the lists.
        lists.began = now;
        let counts = lists.counts().map(|requests| {
            Arc::new(Counts {
                requests,
                received: (self.parts.received)(),
            })
        });
        self.publish(|state| {
            state.lists = Some(Arc::new(lists));
            state.counts = counts.or_else(|| state.counts.take());
        });
        Ok(())
    }

    /// Reads the generation and the switches.
    async fn read_switches(&mut self) -> Result<(), HttpFailure> {
        let client = self.parts.client.clone();
        let proven = client.access().accepted_key_now().is_some();
        let server = if proven {
            client.server().await?
        } else {
            client.detect().await?
        };
        if self.states.borrow().server.as_ref() != Some(&server) {
            let api = server.api.as_str();
            tracing::info!(version = %server.version, api, "connected to CPA");
            self.retention_known_for = 0;
        }
        self.publish(|state| {
            // Another server has its own counts.
            if state.server.as_ref() != Some(&server) {
                state.counts = None;
            }
            state.server = Some(server);
        });
        if self.retention_known_for == 0 {
            let retention = client.retention().await?;
            self.publish(|state| state.retention = Some(retention));
            self.retention_known_for = ROUNDS_PER_RETENTION;
        }
        self.retention_known_for -= 1;
        let mut statistics = client.statistics_enabled().await?;
        if statistics == Some(false) && self.parts.settings.manage_usage_statistics {
            client.enable_statistics().await?;
            tracing::info!("CPA's usage statistics were off; enabled them");
            statistics = Some(true);
        }
        self.publish(|state| {
            state.statistics = statistics;
            state.statistics_read = Some(Instant::now());
        });
        Ok(())
    }

    fn publish(&self, change: impl FnOnce(&mut CpaState)) {
        self.states.send_modify(|state| {
            let mut new = CpaState::clone(state);
            change(&mut new);
            new.skew = self.parts.client.clock_skew();
            *state = Arc::new(new);
        });
    }

    /// RESP may still work.
    fn failed(&mut self, failure: &HttpFailure) {
        self.forget_server();
        // The client reports a refusal.
        if matches!(failure, HttpFailure::Refused(_) | HttpFailure::NoAccess) {
            return;
        }
        let error = Chain(failure).to_string();
        if let Some(repeated) = self.unreachable.log(&error, Instant::now().into_std()) {
            let remedy = Remedy::of(failure).map(|remedy| remedy.text(self.parts.client.url()));
            tracing::warn!(
                error,
                remedy,
                repeated,
                "CPA's management API is unreachable; its settings and counters are not checked"
            );
        }
    }

    fn lists_failed(&mut self, failure: &ListsFailure) {
        self.forget_server();
        let refused = matches!(
            failure,
            ListsFailure::Http(HttpFailure::Refused(_) | HttpFailure::NoAccess)
        );
        let first = !std::mem::replace(&mut self.lists_failing, true);
        if first && !refused {
            tracing::warn!(
                error = %Chain(failure),
                "CPA's account lists cannot be read; keeping the last values for a while"
            );
        }
    }

    /// Another server may be running by now.
    fn forget_server(&mut self) {
        self.parts.client.forget_server();
        self.retention_known_for = 0;
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl fmt::Debug for ObserverParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserverParts").finish_non_exhaustive()
    }
}
