//! Refreshes: polls on request, one refresh at a time, with a minimum interval.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::api::{AccountFilter, FailedAccount, RefreshOutcome, RefreshSummary};

/// Minimum interval between the starts of two refreshes.
pub const COOLDOWN: Duration = Duration::from_mins(5);
/// Capacity of the request channel.
const WAITING: usize = 16;

pub(super) type Reply = oneshot::Sender<RefreshOutcome>;

/// Requests refreshes from the running poller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RefreshHandle(mpsc::Sender<(AccountFilter, Reply)>);

/// Receiver of the requests.
#[derive(Debug)]
pub struct Refreshes(pub(super) mpsc::Receiver<(AccountFilter, Reply)>);

pub fn refresh_channel() -> (RefreshHandle, Refreshes) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (RefreshHandle(sender), Refreshes(receiver))
}

impl RefreshHandle {
    /// Requests a refresh without waiting; the result is logged.
    pub fn request(&self) {
        let (reply, _nobody_waits) = oneshot::channel();
        if self.0.try_send((AccountFilter::default(), reply)).is_err() {
            tracing::warn!("manual quota refresh refused: one is running");
        }
    }

    /// Requests a refresh and waits for its end. `None` if the program stops first.
    pub async fn refresh(&self, wanted: AccountFilter) -> Option<RefreshOutcome> {
        let (reply, answer) = oneshot::channel();
        self.0.send((wanted, reply)).await.ok()?;
        answer.await.ok()
    }
}

/// The running refresh, if any, and the start of the last one. Later requests join a running refresh.
#[derive(Debug, Default)]
pub(super) struct Refresh {
    /// Its accounts, and those that have not been polled yet.
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

    /// Whether the running refresh includes this account.
    pub(super) fn includes(&self, auth_index: &str) -> bool {
        self.is_running() && self.all.contains(auth_index)
    }

    /// Remaining time until the next refresh may start.
    pub(super) fn cooldown(&self, now: Instant) -> Option<Duration> {
        let over = self.began.filter(|_| !self.is_running())? + COOLDOWN;
        (over > now).then(|| over - now)
    }

    /// Starts a refresh, or adds accounts to the running one.
    pub(super) fn start(
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
        // A refresh without accounts sends no requests.
        if !accounts.is_empty() {
            self.began = Some(now);
        }
        self.all.extend(accounts.iter().cloned());
        self.open.extend(accounts);
        self.waiting.push(reply);
        self.end_if_complete();
    }

    /// The selected accounts that have not been polled yet.
    pub(super) fn open(&self, select: impl Fn(&str) -> bool) -> HashSet<Box<str>> {
        let open = self.open.iter().filter(|index| select(index));
        open.cloned().collect()
    }

    /// Whether only this account has not been polled yet.
    pub(super) fn ends_with(&self, auth_index: &str) -> bool {
        self.open.len() == 1 && self.open.contains(auth_index)
    }

    /// An account has been polled, or will not be.
    pub(super) fn finished(&mut self, auth_index: &str, failure: Option<FailedAccount>) {
        if !self.open.remove(auth_index) {
            return;
        }
        match failure {
            None => self.summary.answered += 1,
            Some(failed) => self.summary.failed.push(failed),
        }
        self.end_if_complete();
    }

    /// Removes accounts that no longer exist or are disabled.
    pub(super) fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        let before = self.open.len();
        self.open.retain(|index| exists(index));
        let gone = before - self.open.len();
        if gone > 0 {
            self.summary.asked -= gone;
            self.summary.not_asked += gone;
            self.end_if_complete();
        }
    }

    fn end_if_complete(&mut self) {
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
                // The requester may have stopped waiting.
                reply.send(RefreshOutcome::Done(self.summary.clone())).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_does_not_wait_for_a_removed_account() {
        let mut refresh = Refresh::default();
        let (reply, mut answer) = oneshot::channel();
        let both = ["a".into(), "b".into()].into();
        refresh.start(both, 3, reply, Instant::now());
        refresh.finished("a", None);
        refresh.retain(|index| index == "b");
        assert!(refresh.is_running() && answer.try_recv().is_err());
        refresh.retain(|_| false);
        let Ok(RefreshOutcome::Done(summary)) = answer.try_recv() else {
            panic!("the refresh has ended");
        };
        let RefreshSummary {
            asked,
            answered,
            not_asked,
            ..
        } = summary;
        assert_eq!((asked, answered, not_asked), (1, 1, 4));
        assert!(!refresh.is_running());
    }

    #[test]
    fn later_request_joins_the_running_refresh() {
        let mut refresh = Refresh::default();
        let now = Instant::now();
        let (reply, mut first) = oneshot::channel();
        refresh.start(["a".into()].into(), 0, reply, now);
        assert!(refresh.includes("a") && !refresh.includes("b"));
        assert_eq!(refresh.cooldown(now), None);
        let (reply, mut second) = oneshot::channel();
        refresh.start(["b".into()].into(), 0, reply, now);
        refresh.finished("a", None);
        assert!(first.try_recv().is_err() && second.try_recv().is_err());
        refresh.finished("b", None);
        for answer in [&mut first, &mut second] {
            let Ok(RefreshOutcome::Done(summary)) = answer.try_recv() else {
                panic!("the refresh has ended");
            };
            assert_eq!((summary.asked, summary.answered), (2, 2));
        }
        assert!(!refresh.includes("a"));
        assert_eq!(refresh.cooldown(now), Some(COOLDOWN));
    }
}
