//! Looks at CPA's accounts now and then, and publishes what is there.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::account_set::AccountSet;
use super::accounts_client::{AccountsClient, SnapshotFailure};
use super::error_event::ErrorEvent;
use super::errors_channel::{ChannelEvent, Events};
use super::gauges;
use super::{Decoding, Directory};
use crate::clock::Clock;
use crate::cpa::{Access, HttpFailure, Management, SuccessCount};
use crate::decode::Secrets;
use crate::errors::Chain;
use crate::metrics::{AccountErrors, AccountNames, GaugeSet, Samples};
use crate::model::{AccountSeen, UnixNanos};
use crate::store::{Write, WriteQueue};

/// CPA tells of one change several times within a moment.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// How soon it is looked again whether the key has been accepted.
const KEY_REREAD: Duration = Duration::from_millis(250);
/// How soon a new account's name is looked for again.
const NAME_LOOK: Duration = Duration::from_millis(100);
const NAME_LOOK_MAX: Duration = Duration::from_secs(5);
/// Intervals without a good look before the gauges go: what they say is too old then.
const INTERVALS_BORNE: u32 = 3;
/// The database wants to know that an account is still listed once in this time.
const NOTE_AGAIN: Duration = Duration::from_hours(1);
/// Failures that wait for their account's name, or are kept for the end of a look.
const MAX_PENDING: usize = 1024;

/// From the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: Url,
    /// Pause between two looks.
    pub interval: Duration,
    /// Whether the page shows addresses.
    pub show_email: bool,
}

/// What the watcher is made of.
#[derive(Debug)]
pub struct WatcherParts {
    pub settings: Settings,
    pub client: Client,
    pub access: Arc<Access>,
    pub clock: Clock,
    pub secrets: Secrets,
    /// Takes CPA's counts of the lists that are read here.
    pub success_count: SuccessCount,
    pub directory: Directory,
    pub names: AccountNames,
    pub writes: WriteQueue,
    pub gauges: GaugeSet,
    pub errors: AccountErrors,
    /// Notified when CPA says that accounts or configuration changed.
    pub changed: Arc<Notify>,
    pub events: Events,
    pub stop: CancellationToken,
}

/// The watching task, ready to run.
#[derive(Debug)]
pub struct Watcher {
    client: AccountsClient,
    state: State,
}

/// What changes while a look is under way, too.
#[derive(Debug)]
struct State {
    interval: Duration,
    access: Arc<Access>,
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
    /// When something on the page changes by itself.
    redraw: Option<Instant>,
    /// Grows while names do not come.
    name_look: Duration,
}

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
struct Known {
    /// The latest look failed.
    failing: bool,
    /// When a look was good.
    good: Option<Instant>,
    /// When the database was last told of an account.
    noted: HashMap<Box<str>, UnixNanos>,
    /// Failures of accounts without a name.
    pending: VecDeque<ErrorEvent>,
    /// Failures since the latest look began: its list may be older than they are.
    since_look: VecDeque<ErrorEvent>,
}

impl Watcher {
    pub fn new(parts: WatcherParts) -> Self {
        let settings = parts.settings;
        let management = Management::new(parts.client, settings.url, parts.clock.clone());
        let decoding = Decoding {
            secrets: parts.secrets,
            keep_email: settings.show_email,
        };
        Self {
            client: AccountsClient::new(management, decoding, parts.success_count),
            state: State {
                interval: settings.interval,
                access: parts.access,
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
                redraw: None,
                name_look: NAME_LOOK,
            },
        }
    }

    /// Runs until the program stops. Holds nothing that could be lost.
    pub async fn run(self) {
        let Self { client, mut state } = self;
        let stop = state.stop.clone();
        stop.run_until_cancelled(state.watch(client)).await;
    }
}

impl State {
    async fn watch(&mut self, mut client: AccountsClient) {
        loop {
            self.wait_for_look().await;
            self.snapshot(&mut client).await;
        }
    }

    /// Until the next look is due, which CPA can bring forward.
    async fn wait_for_look(&mut self) {
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

    /// Takes events and keeps the page up to date until `done` is. A look takes ten calls, each of
    /// which costs CPA 62 ms and more: nothing waits for it.
    async fn serve_until<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        let directory = self.directory.clone();
        loop {
            let redraw = self.redraw;
            tokio::select! {
                done = &mut done => return done,
                Some(event) = self.events.recv() => self.take_events(event),
                () = directory.plan_told() => self.draw(),
                () = sleep_until(redraw.unwrap_or_else(Instant::now)), if redraw.is_some() => {
                    self.draw_again();
                }
            }
        }
    }

    /// Asks CPA once.
    async fn snapshot(&mut self, client: &mut AccountsClient) {
        let Some(key) = self.access.accepted_key_now() else {
            self.next_look = Instant::now() + KEY_REREAD.min(self.interval);
            self.expire_stale();
            return;
        };
        self.known.since_look.clear();
        let looked = self.serve_until(client.snapshot(&key)).await;
        self.next_look = Instant::now() + self.interval;
        match looked {
            Ok(snapshot) => {
                self.known.failing = false;
                self.known.good = Some(Instant::now());
                let now = self.clock.now();
                self.set.take(snapshot, now);
                for event in &self.known.since_look {
                    self.set.hear(event, now);
                }
                self.publish();
            }
            Err(failure) => self.failed(&failure),
        }
    }

    fn failed(&mut self, failure: &SnapshotFailure) {
        let first = !std::mem::replace(&mut self.known.failing, true);
        if let SnapshotFailure::Http(HttpFailure::Refused(refusal)) = failure {
            self.access.refused(*refusal);
        } else if first {
            tracing::warn!(
                error = %Chain(failure),
                "CPA's account lists cannot be read; keeping the last values for a while"
            );
        }
        self.expire_stale();
    }

    /// Takes gauges off the page that nobody has confirmed for long.
    fn expire_stale(&mut self) {
        let good = self.known.good;
        if good.is_some_and(|good| good.elapsed() > self.interval * INTERVALS_BORNE) {
            self.known.good = None;
            self.gauges.publish(Samples::default());
        }
    }

    /// Takes what waits on the channel, and shows it once.
    fn take_events(&mut self, first: ChannelEvent) {
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                ChannelEvent::Failure(event) => self.hear(&event),
                ChannelEvent::SessionEnd => {
                    self.set.nothing_new();
                    self.known.since_look.clear();
                }
            }
            next = self.events.try_recv().ok();
        }
        self.publish();
    }

    fn hear(&mut self, event: &ErrorEvent) {
        let now = self.clock.now();
        if !self.set.hear(event, now) {
            // Not listed, or not yet. It needs its name all the same.
            self.note(&event.auth_index, &event.provider, now);
        }
        for queue in [&mut self.known.pending, &mut self.known.since_look] {
            queue.push_back(event.clone());
            let excess = queue.len().saturating_sub(MAX_PENDING);
            queue.drain(..excess);
        }
    }

    /// A cool-down may be over, a name may have come.
    fn draw_again(&mut self) {
        if self.set.settle(self.clock.now()) {
            self.publish();
        } else {
            self.name_look = (self.name_look * 2).min(NAME_LOOK_MAX);
            self.draw();
        }
    }

    /// Puts the directory and the page into the state of now.
    fn publish(&mut self) {
        let now = self.clock.now();
        self.set.settle(now);
        let accounts = self.set.list();
        for account in &accounts {
            self.note(&account.auth_index, &account.provider, now);
        }
        self.known
            .noted
            .retain(|_, at| now.since(*at) < 2 * NOTE_AGAIN);
        self.directory.publish(accounts);
        self.name_look = NAME_LOOK;
        self.draw();
    }

    fn draw(&mut self) {
        let drawn = gauges::draw(&self.directory.snapshot(), &self.names, self.clock.now());
        let waiting = drawn.unnamed | self.count_pending();
        if self.known.good.is_some() {
            self.gauges.publish(drawn.samples);
        }
        let now = self.clock.now();
        let change = self.set.next_change().map(|at| at.since(now));
        let name = waiting.then_some(self.name_look);
        self.redraw = change.into_iter().chain(name).min().map(|wait| {
            // Ends are told to the nanosecond; a little later they are over for certain.
            Instant::now() + wait + Duration::from_millis(1)
        });
    }

    /// Counts failures whose account has a name by now. True when some wait on.
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

    /// Has the account named and remembered.
    fn note(&mut self, auth_index: &str, provider: &str, now: UnixNanos) {
        let noted = self.known.noted.get(auth_index);
        if noted.is_some_and(|at| now.since(*at) < NOTE_AGAIN) {
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
