//! When which account is asked. Pure: time comes in as a parameter.

use std::collections::HashMap;
use std::hash::Hasher as _;
use std::time::Duration;

use siphasher::sip::SipHasher13;
use tokio::time::Instant;

use crate::model::UnixNanos;
use crate::quota::Failure;

/// Accounts that come together are asked for the first time within this span.
const FIRST_SPREAD: Duration = Duration::from_secs(5);
/// Part of the interval by which polls are spread: 1/8.
const SPREAD: u32 = 8;
/// Longest pause after failures that pass by themselves.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// A credential that is refused is asked again after this, if it has not changed before.
const REFUSED: Duration = Duration::from_hours(2);
/// What is not allowed or not there.
const UNSUPPORTED: Duration = Duration::from_hours(24);
/// After a reset the provider's own clock gets a moment.
const AFTER_RESET: Duration = Duration::from_secs(5);
/// What changes seldom, like the plan, is asked for with the first poll and then this often.
const PLAN_EVERY: Duration = Duration::from_hours(6);
/// However much headers tell, they leave out balances and limits of single models and features.
const POLL_AT_LEAST: Duration = Duration::from_mins(15);

/// What tells that a credential is another one than when it was refused.
pub(super) type Stamp = (Option<UnixNanos>, Option<UnixNanos>);

/// One account on the plan.
#[derive(Debug)]
struct Entry {
    due: Instant,
    /// Until the credential changes or this is over.
    held: bool,
    /// Somebody waits for the next poll.
    forced: bool,
    failures: u32,
    polls: u64,
    /// When the last answer came: counted from here, no call comes sooner after another one than
    /// the interval, however long either is on its way.
    answered: Option<Instant>,
    /// When the poll began that told the plan last.
    plan_told: Option<Instant>,
    /// When the running poll began, if it asks for the plan.
    plan_asked: Option<Instant>,
    running: bool,
    interval: Duration,
    stamp: Stamp,
    seed: u64,
}

/// The plan of all polls.
#[derive(Debug)]
pub(super) struct Schedule {
    entries: HashMap<Box<str>, Entry>,
    /// Of the providers' time; what is a span of theirs is so much shorter.
    time_scale: u32,
}

impl Schedule {
    pub(super) fn new(time_scale: u32) -> Self {
        Self {
            entries: HashMap::new(),
            time_scale,
        }
    }

    /// Puts an account on the plan, or tells what is new about it.
    pub(super) fn put(&mut self, account: &str, interval: Duration, stamp: Stamp, now: Instant) {
        let spread = FIRST_SPREAD / self.time_scale;
        let entry = self.entries.entry(account.into()).or_insert_with(|| {
            let seed = seed(account);
            Entry {
                due: now + part(seed, spread),
                held: false,
                forced: false,
                failures: 0,
                polls: 0,
                answered: None,
                plan_told: None,
                plan_asked: None,
                running: false,
                interval,
                stamp,
                seed,
            }
        });
        entry.interval = interval;
        if entry.stamp != stamp {
            entry.stamp = stamp;
            if std::mem::take(&mut entry.held) {
                entry.failures = 0;
                entry.bring_forward(now);
            }
        }
    }

    /// Takes the accounts off the plan that are not to be asked any more.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.entries
            .retain(|account, entry| entry.running || is_there(account));
    }

    /// The account that has waited longest, if any is due.
    pub(super) fn next_due(&self, now: Instant) -> Option<Box<str>> {
        let waiting = self.entries.iter().filter(|(_, entry)| !entry.running);
        let due = waiting.filter(|(_, entry)| entry.due <= now);
        due.min_by_key(|(_, entry)| entry.due)
            .map(|(account, _)| account.clone())
    }

    /// When the next account is due.
    pub(super) fn next_time(&self) -> Option<Instant> {
        let waiting = self.entries.values().filter(|entry| !entry.running);
        waiting.map(|entry| entry.due).min()
    }

    /// When this account is due.
    pub(super) fn due(&self, account: &str) -> Option<Instant> {
        self.entries.get(account).map(|entry| entry.due)
    }

    /// A poll begins. True when it shall ask for the plan, too.
    pub(super) fn started(&mut self, account: &str, now: Instant) -> bool {
        let plan_every = PLAN_EVERY / self.time_scale;
        let Some(entry) = self.entries.get_mut(account) else {
            return false;
        };
        entry.running = true;
        entry.forced = false;
        entry.polls += 1;
        let with_plan = entry
            .plan_told
            .is_none_or(|at| now.duration_since(at) >= plan_every);
        entry.plan_asked = with_plan.then_some(now);
        with_plan
    }

    /// Plans the next poll by how this one ended.
    pub(super) fn ended(&mut self, account: &str, failure: Option<Failure>, now: Instant) {
        let scale = self.time_scale;
        let Some(entry) = self.entries.get_mut(account) else {
            return;
        };
        entry.running = false;
        entry.answered = Some(now);
        let plan_asked = entry.plan_asked.take();
        let Some(failure) = failure else {
            entry.plan_told = plan_asked.or(entry.plan_told);
            entry.failures = 0;
            entry.held = false;
            entry.due = now + entry.regular();
            return;
        };
        entry.failures = entry.failures.saturating_add(1);
        let hold = match failure {
            Failure::Unauthorized | Failure::Payment => Some(REFUSED / scale),
            Failure::Forbidden | Failure::Unsupported => Some(UNSUPPORTED / scale),
            Failure::Throttled { .. }
            | Failure::Transient { .. }
            | Failure::Rejected(_)
            | Failure::Parse(_)
            | Failure::InBody(_)
            | Failure::Incomplete(_) => None,
        };
        entry.held = hold.is_some();
        entry.due = now + hold.unwrap_or_else(|| entry.back_off(failure.retry_after(), scale));
    }

    /// The way to the provider was closed, which is nobody's failure.
    pub(super) fn not_asked(&mut self, account: &str, again: Instant) {
        if let Some(entry) = self.entries.get_mut(account) {
            entry.running = false;
            entry.polls = entry.polls.saturating_sub(1);
            entry.due = again;
        }
    }

    /// A newer reading came by itself: the account need not be asked before `until`, unless the
    /// last answer is long ago by then or somebody waits for the next.
    pub(super) fn postpone(&mut self, account: &str, until: Instant) {
        let at_least = POLL_AT_LEAST / self.time_scale;
        if let Some(entry) = self.entries.get_mut(account)
            && !entry.forced
            && let Some(answered) = entry.answered
        {
            entry.due = entry.due.max(until.min(answered + at_least));
        }
    }

    /// A window is over: what follows is worth knowing soon.
    pub(super) fn after_reset(&mut self, account: &str, now: Instant) {
        if let Some(entry) = self.entries.get_mut(account)
            && !entry.held
            && entry.failures == 0
        {
            entry.bring_forward(now + AFTER_RESET / self.time_scale);
        }
    }

    /// Somebody asks for it: now, whatever was planned. False when the account is not on the plan.
    pub(super) fn force(&mut self, account: &str, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(account) else {
            return false;
        };
        entry.due = now;
        entry.forced = true;
        true
    }
}

impl Entry {
    /// Earlier than planned, though never sooner after the last poll than the interval allows.
    fn bring_forward(&mut self, to: Instant) {
        let allowed = self.answered.map_or(to, |at| at + self.interval);
        self.due = self.due.min(to.max(allowed));
    }

    /// The interval and a little more, another little each time.
    fn regular(&self) -> Duration {
        let spread = self.interval / SPREAD;
        self.interval + part(self.seed.wrapping_mul(self.polls | 1), spread)
    }

    fn back_off(&self, retry_after: Option<Duration>, scale: u32) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(10);
        let grown = self.interval.saturating_mul(1 << doublings);
        let pause = grown.min((LONGEST_PAUSE / scale).max(self.interval));
        pause.max(retry_after.unwrap_or_default() / scale)
    }
}

/// Differs from account to account and is the same at each start.
fn seed(account: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(account.as_bytes());
    hasher.finish()
}

/// A part of a span, chosen by the number.
fn part(number: u64, span: Duration) -> Duration {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
    // The low bits of products of odd numbers are poor.
    Duration::from_millis((number >> 16) % millis)
}

#[cfg(test)]
mod tests;
