//! The poller task: sends due polls, records observed headers, and publishes the state.

mod polls;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::gauges;
use super::quota_client::QuotaClient;
use super::refresh::{Refresh, Reply};
use super::schedule::Schedule;
use super::state::{AccountKey, Holder, QuotaState};
use super::targets::Targets;
use super::view::{Known, view};
use super::window_state::Observation;
use super::{Parts, label};
use crate::api::{AccountFilter, AccountQuota, NoReading, RefreshOutcome, Unpolled};
use crate::model::{Limit, QuotaPoint, QuotaSource, UnixNanos};
use crate::quota::Failure;
use crate::quota::passive::QuotaSign;
use crate::store::Write;

use polls::Polled;

/// Minimum time between two publications.
const PUBLISH_SPACING: Duration = Duration::from_millis(500);
/// How often windows are checked for their end.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Task {
    parts: Parts,
    client: QuotaClient,
    state: QuotaState,
    schedule: Schedule,
    targets: Targets,
    running_refresh: Refresh,
    running: JoinSet<Polled>,
    /// Account of each running poll.
    polled_accounts: HashMap<task::Id, Box<str>>,
    /// Reason of each account's latest failures, and the time of the first one.
    failures: HashMap<Box<str>, (&'static str, UnixNanos)>,
    pause_until: Option<Instant>,
    dirty: bool,
    published: Instant,
}

impl Task {
    pub(super) fn new(parts: Parts) -> Self {
        let settings = &parts.poller_config.settings;
        Self {
            state: QuotaState::new(settings.max_limits),
            client: parts.poller_config.client(parts.polls.clone()),
            schedule: Schedule::new(parts.automatic),
            targets: parts.poller_config.targets(),
            running_refresh: Refresh::default(),
            running: JoinSet::new(),
            polled_accounts: HashMap::new(),
            failures: HashMap::new(),
            pause_until: None,
            dirty: false,
            published: Instant::now(),
            parts,
        }
    }

    /// Runs until the program stops. Cancelling it loses no data.
    pub(super) async fn run(mut self) {
        let stop = self.parts.stop.clone();
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&mut self) {
        if let Some(history) = &self.parts.history
            && let Some(points) = history.load().await
        {
            self.state.restore(points, self.now());
            self.dirty = true;
        }
        let mut directory = self.parts.directory.changes();
        let mut local = self.parts.local.clone();
        let mut usage = self.parts.window_usage.clone();
        self.apply_directory();
        loop {
            let look = sleep_until(self.next_look());
            let clock = self.parts.poller_config.clock.clone();
            let next_poll = self.next_poll();
            tokio::select! {
                Some(signs) = self.parts.signs.recv() => self.record_signs(signs),
                Some((wanted, reply)) = self.parts.refreshes.0.recv() => self.refresh(&wanted, reply),
                Some(ended) = self.running.join_next_with_id() => match ended {
                    Ok((id, polled)) => {
                        self.polled_accounts.remove(&id);
                        self.ended(polled);
                    }
                    Err(error) => self.poll_panicked(&error),
                },
                looked = directory.changed() => {
                    if looked.is_ok() {
                        self.apply_directory();
                    }
                }
                Ok(()) = local.changed() => {
                    self.state.set_local(local.borrow_and_update().clone());
                    self.dirty = true;
                }
                Ok(()) = usage.changed() => {
                    self.state.set_usage(usage.borrow_and_update().clone());
                    self.dirty = true;
                }
                () = look => {}
                () = clock.sleep_until(next_poll.unwrap_or_else(Instant::now)), if next_poll.is_some() => {}
            }
            self.expire();
            self.start_polls();
            self.publish();
        }
    }

    /// Time of the next publication or check of windows.
    fn next_look(&self) -> Instant {
        let look = Instant::now() + LOOK;
        if self.dirty {
            look.min(self.published + PUBLISH_SPACING)
        } else {
            look
        }
    }

    /// Time of the next poll, by the clock.
    fn next_poll(&self) -> Option<Instant> {
        let poll = self.schedule.next_time().filter(|_| self.has_room())?;
        Some(poll.max(self.pause_until.unwrap_or(poll)))
    }

    fn now(&self) -> UnixNanos {
        self.parts.poller_config.clock.now()
    }

    /// Time of the schedule.
    fn instant(&self) -> Instant {
        self.parts.poller_config.clock.instant()
    }

    fn has_room(&self) -> bool {
        self.running.len() < self.parts.poller_config.settings.concurrency
    }

    /// Applies the current list of accounts.
    fn apply_directory(&mut self) {
        let now = self.instant();
        let listed = self.parts.directory.snapshot();
        self.targets.apply(&listed);
        let asked = self
            .targets
            .all()
            .filter(|_| self.parts.poller_config.settings.enabled);
        for (index, target, stamp) in asked {
            let interval = self.targets.interval(target);
            let provider = target.provider.id();
            self.parts.polls.announce(provider, &Failure::REASONS);
            self.schedule.insert(index, interval, stamp, now);
        }
        let there: HashSet<&str> = listed.iter().map(|a| &*a.auth_index).collect();
        let targets = &self.targets;
        let known = |index: &str| there.contains(index) || targets.get(index).is_some();
        self.schedule.retain(|index| targets.get(index).is_some());
        self.running_refresh
            .retain(|index| targets.get(index).is_some());
        self.failures
            .retain(|index, _| targets.get(index).is_some());
        // The list is empty until the first snapshot, so it removes nothing.
        if !listed.is_empty() {
            self.state.retain(known);
        }
        for account in listed.iter() {
            let news = self.state.record_list(account, self.now());
            self.store(news);
            self.record_plan(&account.auth_index);
        }
        self.dirty = true;
    }

    fn record_signs(&mut self, signs: Vec<QuotaSign>) {
        for sign in signs {
            let QuotaSign {
                auth_index,
                provider,
                observed,
            } = sign;
            let provider = self.targets.provider(&auth_index).unwrap_or(&provider);
            let provider: Arc<str> = provider.into();
            let key = AccountKey {
                auth_index: &auth_index,
                provider: &provider,
            };
            let (at, now) = (observed.at, self.now());
            // A reading of one model's limit says nothing about the plan.
            let readings = &observed.headers.readings;
            let covers_plan = readings.iter().any(|row| *row.limit() == Limit::main());
            let news = self.state.apply_headers(key, observed.headers, at, now);
            self.store(news);
            self.record_plan(&auth_index);
            if let Some(refusal) = observed.refusal {
                let refusal = self.state.resolve_window(&auth_index, refusal);
                let seen = Observation::new(QuotaSource::Error, at, now);
                let news = self.state.read(key, [refusal], seen, now);
                self.store(news);
            }
            if covers_plan {
                self.postpone(&auth_index, at, now);
            }
        }
        self.dirty = true;
    }

    /// Delays the poll of an account whose headers contained a fresh reading.
    fn postpone(&mut self, auth_index: &str, observed: UnixNanos, now: UnixNanos) {
        let age = now.since(observed);
        let interval = self
            .targets
            .get(auth_index)
            .map(|target| self.targets.interval(target));
        if let Some(fresh_for) = interval.and_then(|interval| interval.checked_sub(age)) {
            let until = self.instant() + fresh_for;
            self.schedule.postpone(auth_index, until);
        }
    }

    fn refresh(&mut self, wanted: &AccountFilter, reply: Reply) {
        let now = self.instant();
        if let Some(rest) = self.running_refresh.cooldown(now) {
            let retry_after_seconds = rest.as_secs() + 1;
            tracing::warn!(
                retry_after_seconds,
                "manual quota refresh refused: the last one is too recent"
            );
            let answer = RefreshOutcome::CoolingDown {
                retry_after_seconds,
            };
            reply.send(answer).ok();
            return;
        }
        let mut accounts = HashSet::new();
        for (index, target, _) in self.targets.all() {
            let is_wanted = wanted.matches(&target.account.provider, &self.label(index));
            if is_wanted && !self.running_refresh.includes(index) && self.schedule.force(index, now)
            {
                accounts.insert(index.into());
            }
        }
        self.pause_until = None;
        let mut not_asked = self.targets.unpolled();
        if !self.parts.poller_config.settings.enabled {
            not_asked += self.targets.all().count();
        }
        if accounts.is_empty() {
            // Nothing else publishes before the reply.
            self.publish_now();
        }
        self.running_refresh.start(accounts, not_asked, reply, now);
    }

    fn label(&self, auth_index: &str) -> String {
        label(&self.parts.names, auth_index)
    }

    fn expire(&mut self) {
        let now = self.instant();
        for auth_index in self.state.expire(self.now()) {
            self.schedule.after_reset(&auth_index, now);
            self.dirty = true;
        }
    }

    /// Tells the list of accounts the plan that the provider stated last, in a response or a header.
    fn record_plan(&self, auth_index: &str) {
        let facts = self.state.get(auth_index).map(|account| &account.facts);
        if let Some(plan) = facts.and_then(|facts| facts.plan.as_ref()) {
            self.parts.directory.record_plan(auth_index, plan.as_str());
        }
    }

    fn store(&self, news: Vec<QuotaPoint>) {
        if !news.is_empty() {
            self.parts.writes.push(news.into_iter().map(Write::Quota));
        }
    }

    /// Reason why an account has no reading, or no newer one.
    fn no_reading(&self, auth_index: &str, quota: &AccountQuota) -> Option<NoReading> {
        if let Some((reason, since)) = self.failures.get(auth_index) {
            return Some(NoReading {
                reason: (*reason).to_owned(),
                since: Some(since.as_seconds()),
                next_try: self.next_try(auth_index),
            });
        }
        let reason = if quota.has_reading() {
            return None;
        } else if self.targets.get(auth_index).is_none() {
            Unpolled::NoQuota
        } else if !self.parts.poller_config.settings.enabled {
            Unpolled::PollingOff
        } else if quota.last_success.is_some() {
            Unpolled::NoLimits
        } else {
            Unpolled::Waiting
        };
        Some(NoReading {
            next_try: self.next_try(auth_index),
            ..NoReading::from(reason)
        })
    }

    fn next_try(&self, auth_index: &str) -> Option<f64> {
        let due = self
            .schedule
            .due(auth_index)
            .filter(|_| self.parts.automatic)?;
        let wait = due.saturating_duration_since(self.instant());
        Some(self.now().saturating_add(wait).as_seconds())
    }

    /// Records the outcome of a poll, and since when polls have had it.
    fn record_outcome(&mut self, auth_index: &str, failure: Option<&'static str>) {
        let now = self.now();
        self.dirty = true;
        match failure {
            None => drop(self.failures.remove(auth_index)),
            Some(reason) => {
                let known = self
                    .failures
                    .entry(auth_index.into())
                    .or_insert((reason, now));
                if known.0 != reason {
                    *known = (reason, now);
                }
            }
        }
    }

    fn publish(&mut self) {
        if self.dirty && self.published.elapsed() >= PUBLISH_SPACING {
            self.publish_now();
        }
    }

    /// Tells the ingest thread which windows to count.
    fn publish_window_spans(&self) {
        let starts = self.state.window_spans();
        self.parts.window_spans.send_if_modified(|published| {
            let is_new = **published != starts;
            if is_new {
                *published = Arc::new(starts);
            }
            is_new
        });
    }

    fn publish_now(&mut self) {
        self.dirty = false;
        self.published = Instant::now();
        self.publish_window_spans();
        let names = &self.parts.names;
        let listed = self.parts.directory.snapshot();
        let pairs = listed.iter().map(|a| (&*a.auth_index, &*a.provider));
        let providers: HashMap<&str, &str> = pairs.collect();
        let samples = gauges::samples(&self.state, names, |index| providers.get(index).copied());
        self.parts.page.publish(samples);
        let known = Known {
            listed: &listed,
            own: &self.parts.poller_config.settings.own,
            names,
        };
        let view = view(&self.state, known, |index, quota| {
            self.no_reading(index, quota)
        });
        self.parts.quotas.publish(view);
        // A missing account name arrives with the ingest thread's next commit.
        let mut accounts = self
            .state
            .accounts()
            .filter(|(_, it)| it.holder == Holder::Account);
        self.dirty = accounts.any(|(index, _)| names.get(index).is_none());
    }
}
