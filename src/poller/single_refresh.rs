//! A single refresh, for commands that print the result and exit.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::task::Task;
use super::{Parts, PollerConfig, Quotas, refresh_channel};
use crate::accounts::{Account, Directory};
use crate::api::{AccountFilter, AccountQuota, RefreshOutcome, RefreshSummary};
use crate::metrics::{AccountNames, GaugeSet, PollMetrics};
use crate::store::WriteQueue;

/// Inputs of a refresh.
#[derive(Debug)]
pub struct SingleRefresh {
    pub poller_config: PollerConfig,
    pub names: AccountNames,
    /// CPA's current list of accounts.
    pub listed: Vec<Account>,
}

/// Polls each matching account once and returns the state of all matching accounts.
pub async fn refresh_once(
    parts: SingleRefresh,
    wanted: &AccountFilter,
) -> (Vec<AccountQuota>, RefreshSummary) {
    let (handle, refreshes) = refresh_channel();
    let (_signs, signs) = mpsc::channel(1);
    let (_local, local) = watch::channel(Vec::new());
    let (window_spans, _starts) = watch::channel(Arc::default());
    let (_usage, window_usage) = watch::channel(HashMap::new());
    let quotas = Quotas::default();
    let task = Task::new(Parts {
        poller_config: parts.poller_config,
        directory: Directory::of(parts.listed),
        names: parts.names,
        writes: WriteQueue::new(|| ()),
        signs,
        local,
        window_spans,
        window_usage,
        history: None,
        page: GaugeSet::default(),
        polls: PollMetrics::default(),
        quotas: quotas.clone(),
        refreshes,
        automatic: false,
        stop: CancellationToken::new(),
    });
    let outcome = tokio::select! {
        outcome = handle.refresh(wanted.clone()) => outcome,
        () = task.run() => None,
    };
    let summary = match outcome {
        Some(RefreshOutcome::Done(summary)) => summary,
        Some(RefreshOutcome::CoolingDown { .. }) | None => RefreshSummary::default(),
    };
    let mut accounts = quotas.get().to_vec();
    accounts.retain(|quota| wanted.matches(&quota.provider, &quota.account));
    (accounts, summary)
}
