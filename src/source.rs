//! Taking records from CPA: popping or subscribing over RESP, or popping over HTTP.
//!
//! One task decides how ([`plan`]), runs the mode until it ends, and decides again; a second one
//! looks once a minute at CPA's switches and counters ([`checks`]). Whatever is taken goes into
//! the spool before anything looks at it.
//!
//! Taking is destructive: CPA keeps no copy of what it has handed out. So a reply is never
//! abandoned, and none is asked for without room for it.

mod checks;
mod context;
mod http_queue;
mod inlet;
mod plan;
mod resp_pop;
mod resp_subscribe;
mod sizing;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::SourceMetrics;
use crate::model::IngestMode;

pub use context::{Settings, Shared};
pub use inlet::{Inlet, Wake};
pub use plan::ModeSetting;

use crate::cpa::{Access, HttpFailure, Management, Remedy};
use crate::errors::{Chain, RepeatLimit};
use checks::{Checks, Known};
use context::{Context, LastContact, SessionEnd};
use plan::{Decision, Plan};

/// Pauses between attempts to reach a CPA that does not answer. The last stays well below the
/// time that CPA keeps a record.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// What the source is made of.
#[derive(Debug)]
pub struct Parts {
    pub settings: Settings,
    pub inlet: Inlet,
    pub access: Arc<Access>,
    pub client: Client,
    pub metrics: SourceMetrics,
    pub clock: Clock,
    /// Finish what is in hand.
    pub soft: CancellationToken,
    /// Stop at once.
    pub hard: CancellationToken,
}

/// The two tasks of the source, ready to run.
#[derive(Debug)]
pub struct Source {
    context: Context,
    management: Management,
    checks: Checks,
}

impl Source {
    pub fn new(parts: Parts) -> Self {
        let shared = Arc::new(Shared::new(parts.inlet.received()));
        let management = || {
            let base = parts.settings.url.clone();
            Management::new(parts.client.clone(), base, parts.clock.clone())
        };
        Self {
            management: management(),
            checks: Checks {
                settings: parts.settings.clone(),
                management: management(),
                access: Arc::clone(&parts.access),
                shared: Arc::clone(&shared),
                metrics: parts.metrics.clone(),
                stop: parts.soft.clone(),
                known: Known::default(),
            },
            context: Context {
                settings: parts.settings,
                inlet: parts.inlet,
                access: parts.access,
                shared,
                metrics: parts.metrics,
                clock: parts.clock,
                soft: parts.soft,
                hard: parts.hard,
                contact: LastContact::default(),
                perhaps_cut: false,
                silent_since: None,
                failures: RepeatLimit::default(),
            },
        }
    }

    /// Lets a reload reach the running source.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.context.shared)
    }

    /// Runs until the program stops; everything taken is in the spool then.
    pub async fn run(self) {
        let checks = self.checks.run();
        let supervisor = Supervisor {
            plan: Plan::new(self.context.settings.setting),
            context: self.context,
            management: self.management,
            said: None,
            retry: RETRY_FIRST,
        };
        // The checks hold no records, so they may be dropped in the middle of a call. The
        // supervisor may not: a reply is on its way.
        let watching = async {
            checks.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = supervisor.run() => {}
            () = watching => {}
        }
    }
}

/// Chooses a mode, runs it, and learns from how it ended.
struct Supervisor {
    context: Context,
    management: Management,
    plan: Plan,
    /// The last choice that the log has told.
    said: Option<Decision>,
    retry: Duration,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            let decision = self.plan.next(Instant::now());
            self.say(&decision);
            let began = Instant::now();
            let end = match decision.mode {
                IngestMode::Pop => resp_pop::run(&mut self.context).await,
                IngestMode::Subscribe => resp_subscribe::run(&mut self.context).await,
                IngestMode::Http => {
                    let until = decision.until;
                    http_queue::run(&mut self.context, &mut self.management, until).await
                }
            };
            self.context.access.disconnected();
            if began.elapsed() > RETRY_MAX {
                self.retry = RETRY_FIRST;
            }
            if !self.learn(decision.mode, end).await {
                return;
            }
        }
    }

    /// False when the program stops.
    async fn learn(&mut self, mode: IngestMode, end: SessionEnd) -> bool {
        let now = Instant::now();
        let over_resp = mode != IngestMode::Http;
        if over_resp && !matches!(end, SessionEnd::Unavailable(_) | SessionEnd::Refused(_)) {
            self.plan.resp_works();
        }
        match end {
            SessionEnd::Stopped => return false,
            SessionEnd::Again => {
                self.context.metrics.reconnect("reprobe");
                if self.context.shared.take_reload() {
                    self.plan.forget();
                }
            }
            SessionEnd::Starved if over_resp => {
                self.plan.starved(now);
                self.context.metrics.reconnect("starved");
            }
            // A subscription needs RESP, which is not to be had.
            SessionEnd::Starved => {}
            SessionEnd::Refused(refusal) => {
                self.lost_contact("refused");
                self.context.access.refused(refusal);
            }
            SessionEnd::Unavailable(why) => {
                self.lost_contact("unavailable");
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
                    self.ask_for_the_reason().await;
                    return self.pause_after_failure().await;
                }
            }
            SessionEnd::Down { why, remedy } => {
                self.lost_contact("down");
                self.say_down(&why, remedy.as_ref(), now);
                return self.pause_after_failure().await;
            }
        }
        true
    }

    fn say_down(&mut self, why: &str, remedy: Option<&Remedy>, now: Instant) {
        let url = &self.context.settings.url;
        self.context.silent_since.get_or_insert(now);
        if let Some(repeated) = self.context.failures.log(why, now.into_std()) {
            let remedy = remedy.map(|remedy| remedy.text(url));
            tracing::warn!(why, remedy, %url, repeated, "CPA is unreachable; retrying");
        }
    }

    /// A connection that closes without a word can mean that management is off, or that the port
    /// speaks TLS; HTTP tells.
    async fn ask_for_the_reason(&mut self) {
        let Some(key) = self.context.access.key(&self.context.soft).await else {
            return;
        };
        match self.management.detect(&key).await {
            Err(HttpFailure::Refused(refusal)) => self.context.access.refused(refusal),
            Err(failure) => {
                let why = Chain(&failure).to_string();
                self.say_down(&why, Remedy::of(&failure).as_ref(), Instant::now());
            }
            Ok(_) => {}
        }
    }

    fn lost_contact(&self, reason: &'static str) {
        self.context.metrics.set_up(false);
        self.context.metrics.set_mode(None);
        self.context.metrics.reconnect(reason);
    }

    async fn pause_after_failure(&mut self) -> bool {
        // A subscription that was cut is met by reconnecting at once.
        if self.context.perhaps_cut && self.retry == RETRY_FIRST {
            self.retry *= 2;
            return true;
        }
        let pause = self.retry;
        self.retry = (self.retry * 2).min(RETRY_MAX);
        self.context.pause(pause).await
    }

    fn say(&mut self, decision: &Decision) {
        let said = self.said.as_ref();
        if said.is_none_or(|s| s.mode != decision.mode || s.why != decision.why) {
            tracing::info!(
                mode = decision.mode.as_str(),
                why = decision.why,
                "ingest mode selected"
            );
            self.said = Some(decision.clone());
        }
    }
}
