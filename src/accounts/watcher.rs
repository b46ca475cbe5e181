//! Reads CPA's accounts periodically and publishes them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Directory;
use super::account_set::AccountSet;
use super::error_event::ErrorEvent;
use super::errors_channel::{ChannelEvent, Events};
use super::gauges;
use crate::clock::Clock;
use crate::cpa::CpaStates;
use crate::cpa::lists::Lists;
use crate::metrics::{AccountErrors, AccountNames, GaugeSet, Samples};
use crate::model::{AccountSeen, UnixNanos};
use crate::store::{Write, WriteQueue};

/// How often to check whether a new account has its name.
const NAME_CHECK: Duration = Duration::from_millis(100);
const NAME_CHECK_MAX: Duration = Duration::from_secs(5);
/// The gauges are removed after this many intervals without CPA's lists.
const MAX_FAILED_INTERVALS: u32 = 3;
/// The database records at this interval that an account is still listed.
const NOTE_INTERVAL: Duration = Duration::from_hours(1);
/// Maximum number of failures that wait for their account's name or for newer lists.
const MAX_PENDING: usize = 1024;

/// Settings from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Interval at which CPA's lists are read.
    pub interval: Duration,
}

/// Dependencies of the watcher.
#[derive(Debug)]
pub struct WatcherParts {
    pub settings: Settings,
    pub states: CpaStates,
    pub clock: Clock,
    pub directory: Directory,
    pub names: AccountNames,
    pub writes: WriteQueue,
    pub gauges: GaugeSet,
    pub errors: AccountErrors,
    pub events: Events,
    pub stop: CancellationToken,
}

/// The watcher task.
#[derive(Debug)]
pub struct Watcher {
    interval: Duration,
    states: CpaStates,
    clock: Clock,
    directory: Directory,
    names: AccountNames,
    writes: WriteQueue,
    gauges: GaugeSet,
    errors: AccountErrors,
    events: mpsc::Receiver<ChannelEvent>,
    stop: CancellationToken,
    set: AccountSet,
    known: Known,
    /// Time of the next change of the gauges without an event.
    next_render: Option<Instant>,
    /// Delay of the next name check; grows while names are missing.
    name_check: Duration,
}

/// State kept between two reads of CPA's lists.
#[derive(Debug, Default)]
struct Known {
    /// The lists that were applied last.
    lists: Option<Arc<Lists>>,
    /// When they were applied; `None` once they are too old to be exposed.
    last_success: Option<Instant>,
    /// When each account was last recorded in the database.
    noted: HashMap<Box<str>, UnixNanos>,
    /// Failures of accounts without a name.
    pending: VecDeque<ErrorEvent>,
    /// Failures that newer lists may not contain yet, by arrival.
    recent: VecDeque<(Instant, ErrorEvent)>,
}

impl Watcher {
    pub fn new(parts: WatcherParts) -> Self {
        Self {
            interval: parts.settings.interval,
            states: parts.states,
            clock: parts.clock,
            directory: parts.directory,
            names: parts.names,
            writes: parts.writes,
            gauges: parts.gauges,
            errors: parts.errors,
            events: parts.events.0,
            stop: parts.stop,
            set: AccountSet::default(),
            known: Known::default(),
            next_render: None,
            name_check: NAME_CHECK,
        }
    }

    /// Runs until the program stops. Holds no data that could be lost.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.watch()).await;
    }

    async fn watch(&mut self) {
        let directory = self.directory.clone();
        loop {
            let next_render = self.next_render;
            let expiry = self
                .known
                .last_success
                .map(|at| at + self.interval * MAX_FAILED_INTERVALS);
            let at = |time: Option<Instant>| sleep_until(time.unwrap_or_else(Instant::now));
            tokio::select! {
                Ok(()) = self.states.changed() => self.apply_lists(),
                Some(event) = self.events.recv() => self.apply_events(event),
                () = directory.plan_changed() => self.render(),
                () = at(next_render), if next_render.is_some() => self.render_again(),
                () = at(expiry), if expiry.is_some() => self.expire(),
                else => return,
            }
        }
    }

    /// Applies CPA's lists if they are new.
    fn apply_lists(&mut self) {
        let Some(lists) = self.states.borrow_and_update().lists.clone() else {
            return;
        };
        if self
            .known
            .lists
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, &lists))
        {
            return;
        }
        let now = self.clock.now();
        self.set.apply(&lists, now);
        self.known
            .recent
            .retain(|(arrived, _)| *arrived >= lists.began);
        for (_, event) in &self.known.recent {
            self.set.record_failure(event, now);
        }
        self.known.lists = Some(lists);
        self.known.last_success = Some(Instant::now());
        self.publish();
    }

    /// Removes the gauges, because the lists are too old.
    fn expire(&mut self) {
        self.known.last_success = None;
        self.gauges.publish(Samples::default());
    }

    /// Applies all queued events and publishes once.
    fn apply_events(&mut self, first: ChannelEvent) {
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                ChannelEvent::Failure(event) => self.apply_failure(&event),
                ChannelEvent::SessionEnd => {
                    self.set.forget_failures();
                    self.known.recent.clear();
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
        push(&mut self.known.pending, event.clone());
        push(&mut self.known.recent, (Instant::now(), event.clone()));
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

fn push<T>(queue: &mut VecDeque<T>, item: T) {
    queue.push_back(item);
    let excess = queue.len().saturating_sub(MAX_PENDING);
    queue.drain(..excess);
}
