//! Ingest from CPA: pop or subscribe over RESP, or pop over HTTP.
//!
//! One task selects the mode ([`plan`]), runs it until it ends, and selects again. A second task
//! compares CPA's counts with the received records ([`checks`]). Every record goes to the spool
//! before it is parsed.
//!
//! A pop is destructive: CPA keeps no copy of a popped record. So a reply is never abandoned, and
//! no pop is sent without room in the spool.

mod checks;
mod completeness;
mod context;
mod history;
mod http_queue;
mod inlet;
mod plan;
mod reply;
mod report;
mod resp_pop;
mod resp_subscribe;
mod sizing;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::{ReconnectReason, SourceMetrics};
use crate::model::IngestMode;

pub use context::{Settings, Shared};
pub use history::ContactLog;
pub use inlet::{Inlet, Wake};
pub use plan::ModeSetting;

use crate::cpa::{Client, CpaStates, HttpFailure, ReadRequests, Refusal, Remedy};
use crate::errors::{Chain, RepeatLimit};
use checks::{CheckParts, Checks};
use context::{Context, SessionEnd};
use history::Keeper;
use plan::{Decision, Plan};

/// Pauses between attempts to reach a CPA that does not answer. The maximum stays well below CPA's
/// retention.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Dependencies of the source.
#[derive(Debug)]
pub struct Parts {
    pub settings: Settings,
    pub inlet: Inlet,
    pub client: Client,
    pub states: CpaStates,
    pub requests: ReadRequests,
    /// Where contact and losses are kept for the next run.
    pub contact_log: ContactLog,
    pub metrics: SourceMetrics,
    pub clock: Clock,
    /// Finish the current reply.
    pub soft: CancellationToken,
    /// Stop at once.
    pub hard: CancellationToken,
}

/// The two tasks of the source, ready to run.
#[derive(Debug)]
pub struct Source {
    context: Context,
    checks: Checks,
    keeper: Keeper,
}

impl Source {
    pub fn new(parts: Parts) -> Self {
        let shared = Arc::new(Shared::default());
        let received = parts.inlet.received();
        let losses = parts.metrics.losses().clone();
        let keeper = Keeper::new(
            parts.contact_log,
            Arc::clone(&shared),
            Arc::clone(&received),
            parts.clock.clone(),
            losses,
        );
        Self {
            checks: Checks::new(CheckParts {
                settings: parts.settings.clone(),
                states: parts.states,
                requests: parts.requests,
                received,
                shared: Arc::clone(&shared),
                metrics: parts.metrics.clone(),
                stop: parts.soft.clone(),
            }),
            keeper,
            context: Context {
                settings: parts.settings,
                inlet: parts.inlet,
                client: parts.client,
                shared,
                metrics: parts.metrics,
                clock: parts.clock,
                soft: parts.soft,
                hard: parts.hard,
                maybe_cut: false,
                silent_since: None,
                failures: RepeatLimit::default(),
            },
        }
    }

    /// State through which a reload reaches the running source.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.context.shared)
    }

    /// Runs until the program stops; every received record is in the spool then.
    pub async fn run(self) {
        let keeper = self.keeper.clone();
        let checks = self.checks.run(keeper.clone());
        let supervisor = Supervisor {
            plan: Plan::new(self.context.settings.setting),
            context: self.context,
            logged: None,
            retry: RETRY_FIRST,
        };
        // The checks hold no records, so they may be dropped during a call. The supervisor may not:
        // it may be reading a reply.
        let watching = async {
            checks.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = supervisor.run() => {}
            () = watching => {}
        }
        keeper.save();
    }
}

/// Selects a mode, runs it, and updates the plan when it ends.
struct Supervisor {
    context: Context,
    plan: Plan,
    /// The last decision that was logged.
    logged: Option<Decision>,
    retry: Duration,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            let probing = self.context.shared.probing.load(Ordering::Relaxed);
            self.plan.probe(probing);
            let decision = self.plan.next(Instant::now());
            self.log_decision(&decision);
            let began = Instant::now();
            let end = match decision.mode {
                IngestMode::Pop => resp_pop::run(&mut self.context).await,
                IngestMode::Subscribe => resp_subscribe::run(&mut self.context).await,
                IngestMode::Http => {
                    let until = decision.until;
                    http_queue::run(&mut self.context, until).await
                }
            };
            self.context.shared.set_mode(None);
            self.context.client.access().disconnected();
            if began.elapsed() > RETRY_MAX {
                self.retry = RETRY_FIRST;
            }
            if !self.handle_end(decision.mode, end).await {
                return;
            }
        }
    }

    /// False when the program stops.
    async fn handle_end(&mut self, mode: IngestMode, end: SessionEnd) -> bool {
        let now = Instant::now();
        let over_resp = mode != IngestMode::Http;
        if over_resp
            && !matches!(
                end,
                SessionEnd::Unavailable(_) | SessionEnd::Refused(_) | SessionEnd::AccessLost
            )
        {
            self.plan.resp_works();
        }
        match end {
            SessionEnd::Stopped => return false,
            SessionEnd::Again | SessionEnd::Probe => {
                self.context.metrics.reconnect(ReconnectReason::Reprobe);
                if self.context.shared.take_reload() {
                    self.plan.reset();
                }
            }
            SessionEnd::Starved if over_resp => {
                self.plan.starved(now);
                self.context.metrics.reconnect(ReconnectReason::Starved);
            }
            // A subscription needs RESP, which is unavailable.
            SessionEnd::Starved => {}
            SessionEnd::Refused(refusal) => {
                self.lost_contact(ReconnectReason::Refused);
                self.context.client.access().refused(refusal, None);
            }
            SessionEnd::AccessLost => {
                self.lost_contact(ReconnectReason::Refused);
                self.note_management_off();
            }
            SessionEnd::Unavailable(why) => {
                self.lost_contact(ReconnectReason::Unavailable);
                self.plan.resp_unavailable(&why, now);
                if matches!(self.context.settings.setting, ModeSetting::Forced(_)) {
                    if let Some(repeated) = self.context.failures.log(&why, now.into_std()) {
                        let mode = mode.as_str();
                        tracing::error!(
                            why,
                            mode,
                            repeated,
                            "CPA does not support this ingest mode"
                        );
                    }
                    self.probe_http().await;
                    return self.pause_after_failure().await;
                }
            }
            SessionEnd::Down { why, remedy } => {
                self.lost_contact(ReconnectReason::Down);
                let closed = remedy == Some(Remedy::NoListener);
                self.context.shared.down.store(closed, Ordering::Relaxed);
                self.log_down(&why, remedy.as_ref(), now);
                return self.pause_after_failure().await;
            }
        }
        true
    }

    /// CPA makes no records while its management is off.
    fn note_management_off(&self) {
        if self.context.client.access().refusal() == Some(Refusal::ManagementOff) {
            self.context.shared.contact().management_is_off();
        }
    }

    fn log_down(&mut self, why: &str, remedy: Option<&Remedy>, now: Instant) {
        let url = &self.context.settings.url;
        self.context.silent_since.get_or_insert(now);
        if let Some(repeated) = self.context.failures.log(why, now.into_std()) {
            let remedy = remedy.map(|remedy| remedy.text(url));
            tracing::warn!(why, remedy, %url, repeated, "CPA is unreachable; retrying");
        }
    }

    /// A connection that closes without a reply can mean that management is off, or that the port
    /// speaks TLS. An HTTP request shows which.
    async fn probe_http(&mut self) {
        let client = &self.context.client;
        if client.access().key(&self.context.soft).await.is_none() {
            return;
        }
        match client.detect().await {
            // Reported by the call.
            Ok(_) | Err(HttpFailure::Refused(_) | HttpFailure::NoAccess) => {
                self.note_management_off();
            }
            Err(failure) => {
                let why = Chain(&failure).to_string();
                self.log_down(&why, Remedy::of(&failure).as_ref(), Instant::now());
            }
        }
    }

    fn lost_contact(&self, reason: ReconnectReason) {
        self.context.metrics.set_up(false);
        self.context.metrics.set_mode(None);
        self.context.metrics.reconnect(reason);
    }

    async fn pause_after_failure(&mut self) -> bool {
        // After a suspected disconnect of a slow subscriber, reconnect at once.
        if self.context.maybe_cut && self.retry == RETRY_FIRST {
            self.retry *= 2;
            return true;
        }
        let pause = self.retry;
        self.retry = (self.retry * 2).min(RETRY_MAX);
        self.context.pause(pause).await
    }

    fn log_decision(&mut self, decision: &Decision) {
        let logged = self.logged.as_ref();
        if logged.is_none_or(|s| s.mode != decision.mode || s.why != decision.why) {
            tracing::info!(
                mode = decision.mode.as_str(),
                why = decision.why,
                "ingest mode selected"
            );
            self.logged = Some(decision.clone());
        }
    }
}
