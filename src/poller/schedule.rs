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

/// What tells that a credential is another one than when it was refused.
pub(super) type Stamp = (Option<UnixNanos>, Option<UnixNanos>);

/// One account on the plan.
#[derive(Debug)]
struct Entry {
    due: Instant,
    /// Until the credential changes or this is over.
    held: bool,
    failures: u32,
    polls: u64,
    /// When the last poll ended: counted from here, no call comes sooner after another one than the
    /// interval, however long either is on its way.
    last: Option<Instant>,
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
                failures: 0,
                polls: 0,
                last: None,
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

    pub(super) fn started(&mut self, account: &str) {
        if let Some(entry) = self.entries.get_mut(account) {
            entry.running = true;
            entry.polls += 1;
        }
    }

    /// Plans the next poll by how this one ended.
    pub(super) fn ended(&mut self, account: &str, failure: Option<Failure>, now: Instant) {
        let scale = self.time_scale;
        let Some(entry) = self.entries.get_mut(account) else {
            return;
        };
        entry.running = false;
        entry.last = Some(now);
        let Some(failure) = failure else {
            entry.failures = 0;
            entry.held = false;
            entry.due = now + entry.regular();
            return;
        };
        entry.failures = entry.failures.saturating_add(1);
        let pause = match failure {
            Failure::Unauthorized | Failure::Payment => REFUSED / scale,
            Failure::Forbidden | Failure::Unsupported => UNSUPPORTED / scale,
            Failure::Throttled { .. }
            | Failure::Transient { .. }
            | Failure::Rejected(_)
            | Failure::Parse(_)
            | Failure::InBody(_)
            | Failure::Incomplete(_) => entry.back_off(failure.retry_after(), scale),
        };
        entry.held = pause >= REFUSED / scale;
        entry.due = now + pause;
    }

    /// The way to the provider was closed, which is nobody's failure.
    pub(super) fn not_asked(&mut self, account: &str, again: Instant) {
        if let Some(entry) = self.entries.get_mut(account) {
            entry.running = false;
            entry.polls = entry.polls.saturating_sub(1);
            entry.due = again;
        }
    }

    /// A newer reading came by itself: the account need not be asked before `until`.
    pub(super) fn postpone(&mut self, account: &str, until: Instant) {
        if let Some(entry) = self.entries.get_mut(account) {
            entry.due = entry.due.max(until);
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
        true
    }
}

impl Entry {
    /// Earlier than planned, though never sooner after the last poll than the interval allows.
    fn bring_forward(&mut self, to: Instant) {
        let allowed = self.last.map_or(to, |last| last + self.interval);
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
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_mins(5);

    fn planned(now: Instant) -> Schedule {
        let mut schedule = Schedule::new(1);
        schedule.put("a", INTERVAL, (None, None), now);
        schedule
    }

    /// Polls once at the time and says how soon the next one comes.
    fn next(schedule: &mut Schedule, failure: Option<Failure>, now: Instant) -> Duration {
        schedule.started("a");
        schedule.ended("a", failure, now);
        schedule.next_time().unwrap() - now
    }

    #[test]
    fn polls_keep_their_interval_and_spread() {
        let now = Instant::now();
        let mut schedule = planned(now);
        assert!(schedule.next_time().unwrap() < now + FIRST_SPREAD);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..20 {
            let pause = next(&mut schedule, None, now);
            assert!((INTERVAL..=INTERVAL * 9 / 8).contains(&pause), "{pause:?}");
            seen.insert(pause);
        }
        assert!(seen.len() > 10);
    }

    #[test]
    fn a_slow_answer_does_not_bring_the_next_poll_nearer() {
        let now = Instant::now();
        let mut schedule = planned(now);
        schedule.started("a");
        let answered = now + INTERVAL / 2;
        schedule.ended("a", None, answered);
        schedule.after_reset("a", answered);
        assert_eq!(schedule.next_time(), Some(answered + INTERVAL));
    }

    #[test]
    fn failures_are_met_by_class() {
        let now = Instant::now();
        let transient = Failure::Transient { retry_after: None };
        let mut schedule = planned(now);
        let pauses: Vec<u64> = (0..6)
            .map(|_| next(&mut schedule, Some(transient), now).as_secs())
            .collect();
        assert_eq!(pauses, [300, 600, 1200, 2400, 3600, 3600]);
        let wait = Duration::from_hours(3);
        let throttled = Failure::Throttled {
            retry_after: Some(wait),
        };
        assert_eq!(next(&mut schedule, Some(throttled), now), wait);
        for failure in [Failure::Unauthorized, Failure::Payment] {
            assert_eq!(next(&mut schedule, Some(failure), now), REFUSED);
        }
        for failure in [Failure::Forbidden, Failure::Unsupported] {
            assert_eq!(next(&mut schedule, Some(failure), now), UNSUPPORTED);
        }
        assert!(
            next(&mut schedule, None, now) < INTERVAL * 2,
            "all is well again"
        );
    }

    #[test]
    fn a_refused_credential_is_asked_again_when_it_has_changed() {
        let now = Instant::now();
        let mut schedule = planned(now);
        next(&mut schedule, Some(Failure::Unauthorized), now);
        let later = now + INTERVAL * 2;
        schedule.put("a", INTERVAL, (None, None), later);
        assert_eq!(schedule.next_due(later), None);
        schedule.put("a", INTERVAL, (Some(UnixNanos::new(1)), None), later);
        assert_eq!(schedule.next_due(later).as_deref(), Some("a"));
    }

    #[test]
    fn a_reset_never_makes_polls_impolite() {
        let now = Instant::now();
        let mut schedule = planned(now);
        next(&mut schedule, None, now);
        schedule.after_reset("a", now + Duration::from_secs(10));
        assert_eq!(schedule.next_time(), Some(now + INTERVAL));
        next(&mut schedule, Some(Failure::Unsupported), now);
        schedule.after_reset("a", now + INTERVAL);
        assert!(schedule.next_time().unwrap() > now + INTERVAL * 2);
    }

    #[test]
    fn a_running_poll_is_not_started_twice() {
        let now = Instant::now();
        let mut schedule = planned(now);
        schedule.force("a", now);
        schedule.started("a");
        assert_eq!(schedule.next_due(now + INTERVAL * 9), None);
        schedule.keep(|_| false);
        schedule.ended("a", None, now);
        schedule.keep(|_| false);
        assert_eq!(schedule.next_time(), None);
        assert!(!schedule.force("a", now));
    }
}
