//! The task: polls what is due, listens to what comes by itself, and shows what is known.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::board::{Board, Whose};
use super::caller::{Caller, NoContact, Target};
use super::local::Locals;
use super::refresh::{Failed, NO_CONTACT, Refreshed, Reply, Round, Wanted};
use super::row::Seen;
use super::schedule::Schedule;
use super::sheet;
use super::targets::Targets;
use super::view::view;
use super::{Parts, label};
use crate::errors::Chain;
use crate::ingest::{Note, QuotaSign};
use crate::model::{QuotaAnswer, QuotaPoint, QuotaSource, UnixNanos};
use crate::quota::Failure;

/// Least time between two publications.
const PUBLISH_SPACING: Duration = Duration::from_millis(500);
/// How often it is looked whether a window is over.
const LOOK: Duration = Duration::from_secs(1);
/// A CPA that cannot be asked now is not asked for every account in turn.
const NO_CONTACT_PAUSE: Duration = Duration::from_secs(10);

/// How a poll ended.
struct Polled {
    auth_index: Box<str>,
    provider: String,
    took: Duration,
    result: Result<Result<QuotaAnswer, Failure>, NoContact>,
}

pub(super) struct Task {
    parts: Parts,
    caller: Caller,
    board: Board,
    locals: Locals,
    schedule: Schedule,
    targets: Targets,
    round: Round,
    running: JoinSet<Polled>,
    /// Whom a running poll asks about.
    about: HashMap<task::Id, Box<str>>,
    pause_until: Option<Instant>,
    dirty: bool,
    published: Instant,
}

impl Task {
    pub(super) fn new(parts: Parts, caller: Caller, targets: Targets) -> Self {
        Self {
            board: Board::new(parts.settings.max_limits),
            locals: Locals::default(),
            caller,
            schedule: Schedule::new(parts.settings.time_scale.get()),
            targets,
            round: Round::default(),
            running: JoinSet::new(),
            about: HashMap::new(),
            pause_until: None,
            dirty: false,
            published: Instant::now(),
            parts,
        }
    }

    /// Runs until the program stops. Nothing here could be lost.
    pub(super) async fn run(mut self) {
        let stop = self.parts.stop.clone();
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&mut self) {
        if let Some(points) = self.parts.history.load().await {
            self.board.restore(points, self.parts.clock.now());
            self.dirty = true;
        }
        let mut directory = self.parts.directory.changes();
        let mut local = self.parts.local.clone();
        self.follow_directory();
        loop {
            let wake = self.wake_at();
            tokio::select! {
                Some(signs) = self.parts.signs.recv() => self.listen(signs),
                Some((wanted, reply)) = self.parts.refreshes.0.recv() => self.refresh(&wanted, reply),
                Some(ended) = self.running.join_next_with_id() => match ended {
                    Ok((id, polled)) => {
                        self.about.remove(&id);
                        self.ended(polled);
                    }
                    Err(error) => self.broke_off(&error),
                },
                looked = directory.changed() => {
                    if looked.is_ok() {
                        self.follow_directory();
                    }
                }
                Ok(()) = local.changed() => {
                    self.locals.replace(local.borrow_and_update().clone());
                    self.dirty = true;
                }
                () = sleep_until(wake) => {}
            }
            self.expire();
            self.start_polls();
            self.publish();
        }
    }

    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let publication = self.dirty.then(|| self.published + PUBLISH_SPACING);
        let poll = self.schedule.next_time().filter(|_| self.has_room());
        let poll = poll.map(|at| at.max(self.pause_until.unwrap_or(at)));
        let soonest = publication.into_iter().chain(poll);
        soonest.fold(now + LOOK, Instant::min)
    }

    fn has_room(&self) -> bool {
        self.running.len() < self.parts.settings.concurrency
    }

    /// Takes over who is there now.
    fn follow_directory(&mut self) {
        let now = Instant::now();
        let listed = self.parts.directory.snapshot();
        self.targets.follow(&listed);
        let asked = self.targets.all().filter(|_| self.parts.settings.enabled);
        for (index, target, stamp) in asked {
            let interval = self.targets.interval(target);
            let provider = target.asked.provider().id();
            self.parts.polls.announce(provider, &Failure::REASONS);
            self.schedule.put(index, interval, stamp, now);
        }
        let there: HashSet<&str> = listed.iter().map(|a| &*a.auth_index).collect();
        let targets = &self.targets;
        let known = |index: &str| there.contains(index) || targets.get(index).is_some();
        self.schedule.keep(|index| targets.get(index).is_some());
        self.round.keep(|index| targets.get(index).is_some());
        // Before the first look nothing is gone yet.
        if !listed.is_empty() {
            self.board.keep(known);
        }
        for account in listed.iter() {
            let news = self.board.listed(account, self.parts.clock.now());
            self.keep(news);
        }
        self.dirty = true;
    }

    fn listen(&mut self, signs: Vec<QuotaSign>) {
        for sign in signs {
            let QuotaSign {
                auth_index,
                provider,
                observed,
            } = sign;
            let provider = self.targets.provider(&auth_index).unwrap_or(&provider);
            let provider: Arc<str> = provider.into();
            let whose = Whose {
                auth_index: &auth_index,
                provider: &provider,
            };
            let (at, now) = (observed.at, self.parts.clock.now());
            let tells_windows = !observed.headers.readings.is_empty();
            let news = self.board.overheard(whose, observed.headers, at, now);
            self.keep(news);
            if let Some(refusal) = observed.refusal {
                let refusal = self.board.at_home(&auth_index, refusal);
                let seen = Seen::new(QuotaSource::Error, at, now);
                let news = self.board.read(whose, [refusal], seen, now);
                self.keep(news);
            }
            if tells_windows {
                self.postpone(&auth_index, at, now);
            }
        }
        self.dirty = true;
    }

    /// No call for an account whose headers have just told the same.
    fn postpone(&mut self, auth_index: &str, observed: UnixNanos, now: UnixNanos) {
        let age = now.since(observed) / self.parts.settings.time_scale.get();
        let interval = self
            .targets
            .get(auth_index)
            .map(|target| self.targets.interval(target));
        if let Some(fresh_for) = interval.and_then(|interval| interval.checked_sub(age)) {
            let now = Instant::now();
            self.schedule.postpone(auth_index, now + fresh_for, now);
        }
    }

    fn refresh(&mut self, wanted: &Wanted, reply: Reply) {
        let now = Instant::now();
        if self.round.is_running() {
            self.round.join(reply);
            return;
        }
        if let Some(rest) = self.round.cooldown(now) {
            let retry_after_seconds = rest.as_secs() + 1;
            tracing::warn!(
                retry_after_seconds,
                "quotas were asked for a moment ago; not again yet"
            );
            let answer = Refreshed::CoolingDown {
                retry_after_seconds,
            };
            reply.send(answer).ok();
            return;
        }
        let mut accounts = HashSet::new();
        for (index, target, _) in self.targets.all() {
            let is_wanted = wanted.admits(&target.account.provider, &self.label(index));
            if is_wanted && self.schedule.force(index, now) {
                accounts.insert(index.into());
            }
        }
        self.pause_until = None;
        let not_asked = self.targets.left_out();
        self.round.begin(accounts, not_asked, reply, now);
    }

    fn start_polls(&mut self) {
        let now = Instant::now();
        if self.pause_until.is_some_and(|until| until > now) {
            return;
        }
        while self.has_room()
            && let Some(auth_index) = self.schedule.next_due(now)
        {
            let Some(target) = self.targets.get(&auth_index).cloned() else {
                self.schedule.keep(|index| index != &*auth_index);
                continue;
            };
            let with_plan = self.schedule.started(&auth_index, now);
            let poll = poll(self.caller.clone(), target, auth_index.clone(), with_plan);
            let handle = self.running.spawn(poll);
            self.about.insert(handle.id(), auth_index);
        }
    }

    /// A poll that panicked is a bug of ours. Its account is asked again, later and later.
    fn broke_off(&mut self, error: &JoinError) {
        tracing::error!(error = %Chain(error), "a poll of a quota broke off");
        let Some(auth_index) = self.about.remove(&error.id()) else {
            return;
        };
        let provider = self.targets.get(&auth_index);
        let provider = provider.map_or("unknown", |target| target.asked.provider().id());
        let failure = Failure::Transient { retry_after: None };
        let failed = self.failed(&auth_index, provider, failure.as_str());
        self.schedule
            .ended(&auth_index, Some(failure), Instant::now());
        self.settle(&auth_index, Some(failed));
    }

    fn ended(&mut self, polled: Polled) {
        let now = Instant::now();
        let Polled {
            auth_index,
            provider,
            took,
            result,
        } = polled;
        let auth_index = &*auth_index;
        let Ok(result) = result else {
            // Nobody was asked. The account keeps its place in the queue.
            self.pause_until = Some(now + NO_CONTACT_PAUSE);
            self.schedule.not_asked(auth_index, now + NO_CONTACT_PAUSE);
            let failed = self.failed(auth_index, &provider, NO_CONTACT);
            self.settle(auth_index, Some(failed));
            return;
        };
        let failure = match result {
            Ok(answer) => {
                self.answered(auth_index, &provider, answer);
                None
            }
            Err(failure) => Some(failure),
        };
        let reason = failure.map(Failure::as_str);
        self.parts.polls.polled(&provider, took, reason);
        if let Some(failure) = failure {
            tracing::debug!(
                provider,
                account = self.label(auth_index),
                reason,
                "quota not read: {failure}"
            );
        }
        self.schedule.ended(auth_index, failure, now);
        let failed = reason.map(|reason| self.failed(auth_index, &provider, reason));
        self.settle(auth_index, failed);
    }

    /// Who hears that a round is over may look at once, and then finds what it brought.
    fn settle(&mut self, auth_index: &str, failure: Option<Failed>) {
        if self.round.ends_with(auth_index) {
            self.publish_now();
        }
        self.round.ended(auth_index, failure);
    }

    fn answered(&mut self, auth_index: &str, provider: &str, answer: QuotaAnswer) {
        // Gone while it was asked about.
        if self.targets.get(auth_index).is_none() {
            return;
        }
        let at = self.parts.clock.now();
        let provider: Arc<str> = self.targets.provider(auth_index).unwrap_or(provider).into();
        if let Some(plan) = &answer.facts.plan {
            self.parts.directory.tell_plan(auth_index, plan.as_str());
        }
        let whose = Whose {
            auth_index,
            provider: &provider,
        };
        let news = self.board.polled(whose, answer, at);
        self.keep(news);
        self.dirty = true;
    }

    fn failed(&self, auth_index: &str, provider: &str, reason: &'static str) -> Failed {
        Failed {
            provider: provider.to_owned(),
            account: self.label(auth_index),
            reason: reason.into(),
        }
    }

    fn label(&self, auth_index: &str) -> String {
        label(&self.parts.names, auth_index)
    }

    fn expire(&mut self) {
        let now = Instant::now();
        for auth_index in self.board.expire(self.parts.clock.now()) {
            self.schedule.after_reset(&auth_index, now);
            self.dirty = true;
        }
    }

    fn keep(&self, news: Vec<QuotaPoint>) {
        if !news.is_empty() {
            self.parts.notes.leave(news.into_iter().map(Note::Quota));
        }
    }

    fn publish(&mut self) {
        if self.dirty && self.published.elapsed() >= PUBLISH_SPACING {
            self.publish_now();
        }
    }

    fn publish_now(&mut self) {
        self.dirty = false;
        self.published = Instant::now();
        let names = &self.parts.names;
        let listed = self.parts.directory.snapshot();
        let pairs = listed.iter().map(|a| (&*a.auth_index, &*a.provider));
        let providers: HashMap<&str, &str> = pairs.collect();
        let provider = |index: &str| providers.get(index).map(|own| Box::from(*own));
        let sheet = sheet::sheet(&self.board, &self.locals, names, provider);
        self.parts.page.publish(sheet);
        let view = view(&self.board, &self.locals, &listed, names);
        self.parts.quotas.publish(view);
        // A name that is still to come comes with the ingest thread's next commit.
        let has_name = |(index, _): (&str, _)| names.get(index).is_some();
        self.dirty = !self.board.accounts().all(has_name);
    }
}

async fn poll(caller: Caller, target: Target, auth_index: Box<str>, with_plan: bool) -> Polled {
    let began = Instant::now();
    let result = caller.poll(&target, with_plan).await;
    Polled {
        auth_index,
        provider: target.asked.provider().id().to_owned(),
        took: began.elapsed(),
        result,
    }
}
