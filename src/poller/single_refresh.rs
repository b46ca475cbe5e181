//! A single refresh without the poller task, for commands that print the result and exit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, stream};

use super::quota_client::Target;
use super::state::QuotaState;
use super::view::{Known, view};
use super::{PollerConfig, label};
use crate::accounts::Account;
use crate::api::{AccountFilter, AccountQuota, FailedAccount, NoReading, RefreshSummary, Unpolled};
use crate::metrics::{AccountNames, PollMetrics};
use crate::model::{QuotaAnswer, UnixNanos};
use crate::quota::Failure;

/// Inputs of a refresh.
#[derive(Debug)]
pub struct SingleRefresh {
    pub poller_config: PollerConfig,
    pub names: AccountNames,
    /// CPA's current list of accounts.
    pub listed: Arc<Vec<Account>>,
}

/// Polls each matching account once and returns the state of all matching accounts.
pub async fn refresh_once(
    parts: SingleRefresh,
    wanted: &AccountFilter,
) -> (Vec<AccountQuota>, RefreshSummary) {
    let PollerConfig {
        settings, clock, ..
    } = &parts.poller_config;
    let names = &parts.names;
    let mut targets = parts.poller_config.targets();
    targets.apply(&parts.listed);
    let mut state = QuotaState::new(settings.max_limits);
    for account in parts.listed.iter() {
        state.record_list(account, clock.now());
    }
    let mut summary = RefreshSummary {
        not_asked: targets.unpolled(),
        ..RefreshSummary::default()
    };
    let mut polled = Vec::new();
    if settings.enabled {
        let selected = targets.all().filter(|(index, target, _)| {
            wanted.matches(&target.account.provider, &label(names, index))
        });
        polled = poll_all(&parts.poller_config, selected.map(|(_, target, _)| target)).await;
    } else {
        summary.not_asked += targets.all().count();
    }
    let failures = record(polled, &mut state, &mut summary, names);
    state.expire(clock.now());
    let no_reading = |index: &str, quota: &AccountQuota| match failures.get(index) {
        Some(failure) => Some(failure.clone()),
        None if quota.has_reading() => None,
        None if targets.get(index).is_none() => Some(Unpolled::NoQuota.into()),
        None if !settings.enabled => Some(Unpolled::PollingOff.into()),
        None => Some(Unpolled::NoLimits.into()),
    };
    let known = Known {
        listed: &parts.listed,
        own: &settings.own,
        names,
    };
    let mut accounts = view(&state, known, no_reading);
    accounts.retain(|quota| wanted.matches(&quota.provider, &quota.account));
    (accounts, summary)
}

/// Records the responses. Returns the failures by account.
fn record<'a>(
    polled: Vec<Polled<'a>>,
    state: &mut QuotaState,
    summary: &mut RefreshSummary,
    names: &AccountNames,
) -> HashMap<&'a str, NoReading> {
    let mut failures = HashMap::new();
    for (target, result, at) in polled {
        summary.asked += 1;
        let account = &target.account;
        match result {
            Ok(answer) => {
                summary.answered += 1;
                state.record_poll(account.into(), answer, at);
            }
            Err(failure) => {
                let failed = NoReading {
                    reason: failure.as_str().to_owned(),
                    since: Some(at.as_seconds()),
                    next_try: None,
                };
                failures.insert(&*account.auth_index, failed);
                summary.failed.push(FailedAccount {
                    provider: target.provider.id().to_owned(),
                    account: label(names, &account.auth_index),
                    reason: failure.as_str().into(),
                });
            }
        }
    }
    let failed = &mut summary.failed;
    failed.sort_by(|a, b| (&a.provider, &a.account).cmp(&(&b.provider, &b.account)));
    failures
}

type Polled<'a> = (&'a Target, Result<QuotaAnswer, Failure>, UnixNanos);

/// After one failed connection to CPA, the remaining accounts are not polled.
async fn poll_all<'a>(
    config: &PollerConfig,
    targets: impl Iterator<Item = &'a Target>,
) -> Vec<Polled<'a>> {
    let client = &config.client(PollMetrics::default());
    let lost = &AtomicBool::new(false);
    let polls = targets.map(async |target| {
        let result = if lost.load(Ordering::Relaxed) {
            Err(Failure::NoContact)
        } else {
            client.poll(target, true).await
        };
        lost.fetch_or(result == Err(Failure::NoContact), Ordering::Relaxed);
        (target, result, config.clock.now())
    });
    let polls = stream::iter(polls).buffer_unordered(config.settings.concurrency);
    polls.collect().await
}
