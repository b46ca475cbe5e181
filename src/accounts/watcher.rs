//! Reads CPA's accounts periodically and publishes them.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::account_set::AccountSet;
use super::accounts_client::{AccountsClient, SnapshotFailure};
use super::error_event::ErrorEvent;
use super::errors_channel::{ChannelEvent, Events};
use super::gauges;
use super::{Decoding, Directory};
use crate::clock::Clock;
use crate::cpa::{Client, HttpFailure, SuccessCount};
use crate::decode::Secrets;
use crate::errors::Chain;
use crate::metrics::{AccountErrors, AccountNames, GaugeSet, Samples};
use crate::model::{AccountSeen, UnixNanos};
use crate::store::{Write, WriteQueue};

/// CPA sends several notifications of one change in quick succession.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// How often to check whether the key has been accepted.
const KEY_REREAD: Duration = Duration::from_millis(250);
/// How often to check whether a new account has its name.
const NAME_CHECK: Duration = Duration::from_millis(100);
const NAME_CHECK_MAX: Duration = Duration::from_secs(5);
/// The gauges are removed after this many intervals without a successful snapshot.
const MAX_FAILED_INTERVALS: u32 = 3;
/// The database records at this interval that an account is still listed.
const NOTE_INTERVAL: Duration = Duration::from_hours(1);
/// Maximum number of failures that wait for their account's name or for the end of a snapshot.
const MAX_PENDING: usize = 1024;

/// Settings from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Interval between two snapshots.
    pub interval: Duration,
    /// Whether gauges expose addresses.
    pub show_email: bool,
}

/// Dependencies of the watcher.
#[derive(Debug)]
pub struct WatcherParts {
    pub settings: Settings,
    pub client: Client,
    pub clock: Clock,
    pub secrets: Secrets,
    /// Receives CPA's success counts from the lists that are read here.
    pub success_count: SuccessCount,
    pub directory: Directory,
    pub names: AccountNames,
    pub writes: WriteQueue,
    pub gauges: GaugeSet,
    pub errors: AccountErrors,
    /// Notified when CPA reports a change of accounts or configuration.
    pub changed: Arc<Notify>,
    pub events: Events,
    pub stop: CancellationToken,
}

/// The watcher task.
#[derive(Debug)]
pub struct Watcher {
    client: AccountsClient,
    state: State,
}

/// The state that events update even during a snapshot.
#[derive(Debug)]
struct State {
    interval: Duration,
    cpa: Client,
    clock: Clock,
    directory: Directory,
    names: AccountNames,
    writes: WriteQueue,
    gauges: GaugeSet,
    errors: AccountErrors,
    changed: Arc<Notify>,
    events: mpsc::Receiver<ChannelEvent>,
    stop: CancellationToken,
    set: AccountSet,
    known: Known,
    next_look: Instant,
    /// Time of the next change of the gauges without an event.
    next_render: Option<Instant>,
    /// Delay of the next name check; grows while names are missing.
    name_check: Duration,
}

/// State kept between snapshots.
#[derive(Debug, Default)]
struct Known {
    /// Whether the latest snapshot failed.
    failing: bool,
    /// Time of the latest successful snapshot.
    last_success: Option<Instant>,
    /// When each account was last recorded in the database.
    noted: HashMap<Box<str>, UnixNanos>,
    /// Failures of accounts without a name.
    pending: VecDeque<ErrorEvent>,
    /// Failures since the start of the running snapshot, whose lists may be older than they are.
    since_snapshot: VecDeque<ErrorEvent>,
}

impl Watcher {
    pub fn new(parts: WatcherParts) -> Self {
        let settings = parts.settings;
        let decoding = Decoding {
            secrets: parts.secrets,
            keep_email: settings.show_email,
        };
        Self {
            client: AccountsClient::new(parts.client.clone(), decoding, parts.success_count),
            state: State {
                interval: settings.interval,
                cpa: parts.client,
                clock: parts.clock,
                directory: parts.directory,
                names: parts.names,
                writes: parts.writes,
                gauges: parts.gauges,
                errors: parts.errors,
                changed: parts.changed,
                events: parts.events.0,
                stop: parts.stop,
                set: AccountSet::default(),
                known: Known::default(),
                next_look: Instant::now(),
                next_render: None,
                name_check: NAME_CHECK,
            },
        }
    }

    /// Runs until the program stops. Holds no data that could be lost.
    pub async fn run(self) {
        let Self { client, mut state } = self;
        let stop = state.stop.clone();
        stop.run_until_cancelled(state.watch(client)).await;
    }
}

impl State {
    async fn watch(&mut self, mut client: AccountsClient) {
        loop {
            self.wait_for_snapshot().await;
            self.snapshot(&mut client).await;
        }
    }

    /// Waits for the next snapshot; a notification from CPA brings it forward.
    async fn wait_for_snapshot(&mut self) {
        let changed = Arc::clone(&self.changed);
        while self.next_look > Instant::now() {
            let due = sleep_until(self.next_look);
            let is_due = async {
                tokio::select! {
                    () = due => true,
                    () = changed.notified() => false,
                }
            };
            if !self.serve_until(is_due).await {
                self.next_look = self.next_look.min(Instant::now() + DEBOUNCE);
            }
        }
    }

    /// Handles events and updates the gauges until `done` completes. A snapshot makes ten requests
    /// that take CPA 62 ms and more each, so events do not wait for it.
    async fn serve_until<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        let directory = self.directory.clone();
        loop {
            let next_render = self.next_render;
            tokio::select! {
                done = &mut done => return done,
                Some(event) = self.events.recv() => self.apply_events(event),
                () = directory.plan_changed() => self.render(),
                () = sleep_until(next_render.unwrap_or_else(Instant::now)), if next_render.is_some() => {
                    self.render_again();
                }
            }
        }
    }

    /// Reads CPA's accounts once.
    async fn snapshot(&mut self, client: &mut AccountsClient) {
        if self.cpa.access().accepted_key_now().is_none() {
            self.next_look = Instant::now() + KEY_REREAD.min(self.interval);
            self.expire_stale();
            return;
        }
        self.known.since_snapshot.clear();
        let looked = self.serve_until(client.snapshot()).await;
        self.next_look = Instant::now() + self.interval;
        match looked {
            Ok(snapshot) => {
                self.known.failing = false;
                self.known.last_success = Some(Instant::now());
                let now = self.clock.now();
                self.set.apply(snapshot, now);
                for event in &self.known.since_snapshot {
                    self.set.record_failure(event, now);
                }
                self.publish();
            }
            Err(failure) => self.failed(&failure),
        }
    }

    fn failed(&mut self, failure: &SnapshotFailure) {
        let first = !std::mem::replace(&mut self.known.failing, true);
        // The client reports a refusal.
        if !matches!(failure, SnapshotFailure::Http(HttpFailure::Refused(_))) && first {
            tracing::warn!(
                error = %Chain(failure),
                "CPA's account lists cannot be read; keeping the last values for a while"
            );
        }
        self.expire_stale();
    }

    /// Removes gauges that no snapshot has confirmed for too long.
    fn expire_stale(&mut self) {
        let last_success = self.known.last_success;
        if last_success.is_some_and(|last_success| {
            last_success.elapsed() > self.interval * MAX_FAILED_INTERVALS
        }) {
            self.known.last_success = None;
            self.gauges.publish(Samples::default());
        }
    }

    /// Applies all queued events and publishes once.
    fn apply_events(&mut self, first: ChannelEvent) {
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                ChannelEvent::Failure(event) => self.apply_failure(&event),
                ChannelEvent::SessionEnd => {
                    self.set.forget_failures();
                    self.known.since_snapshot.clear();
                }
            }
            next = self.events.try_recv().ok();
        }
        self.publish();
    }

    fn apply_failure(&mut self, event: &ErrorEvent) {
        let now = self.clock.now();
        if !self.set.record_failure(event, now) {
            // The account is not listed yet, but needs its name.
            self.note(&event.auth_index, &event.provider, now);
        }
        for queue in [&mut self.known.pending, &mut self.known.since_snapshot] {
            queue.push_back(event.clone());
            let excess = queue.len().saturating_sub(MAX_PENDING);
            queue.drain(..excess);
        }
    }

    /// Renders the gauges again, after the end of a cool-down or for a new name.
    fn render_again(&mut self) {
        if self.set.settle(self.clock.now()) {
            self.publish();
        } else {
            self.name_check = (self.name_check * 2).min(NAME_CHECK_MAX);
            self.render();
        }
    }

    /// Publishes the directory and the gauges.
    fn publish(&mut self) {
        let now = self.clock.now();
        self.set.settle(now);
        let accounts = self.set.list();
        for account in &accounts {
            self.note(&account.auth_index, &account.provider, now);
        }
        self.known
            .noted
            .retain(|_, at| now.since(*at) < 2 * NOTE_INTERVAL);
        self.directory.publish(accounts);
        self.name_check = NAME_CHECK;
        self.render();
    }

    fn render(&mut self) {
        let drawn = gauges::render(&self.directory.snapshot(), &self.names, self.clock.now());
        let waiting = drawn.unnamed | self.count_pending();
        if self.known.last_success.is_some() {
            self.gauges.publish(drawn.samples);
        }
        let now = self.clock.now();
        let change = self.set.next_change().map(|at| at.since(now));
        let name = waiting.then_some(self.name_check);
        self.next_render = change.into_iter().chain(name).min().map(|wait| {
            // Waits slightly longer, so that the cool-down has ended for certain.
            Instant::now() + wait + Duration::from_millis(1)
        });
    }

    /// Counts the failures of accounts that now have a name. Returns true if some still wait.
    fn count_pending(&mut self) -> bool {
        let (names, errors, set) = (&self.names, &self.errors, &self.set);
        self.known.pending.retain(|event| {
            let Some(name) = names.in_counters(&event.auth_index) else {
                return true;
            };
            let provider = set.provider(&event.auth_index);
            errors.count(provider.unwrap_or(&event.provider), &name, &event.code());
            false
        });
        !self.known.pending.is_empty()
    }

    /// Has the account named and recorded in the database.
    fn note(&mut self, auth_index: &str, provider: &str, now: UnixNanos) {
        let noted = self.known.noted.get(auth_index);
        if noted.is_some_and(|at| now.since(*at) < NOTE_INTERVAL) {
            return;
        }
        self.known.noted.insert(auth_index.into(), now);
        self.writes.push([Write::Account(AccountSeen {
            auth_index: auth_index.into(),
            provider: provider.into(),
            at: now,
        })]);
    }
}
