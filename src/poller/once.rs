//! A single refresh without the poller task, for commands that print the result and exit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, stream};

use super::local::Locals;
use super::quota_client::{QuotaClient, Target};
use super::state::{AccountKey, QuotaState};
use super::view::view;
use super::{PollerConfig, label};
use crate::accounts::Account;
use crate::api::{AccountFilter, AccountQuota, FailedAccount, NoReading, RefreshSummary};
use crate::clock::Clock;
use crate::metrics::{AccountNames, PollMetrics};
use crate::model::QuotaAnswer;
use crate::quota::Failure;

/// Inputs of a refresh.
#[derive(Debug)]
pub struct OnceParts {
    pub poller_config: PollerConfig,
    pub names: AccountNames,
    /// CPA's current list of accounts.
    pub listed: Arc<Vec<Account>>,
}

type Polled = Result<QuotaAnswer, Failure>;

/// Polls each matching account once and returns the state of all matching accounts.
pub async fn once(parts: OnceParts, wanted: &AccountFilter) -> (Vec<AccountQuota>, RefreshSummary) {
    let PollerConfig {
        settings, clock, ..
    } = &parts.poller_config;
    let mut targets = parts.poller_config.targets();
    targets.apply(&parts.listed);
    let mut state = QuotaState::new(settings.max_limits);
    for account in parts.listed.iter() {
        state.record_list(account, clock.now());
    }
    let client = parts.poller_config.client(PollMetrics::default());
    let names = &parts.names;
    let asked = targets.all().filter(|(index, target, _)| {
        settings.enabled && wanted.matches(&target.account.provider, &label(names, index))
    });
    let lost = AtomicBool::new(false);
    let polls = asked.map(|(_, target, _)| poll(&client, target, &lost));
    let mut polls = stream::iter(polls).buffer_unordered(settings.concurrency);
    let forbidden = if settings.enabled {
        0
    } else {
        targets.all().count()
    };
    let mut failures = HashMap::new();
    let mut summary = RefreshSummary {
        not_asked: targets.unpolled() + forbidden,
        ..RefreshSummary::default()
    };
    while let Some((target, polled)) = polls.next().await {
        summary.asked += 1;
        match read(&mut state, target, polled, clock) {
            None => summary.answered += 1,
            Some(reason) => {
                let index = target.account.auth_index.as_str();
                failures.insert(index, (reason, clock.now().as_seconds()));
                summary.failed.push(FailedAccount {
                    provider: target.provider.id().to_owned(),
                    account: label(names, index),
                    reason: reason.into(),
                });
            }
        }
    }
    state.expire(clock.now());
    summary
        .failed
        .sort_by(|a, b| (&a.provider, &a.account).cmp(&(&b.provider, &b.account)));
    let no_reading = |index: &str, quota: &AccountQuota| match failures.get(index) {
        Some(failure) => Some(failed(*failure)),
        None if !quota.limits.is_empty() => None,
        None if targets.get(index).is_none() => Some(NoReading::of("no_quota")),
        None if !settings.enabled => Some(NoReading::of("polling_off")),
        None => Some(NoReading::of("no_limits")),
    };
    let locals = Locals::default();
    let mut accounts = view(&state, &locals, &parts.listed, names, no_reading);
    accounts.retain(|quota| wanted.matches(&quota.provider, &quota.account));
    (accounts, summary)
}

/// The reason, and the Unix time of the poll.
fn failed((reason, since): (&str, f64)) -> NoReading {
    NoReading {
        since: Some(since),
        ..NoReading::of(reason)
    }
}

/// After one failed connection to CPA, the remaining accounts are not polled.
async fn poll<'a>(
    client: &QuotaClient,
    target: &'a Target,
    lost: &AtomicBool,
) -> (&'a Target, Polled) {
    if lost.load(Ordering::Relaxed) {
        return (target, Err(Failure::NoContact));
    }
    let polled = client.poll(target, true).await;
    lost.fetch_or(polled == Err(Failure::NoContact), Ordering::Relaxed);
    (target, polled)
}

/// Records a response, or returns the reason of the failure.
fn read(
    state: &mut QuotaState,
    target: &Target,
    polled: Polled,
    clock: &Clock,
) -> Option<&'static str> {
    match polled {
        Ok(answer) => {
            let account = &target.account;
            let key = AccountKey {
                auth_index: &account.auth_index,
                provider: &account.provider,
            };
            state.record_poll(key, answer, clock.now());
            None
        }
        Err(failure) => Some(failure.as_str()),
    }
}
