//! Looks at CPA's accounts now and then, and publishes what is there.

mod once;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use secrecy::SecretString;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::account::Account;
use super::board;
use super::decode_v0;
use super::decode_v8;
use super::error_event::ErrorEvent;
use super::errors_channel::Events;
use super::key_lists::{self, KeyList};
use super::roster::{Look, Roster};
use super::{Decoding, Directory, NotAList};
use crate::clock::Clock;
use crate::cpa::{Access, Api, HttpFailure, Management};
use crate::decode::Secrets;
use crate::errors::Chain;
use crate::ingest::{Note, Notes};
use crate::metrics::{AccountErrors, AccountNames, Board, Sheet};
use crate::model::{AccountSeen, UnixNanos};

/// CPA tells of one change several times within a moment.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// How soon it is looked again whether the key has been accepted.
const KEY_LOOK: Duration = Duration::from_millis(250);
/// How soon a new account's name is looked for again.
const NAME_LOOK: Duration = Duration::from_millis(100);
const NAME_LOOK_MAX: Duration = Duration::from_secs(5);
/// Looks after which the server's generation is asked again, though nothing failed.
const LOOKS_KNOWN: u32 = 10;
/// Looks in a row that may fail before the gauges go: what they say is too old then.
const FAILURES_BORNE: u32 = 3;
/// The database wants to know that an account is still listed once in this time.
const NOTE_AGAIN: Duration = Duration::from_hours(1);
/// Pages of a list, against a server that says there is always one more.
const MAX_PAGES: u32 = 200;
/// Failures that wait for their account's name.
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
    pub directory: Directory,
    pub names: AccountNames,
    pub notes: Notes,
    pub board: Board,
    pub errors: AccountErrors,
    /// Notified when CPA says that accounts or configuration changed.
    pub changed: Arc<Notify>,
    pub events: Events,
    pub stop: CancellationToken,
}

/// The watching task, ready to run.
#[derive(Debug)]
pub struct Watcher {
    interval: Duration,
    management: Management,
    access: Arc<Access>,
    clock: Clock,
    decoding: Decoding,
    directory: Directory,
    names: AccountNames,
    notes: Notes,
    board: Board,
    errors: AccountErrors,
    changed: Arc<Notify>,
    events: mpsc::Receiver<ErrorEvent>,
    stop: CancellationToken,
    roster: Roster,
    known: Known,
    next_look: Instant,
    /// When something on the page changes by itself.
    redraw: Option<Instant>,
    /// Grows while names do not come.
    name_look: Duration,
}

/// What earlier looks found, so that calls are few and the log speaks of changes only.
#[derive(Debug, Default)]
struct Known {
    api: Option<Api>,
    fresh_for: u32,
    failures: u32,
    /// What could not be read at the last look.
    unreadable: Vec<&'static str>,
    skipped: usize,
    /// When the database was last told of an account.
    noted: HashMap<Box<str>, UnixNanos>,
    /// Failures of accounts without a name.
    pending: VecDeque<ErrorEvent>,
}

/// Why a look brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookFailure {
    #[error("call failed")]
    Http(#[from] HttpFailure),
    #[error("the answer is no list of accounts")]
    Content,
}

impl From<NotAList> for LookFailure {
    fn from(_: NotAList) -> Self {
        Self::Content
    }
}

impl Watcher {
    pub fn new(parts: WatcherParts) -> Self {
        let settings = parts.settings;
        Self {
            interval: settings.interval,
            management: Management::new(parts.client, settings.url, parts.clock.clone()),
            access: parts.access,
            clock: parts.clock,
            decoding: Decoding {
                secrets: parts.secrets,
                keep_email: settings.show_email,
            },
            directory: parts.directory,
            names: parts.names,
            notes: parts.notes,
            board: parts.board,
            errors: parts.errors,
            changed: parts.changed,
            events: parts.events.0,
            stop: parts.stop,
            roster: Roster::default(),
            known: Known::default(),
            next_look: Instant::now(),
            redraw: None,
            name_look: NAME_LOOK,
        }
    }

    /// Runs until the program stops. Holds nothing that could be lost.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.watch()).await;
    }

    async fn watch(&mut self) {
        let changed = Arc::clone(&self.changed);
        loop {
            let redraw = self.redraw.unwrap_or(self.next_look);
            tokio::select! {
                () = sleep_until(self.next_look) => self.look().await,
                () = changed.notified() => {
                    self.next_look = self.next_look.min(Instant::now() + DEBOUNCE);
                }
                Some(event) = self.events.recv() => self.hear(event),
                () = sleep_until(redraw) => self.draw_again(),
            }
        }
    }

    /// Asks CPA once.
    async fn look(&mut self) {
        let Some(key) = self.access.admitted_now() else {
            self.next_look = Instant::now() + KEY_LOOK.min(self.interval);
            return;
        };
        let looked = self.ask(&key).await;
        self.next_look = Instant::now() + self.interval;
        match looked {
            Ok(look) => {
                self.known.failures = 0;
                self.known.fresh_for = self.known.fresh_for.saturating_sub(1);
                self.roster.take(look, self.clock.now());
                self.publish();
            }
            Err(failure) => self.failed(&failure),
        }
    }

    fn failed(&mut self, failure: &LookFailure) {
        // It may be another program by now.
        self.known.fresh_for = 0;
        self.known.failures = self.known.failures.saturating_add(1);
        if let LookFailure::Http(HttpFailure::Refused(refusal)) = failure {
            self.access.refused(*refusal);
        } else if self.known.failures == 1 {
            tracing::warn!(
                error = %Chain(failure),
                "CPA's accounts cannot be read; what was known of them stays for a while"
            );
        }
        if self.known.failures == FAILURES_BORNE {
            self.board.publish(Sheet::default());
        }
    }

    async fn ask(&mut self, key: &SecretString) -> Result<Look, LookFailure> {
        let api = self.api(key).await?;
        let mut skipped = 0;
        let files = self.files(api, key, &mut skipped).await?;
        let mut unreadable = Vec::new();
        let mut keys = Vec::new();
        for list in KeyList::ALL {
            let found = self.keys(list, key, &mut skipped).await?;
            if found.is_none() {
                unreadable.push(list.name());
            }
            keys.push((list, found));
        }
        let usage = match self.management.key_usage(api, key).await {
            Ok(Some(body)) => key_lists::usage(&body, &self.decoding).ok(),
            Ok(None) => None,
            Err(failure) => return Err(failure.into()),
        };
        self.say_unreadable(unreadable, skipped);
        Ok(Look {
            files,
            tells_cooldowns: api == Api::V8,
            keys,
            usage,
        })
    }

    async fn api(&mut self, key: &SecretString) -> Result<Api, HttpFailure> {
        if let Some(api) = self.known.api
            && self.known.fresh_for > 0
        {
            return Ok(api);
        }
        let api = self.management.detect(key).await?.api;
        self.known.api = Some(api);
        self.known.fresh_for = LOOKS_KNOWN;
        Ok(api)
    }

    async fn files(
        &mut self,
        api: Api,
        key: &SecretString,
        skipped: &mut usize,
    ) -> Result<Vec<Account>, LookFailure> {
        let mut files = Vec::new();
        for number in 1..=MAX_PAGES {
            let body = self.management.credentials(api, key, number).await?;
            let page = match api {
                Api::V0 => decode_v8::Page {
                    listed: decode_v0::files(&body, &self.decoding)?,
                    more: false,
                },
                Api::V8 => decode_v8::page(&body, &self.decoding)?,
            };
            files.extend(page.listed.accounts);
            *skipped += page.listed.skipped;
            if !page.more {
                break;
            }
        }
        Ok(files)
    }

    /// `None` when the answer is no list; a list that this release has not is empty.
    async fn keys(
        &mut self,
        list: KeyList,
        key: &SecretString,
        skipped: &mut usize,
    ) -> Result<Option<Vec<key_lists::KeyAccount>>, HttpFailure> {
        let Some(body) = self.management.key_list(list.name(), key).await? else {
            return Ok(Some(Vec::new()));
        };
        let listed = key_lists::entries(list, &body, &self.decoding).ok();
        Ok(listed.map(|listed| {
            *skipped += listed.skipped;
            listed.keys
        }))
    }

    fn say_unreadable(&mut self, lists: Vec<&'static str>, skipped: usize) {
        if !lists.is_empty() && lists != self.known.unreadable {
            let names = lists.join(", ");
            tracing::warn!(lists = names, "CPA's answer is no list; the last one stays");
        }
        if skipped > 0 && skipped != self.known.skipped {
            tracing::warn!(
                entries = skipped,
                "entries of CPA's lists name no account and are left out"
            );
        }
        self.known.unreadable = lists;
        self.known.skipped = skipped;
    }

    fn hear(&mut self, event: ErrorEvent) {
        if self.roster.hear(&event, self.clock.now()) {
            self.known.pending.push_back(event);
        } else {
            // Not listed, or not yet: its name is made as for one that only records know.
            let now = self.clock.now();
            self.note(&event.auth_index, &event.provider, now);
            self.known.pending.push_back(event);
        }
        let excess = self.known.pending.len().saturating_sub(MAX_PENDING);
        self.known.pending.drain(..excess);
        self.publish();
    }

    /// A cool-down may be over, a name may have come.
    fn draw_again(&mut self) {
        if self.roster.settle(self.clock.now()) {
            self.publish();
        } else {
            self.name_look = (self.name_look * 2).min(NAME_LOOK_MAX);
            self.draw();
        }
    }

    /// Puts the directory and the page into the state of now.
    fn publish(&mut self) {
        let now = self.clock.now();
        self.roster.settle(now);
        let accounts = self.roster.list();
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
        let drawn = board::draw(&self.directory.snapshot(), &self.names);
        let waiting = drawn.unnamed | self.count_pending();
        if self.known.failures < FAILURES_BORNE {
            self.board.publish(drawn.sheet);
        }
        let now = self.clock.now();
        let change = self.roster.next_change().map(|at| at.since(now));
        let name = waiting.then_some(self.name_look);
        self.redraw = change.into_iter().chain(name).min().map(|wait| {
            // Ends are told to the nanosecond; a little later they are over for certain.
            Instant::now() + wait + Duration::from_millis(1)
        });
    }

    /// Counts failures whose account has a name by now. True when some wait on.
    fn count_pending(&mut self) -> bool {
        let (names, errors, roster) = (&self.names, &self.errors, &self.roster);
        self.known.pending.retain(|event| {
            let Some(name) = names.get(&event.auth_index) else {
                return true;
            };
            let provider = roster.provider(&event.auth_index);
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
        self.notes.leave([Note::Account(AccountSeen {
            auth_index: auth_index.into(),
            provider: provider.into(),
            at: now,
        })]);
    }
}
