//! Starting polls and recording their results.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::Task;
use crate::api::FailedAccount;
use crate::errors::Chain;
use crate::model::QuotaAnswer;
use crate::poller::quota_client::{QuotaClient, Target};
use crate::poller::state::AccountKey;
use crate::quota::Failure;

/// After a failed connection to CPA, no account is polled for this long.
const NO_CONTACT_PAUSE: Duration = Duration::from_secs(10);

/// Result of a poll.
pub(super) struct Polled {
    auth_index: Box<str>,
    provider: String,
    took: Duration,
    result: Result<QuotaAnswer, Failure>,
}

impl Task {
    pub(super) fn start_polls(&mut self) {
        let now = self.instant();
        if self.pause_until.is_some_and(|until| until > now) {
            return;
        }
        while self.has_room()
            && let Some(auth_index) = self.schedule.next_due(now)
        {
            let Some(target) = self.targets.get(&auth_index).cloned() else {
                self.schedule.retain(|index| index != &*auth_index);
                continue;
            };
            let with_plan = self.schedule.started(&auth_index, now);
            let poll = poll(self.client.clone(), target, auth_index.clone(), with_plan);
            let handle = self.running.spawn(poll);
            self.polled_accounts.insert(handle.id(), auth_index);
        }
    }

    /// A panic in a poll is a bug. The account is polled again, with growing delays.
    pub(super) fn poll_panicked(&mut self, error: &JoinError) {
        tracing::error!(error = %Chain(error), "quota poll panicked");
        let Some(auth_index) = self.polled_accounts.remove(&error.id()) else {
            return;
        };
        let provider = self.targets.get(&auth_index);
        let provider = provider.map_or("unknown", |target| target.provider.id());
        let failure = Failure::Transient { retry_after: None };
        let failed = self.failed(&auth_index, provider, failure.as_str());
        let now = self.instant();
        self.schedule.ended(&auth_index, Some(failure), now);
        self.finish_refresh(&auth_index, Some(failed));
    }

    pub(super) fn ended(&mut self, polled: Polled) {
        let now = self.instant();
        let Polled {
            auth_index,
            provider,
            took,
            result,
        } = polled;
        let auth_index = &*auth_index;
        let failure = match result {
            Ok(answer) => {
                self.apply_response(auth_index, answer);
                None
            }
            Err(failure) => Some(failure),
        };
        let reason = failure.map(Failure::as_str);
        if failure == Some(Failure::NoContact) {
            return self.lose_contact(auth_index, now);
        }
        self.parts.polls.polled(&provider, took, reason);
        self.schedule.ended(auth_index, failure, now);
        if let Some(failure) = failure {
            tracing::debug!(
                provider,
                account = self.label(auth_index),
                reason,
                "quota poll failed: {failure}"
            );
        }
        self.record_outcome(auth_index, reason);
        let failed = reason.map(|reason| self.failed(auth_index, &provider, reason));
        self.finish_refresh(auth_index, failed);
    }

    /// CPA is unavailable: the account was not polled, and those that wait for a refresh are not
    /// either. They keep their places in the queue.
    fn lose_contact(&mut self, auth_index: &str, now: Instant) {
        let again = now + NO_CONTACT_PAUSE;
        self.pause_until = Some(again);
        let mut lost = self
            .running_refresh
            .open(|index| !self.schedule.is_running(index));
        lost.insert(auth_index.into());
        let reason = Failure::NoContact.as_str();
        for index in lost {
            self.schedule.skipped(&index, again);
            self.record_outcome(&index, Some(reason));
            let provider = self.targets.get(&index);
            let provider = provider.map_or("unknown", |target| target.provider.id());
            let failed = self.failed(&index, provider, reason);
            self.finish_refresh(&index, Some(failed));
        }
    }

    /// Publishes before the refresh ends, so that its requester reads the result at once.
    fn finish_refresh(&mut self, auth_index: &str, failure: Option<FailedAccount>) {
        if self.running_refresh.ends_with(auth_index) {
            self.publish_now();
        }
        self.running_refresh.finished(auth_index, failure);
    }

    fn apply_response(&mut self, auth_index: &str, answer: QuotaAnswer) {
        // An account that was removed during the poll has no target any more.
        if let Some(target) = self.targets.get(auth_index) {
            let now = self.parts.poller_config.clock.now();
            let key = AccountKey::from(&target.account);
            let news = self.state.record_poll(key, answer, now);
            self.store(news);
            self.record_plan(auth_index);
            self.dirty = true;
        }
    }

    fn failed(&self, auth_index: &str, provider: &str, reason: &'static str) -> FailedAccount {
        FailedAccount {
            provider: provider.to_owned(),
            account: self.label(auth_index),
            reason: reason.into(),
        }
    }
}

async fn poll(
    client: QuotaClient,
    target: Target,
    auth_index: Box<str>,
    with_plan: bool,
) -> Polled {
    let began = Instant::now();
    let result = client.poll(&target, with_plan).await;
    Polled {
        auth_index,
        provider: target.provider.id().to_owned(),
        took: began.elapsed(),
        result,
    }
}
