//! The schedule of polls. Pure: the time is a parameter.

use std::collections::HashMap;
use std::hash::Hasher as _;
use std::time::Duration;

use siphasher::sip::SipHasher13;
use tokio::time::Instant;

use crate::model::UnixNanos;
use crate::quota::Failure;

/// The first polls of accounts listed together are spread over this span.
const FIRST_SPREAD: Duration = Duration::from_secs(5);
/// Polls are spread by this fraction of the interval: 1/8.
const SPREAD: u32 = 8;
/// Maximum back-off after transient failures.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// Retry delay for a refused credential that does not change.
const REFUSED: Duration = Duration::from_hours(2);
/// Retry delay for a forbidden or unsupported quota.
const UNSUPPORTED: Duration = Duration::from_hours(24);
/// Delay after a reset, in case the provider's clock is behind.
const AFTER_RESET: Duration = Duration::from_secs(5);
/// Longer than any command runs.
const NEVER: Duration = Duration::from_hours(24 * 365);
/// Data that seldom changes, such as the plan, is requested with the first poll and then this
/// often.
const PLAN_EVERY: Duration = Duration::from_hours(6);
/// Headers omit balances and limits of single models and features, so polls still happen this
/// often.
const POLL_AT_LEAST: Duration = Duration::from_mins(15);

/// Changes when the credential has changed.
pub(super) type Stamp = (Option<UnixNanos>, Option<UnixNanos>);

/// Schedule of one account.
#[derive(Debug)]
struct Entry {
    due: Instant,
    phase: Phase,
    failures: u32,
    polls: u64,
    /// Time of the last response. Polls are at least one interval apart from here, independently of
    /// their duration.
    last_response: Option<Instant>,
    /// Start of the last poll that read the plan.
    plan_read: Option<Instant>,
    interval: Duration,
    stamp: Stamp,
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Scheduled,
    /// The credential was refused: no poll until it changes or `due` is reached.
    Refused,
    /// A refresh waits for the next poll.
    Forced,
    /// A poll is running; `plan` is its start if it requests the plan.
    Running {
        plan: Option<Instant>,
    },
}

/// The schedule of all polls.
#[derive(Debug)]
pub(super) struct Schedule {
    entries: HashMap<Box<str>, Entry>,
    automatic: bool,
}

impl Schedule {
    /// `automatic`: without it, an account is polled only by [`Self::force`].
    pub(super) fn new(automatic: bool) -> Self {
        Self {
            entries: HashMap::new(),
            automatic,
        }
    }

    /// Inserts an account, or updates its interval and stamp.
    pub(super) fn insert(&mut self, account: &str, interval: Duration, stamp: Stamp, now: Instant) {
        let seed = seed(account);
        let wait = if self.automatic {
            part(seed, FIRST_SPREAD)
        } else {
            NEVER
        };
        let entry = self.entries.entry(account.into()).or_insert_with(|| Entry {
            due: now + wait,
            phase: Phase::Scheduled,
            failures: 0,
            polls: 0,
            last_response: None,
            plan_read: None,
            interval,
            stamp,
            seed,
        });
        entry.interval = interval;
        if entry.stamp != stamp {
            entry.stamp = stamp;
            if entry.phase == Phase::Refused {
                entry.phase = Phase::Scheduled;
                entry.failures = 0;
                entry.bring_forward(now);
            }
        }
    }

    /// Removes accounts that are no longer polled.
    pub(super) fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.entries
            .retain(|account, entry| entry.is_running() || exists(account));
    }

    /// The account that is due for longest, if any.
    pub(super) fn next_due(&self, now: Instant) -> Option<Box<str>> {
        let waiting = self.entries.iter().filter(|(_, entry)| !entry.is_running());
        let due = waiting.filter(|(_, entry)| entry.due <= now);
        due.min_by_key(|(_, entry)| entry.due)
            .map(|(account, _)| account.clone())
    }

    /// Time at which the next account is due.
    pub(super) fn next_time(&self) -> Option<Instant> {
        let waiting = self.entries.values().filter(|entry| !entry.is_running());
        waiting.map(|entry| entry.due).min()
    }

    /// Time at which this account is due.
    pub(super) fn due(&self, account: &str) -> Option<Instant> {
        self.entries.get(account).map(|entry| entry.due)
    }

    /// Marks a poll as running. Returns true if the poll must request the plan, too.
    pub(super) fn started(&mut self, account: &str, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(account) else {
            return false;
        };
        entry.polls += 1;
        let with_plan = entry
            .plan_read
            .is_none_or(|at| now.duration_since(at) >= PLAN_EVERY);
        let plan = with_plan.then_some(now);
        entry.phase = Phase::Running { plan };
        with_plan
    }

    /// Marks the poll as finished and schedules the next one.
    pub(super) fn ended(&mut self, account: &str, failure: Option<Failure>, now: Instant) {
        let Some(entry) = self.entries.get_mut(account) else {
            return;
        };
        entry.last_response = Some(now);
        let ended = std::mem::replace(&mut entry.phase, Phase::Scheduled);
        let Some(failure) = failure else {
            if let Phase::Running { plan: Some(start) } = ended {
                entry.plan_read = Some(start);
            }
            entry.failures = 0;
            entry.due = now + entry.next_interval();
            return;
        };
        entry.failures = entry.failures.saturating_add(1);
        let hold = match failure {
            Failure::Unauthorized | Failure::Payment => Some(REFUSED),
            Failure::Forbidden | Failure::Unsupported => Some(UNSUPPORTED),
            Failure::Throttled { .. }
            | Failure::Transient { .. }
            | Failure::Rejected(_)
            | Failure::Parse(_)
            | Failure::InBody(_)
            | Failure::NoContact
            | Failure::Incomplete(_) => None,
        };
        if hold.is_some() {
            entry.phase = Phase::Refused;
        }
        entry.due = now + hold.unwrap_or_else(|| entry.back_off(failure.retry_after()));
    }

    pub(super) fn is_running(&self, account: &str) -> bool {
        self.entries.get(account).is_some_and(Entry::is_running)
    }

    /// Reschedules a poll that was not sent because CPA was unavailable. Does not count as a
    /// failure.
    pub(super) fn skipped(&mut self, account: &str, again: Instant) {
        if let Some(entry) = self.entries.get_mut(account) {
            if entry.is_running() {
                entry.polls = entry.polls.saturating_sub(1);
            }
            entry.phase = Phase::Scheduled;
            entry.due = again;
        }
    }

    /// Delays the poll until `until` because headers delivered a newer reading. Has no effect if a
    /// refresh waits for the poll or if the last response is too old by then.
    pub(super) fn postpone(&mut self, account: &str, until: Instant) {
        if let Some(entry) = self.entries.get_mut(account)
            && entry.phase != Phase::Forced
            && let Some(last_response) = entry.last_response
        {
            entry.due = entry.due.max(until.min(last_response + POLL_AT_LEAST));
        }
    }

    /// Schedules a poll soon after the end of a window.
    pub(super) fn after_reset(&mut self, account: &str, now: Instant) {
        if let Some(entry) = self.entries.get_mut(account)
            && entry.phase != Phase::Refused
            && entry.failures == 0
        {
            entry.bring_forward(now + AFTER_RESET);
        }
    }

    /// Schedules a poll now, for a refresh. Returns false if the account is not in the schedule.
    pub(super) fn force(&mut self, account: &str, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(account) else {
            return false;
        };
        // A running poll serves the refresh, too.
        if !entry.is_running() {
            entry.due = now;
            entry.phase = Phase::Forced;
        }
        true
    }
}

impl Entry {
    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    /// Moves the poll forward, but not closer to the last response than the interval.
    fn bring_forward(&mut self, to: Instant) {
        let allowed = self.last_response.map_or(to, |at| at + self.interval);
        self.due = self.due.min(to.max(allowed));
    }

    /// The interval plus a jitter that differs for each poll.
    fn next_interval(&self) -> Duration {
        let spread = self.interval / SPREAD;
        self.interval + part(self.seed.wrapping_mul(self.polls | 1), spread)
    }

    fn back_off(&self, retry_after: Option<Duration>) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(10);
        let grown = self.interval.saturating_mul(1 << doublings);
        let pause = grown.min(LONGEST_PAUSE.max(self.interval));
        pause.max(retry_after.unwrap_or_default())
    }
}

/// Differs per account and is the same at each start.
fn seed(account: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(account.as_bytes());
    hasher.finish()
}

/// A fraction of a span, selected by `number`.
fn part(number: u64, span: Duration) -> Duration {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
    // The low bits of a product of odd numbers are not random.
    Duration::from_millis((number >> 16) % millis)
}

#[cfg(test)]
mod tests;
