//! Asking all accounts now: one such round at a time, and none soon after another.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::api::{AccountFilter, FailedAccount, RefreshOutcome, RefreshSummary};

/// Pause between two rounds that somebody asks for.
pub const COOLDOWN: Duration = Duration::from_mins(5);
/// Requests that may wait for the task to look at them.
const WAITING: usize = 16;

pub(super) type Reply = oneshot::Sender<RefreshOutcome>;

/// Asks the running poller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RefreshHandle(mpsc::Sender<(AccountFilter, Reply)>);

/// Where the wishes arrive.
#[derive(Debug)]
pub struct Refreshes(pub(super) mpsc::Receiver<(AccountFilter, Reply)>);

pub fn refresh_channel() -> (RefreshHandle, Refreshes) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (RefreshHandle(sender), Refreshes(receiver))
}

impl RefreshHandle {
    /// Asks without waiting; the log tells how it went.
    pub fn request(&self) {
        let (reply, _nobody_waits) = oneshot::channel();
        if self.0.try_send((AccountFilter::default(), reply)).is_err() {
            tracing::warn!("manual quota refresh refused: one is running");
        }
    }

    /// Waits until the round is over. `None` when the program stops before.
    pub async fn refresh(&self, wanted: AccountFilter) -> Option<RefreshOutcome> {
        let (reply, answer) = oneshot::channel();
        self.0.send((wanted, reply)).await.ok()?;
        answer.await.ok()
    }
}

/// The round that is under way, if any, and when the last one began. Who asks meanwhile joins it.
#[derive(Debug, Default)]
pub(super) struct Refresh {
    /// All that it asks, and those of them that have not been asked yet.
    all: HashSet<Box<str>>,
    open: HashSet<Box<str>>,
    summary: RefreshSummary,
    waiting: Vec<Reply>,
    began: Option<Instant>,
}

impl Refresh {
    fn is_running(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the round that is under way asks this account already.
    pub(super) fn asks(&self, auth_index: &str) -> bool {
        self.is_running() && self.all.contains(auth_index)
    }

    /// What is left of the pause after the last round.
    pub(super) fn cooldown(&self, now: Instant) -> Option<Duration> {
        let over = self.began.filter(|_| !self.is_running())? + COOLDOWN;
        (over > now).then(|| over - now)
    }

    /// Begins a round, or adds accounts to the one that is under way.
    pub(super) fn ask(
        &mut self,
        accounts: HashSet<Box<str>>,
        not_asked: usize,
        reply: Reply,
        now: Instant,
    ) {
        if !self.is_running() {
            self.summary = RefreshSummary::default();
            self.all.clear();
        }
        self.summary.asked += accounts.len();
        self.summary.not_asked = not_asked;
        // A round that asks nobody costs nobody anything.
        if !accounts.is_empty() {
            self.began = Some(now);
        }
        self.all.extend(accounts.iter().cloned());
        self.open.extend(accounts);
        self.waiting.push(reply);
        self.end_if_done();
    }

    /// The selected accounts that have not been polled yet.
    pub(super) fn open(&self, select: impl Fn(&str) -> bool) -> HashSet<Box<str>> {
        let open = self.open.iter().filter(|index| select(index));
        open.cloned().collect()
    }

    /// Whether nothing but this account is still waited for.
    pub(super) fn ends_with(&self, auth_index: &str) -> bool {
        self.open.len() == 1 && self.open.contains(auth_index)
    }

    /// An account has been asked, or will not be.
    pub(super) fn ended(&mut self, auth_index: &str, failure: Option<FailedAccount>) {
        if !self.open.remove(auth_index) {
            return;
        }
        match failure {
            None => self.summary.answered += 1,
            Some(failed) => self.summary.failed.push(failed),
        }
        self.end_if_done();
    }

    /// Does not wait for accounts that are gone or switched off.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        let before = self.open.len();
        self.open.retain(|index| is_there(index));
        let gone = before - self.open.len();
        if gone > 0 {
            self.summary.asked -= gone;
            self.summary.not_asked += gone;
            self.end_if_done();
        }
    }

    fn end_if_done(&mut self) {
        if self.open.is_empty() && self.is_running() {
            let failed = &mut self.summary.failed;
            failed.sort_by(|a, b| (&a.provider, &a.account).cmp(&(&b.provider, &b.account)));
            tracing::info!(
                asked = self.summary.asked,
                answered = self.summary.answered,
                failed = self.summary.failed.len(),
                "manual quota refresh finished"
            );
            for reply in self.waiting.drain(..) {
                // Who does not wait any more does not need to know.
                reply.send(RefreshOutcome::Done(self.summary.clone())).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_does_not_wait_for_an_account_that_is_gone() {
        let mut round = Refresh::default();
        let (reply, mut answer) = oneshot::channel();
        let both = ["a".into(), "b".into()].into();
        round.ask(both, 3, reply, Instant::now());
        round.ended("a", None);
        round.keep(|index| index == "b");
        assert!(round.is_running() && answer.try_recv().is_err());
        round.keep(|_| false);
        let Ok(RefreshOutcome::Done(summary)) = answer.try_recv() else {
            panic!("the round is over");
        };
        let RefreshSummary {
            asked,
            answered,
            not_asked,
            ..
        } = summary;
        assert_eq!((asked, answered, not_asked), (1, 1, 4));
        assert!(!round.is_running());
    }

    #[test]
    fn who_asks_for_others_meanwhile_waits_for_them_too() {
        let mut round = Refresh::default();
        let now = Instant::now();
        let (reply, mut first) = oneshot::channel();
        round.ask(["a".into()].into(), 0, reply, now);
        assert!(round.asks("a") && !round.asks("b"));
        assert_eq!(round.cooldown(now), None);
        let (reply, mut second) = oneshot::channel();
        round.ask(["b".into()].into(), 0, reply, now);
        round.ended("a", None);
        assert!(first.try_recv().is_err() && second.try_recv().is_err());
        round.ended("b", None);
        for answer in [&mut first, &mut second] {
            let Ok(RefreshOutcome::Done(summary)) = answer.try_recv() else {
                panic!("the round is over");
            };
            assert_eq!((summary.asked, summary.answered), (2, 2));
        }
        assert!(!round.asks("a"));
        assert_eq!(round.cooldown(now), Some(COOLDOWN));
    }
}
