//! All readings of all accounts. Pure: the time is a parameter.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::limit_window::{LimitWindow, LocalWindow};
use super::window_state::{Observation, WindowState, WindowStatus};
use crate::accounts::Account;
use crate::model::{
    AccountFacts, LocalQuota, QuotaAnswer, QuotaPoint, QuotaSource, Reading, UnixNanos, Window,
    WindowSpan, WindowUsage,
};
use crate::quota::{AccountRef, passive};

/// Name of a limit and label of its window.
type WindowKey = (Box<str>, Box<str>);

/// Identifies an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccountKey<'a> {
    pub(super) auth_index: &'a str,
    /// The credential's own provider.
    pub(super) provider: &'a str,
}

impl<'a> From<&'a AccountRef> for AccountKey<'a> {
    fn from(account: &'a AccountRef) -> Self {
        Self {
            auth_index: &account.auth_index,
            provider: &account.provider,
        }
    }
}

/// What an entry of the state is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Account,
    /// Requests to one provider without an account. Local quotas only.
    NoAccount,
    /// All accounts together. Local quotas only.
    AllAccounts,
}

impl Holder {
    /// The holder of a local quota, and its key in the state.
    fn of(quota: &LocalQuota) -> (Self, String) {
        match &quota.account {
            None => (Self::AllAccounts, String::new()),
            Some(account) if account.auth_index.is_empty() => {
                (Self::NoAccount, format!("none:{}", account.provider))
            }
            Some(account) => (Self::Account, account.auth_index.to_string()),
        }
    }
}

/// The limits of one account.
#[derive(Clone, Debug)]
pub(super) struct AccountQuotas {
    pub(super) holder: Holder,
    /// The credential's own provider.
    pub(super) provider: Arc<str>,
    pub(super) windows: BTreeMap<WindowKey, LimitWindow>,
    pub(super) facts: AccountFacts,
    /// Time of the newest facts.
    facts_at: Option<UnixNanos>,
    /// Time of the last successful poll.
    pub(super) polled: Option<UnixNanos>,
}

impl AccountQuotas {
    fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.facts_at.is_none()
    }

    /// Removes everything but local quotas.
    fn forget_provider(&mut self) {
        self.facts = AccountFacts::default();
        (self.facts_at, self.polled) = (None, None);
        self.update_windows(|window| window.provider = None);
    }

    fn update_windows(&mut self, mut update: impl FnMut(&mut LimitWindow)) {
        self.windows.retain(|_, window| {
            update(window);
            !window.is_empty()
        });
    }
}

/// The state of all quotas.
#[derive(Debug)]
pub(super) struct QuotaState {
    accounts: HashMap<Box<str>, AccountQuotas>,
    /// Names of limits that are exposed: the first ones, up to the cap.
    limits: HashSet<Box<str>>,
    max_limits: usize,
    /// What the exporter has counted since the start of windows.
    usage: HashMap<WindowSpan, WindowUsage>,
}

impl QuotaState {
    pub(super) fn new(max_limits: usize) -> Self {
        Self {
            accounts: HashMap::new(),
            limits: HashSet::new(),
            max_limits,
            usage: HashMap::new(),
        }
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = (&str, &AccountQuotas)> {
        self.accounts.iter().map(|(index, state)| (&**index, state))
    }

    /// Whether this name of a limit is within the cap.
    pub(super) fn is_within_cap(&self, limit: &str) -> bool {
        self.limits.contains(limit)
    }

    pub(super) fn get(&self, auth_index: &str) -> Option<&AccountQuotas> {
        self.accounts.get(auth_index)
    }

    /// Takes over what a poll brought. Gives the readings for the history: the steps, see
    /// [`WindowState::take_point`].
    pub(super) fn record_poll(
        &mut self,
        key: AccountKey<'_>,
        answer: QuotaAnswer,
        now: UnixNanos,
    ) -> Vec<QuotaPoint> {
        let account = self.account(key);
        account.polled = Some(now);
        account.facts_at = Some(now);
        account.facts.replace(answer.facts);
        let readings: Vec<Reading> = answer.readings;
        let readings = readings
            .into_iter()
            .map(|reading| self.resolve_window(key.auth_index, reading))
            .collect::<Vec<_>>();
        self.read(
            key,
            readings,
            Observation::new(QuotaSource::Poll, now, now),
            now,
        )
    }

    /// Records the headers of a proxied response.
    pub(super) fn apply_headers(
        &mut self,
        key: AccountKey<'_>,
        answer: QuotaAnswer,
        at: UnixNanos,
        now: UnixNanos,
    ) -> Vec<QuotaPoint> {
        let seen = Observation::new(QuotaSource::Header, at, now);
        let account = self.account(key);
        if account.facts_at <= Some(seen.at()) {
            account.facts_at = Some(seen.at());
            let before = std::mem::replace(&mut account.facts, answer.facts);
            account.facts.fill(before);
        } else {
            account.facts.fill(answer.facts);
        }
        self.read(key, answer.readings, seen, now)
    }

    /// Records the headers that CPA's list of accounts contains.
    pub(super) fn record_list(&mut self, account: &Account, now: UnixNanos) -> Vec<QuotaPoint> {
        let key = AccountKey {
            auth_index: &account.auth_index,
            provider: &account.provider,
        };
        let models = account.model_signals.iter().map(|(_, signals)| signals);
        let mut news = Vec::new();
        for signals in account.quota_signals.iter().chain(models) {
            if let Some(at) = signals.observed_at {
                let pairs = signals.headers.iter().map(|(n, v)| (&**n, &**v));
                let answer = passive::headers(key.provider, pairs, at);
                news.extend(self.apply_headers(key, answer, at, now));
            }
        }
        news
    }

    pub(super) fn read(
        &mut self,
        key: AccountKey<'_>,
        readings: impl IntoIterator<Item = Reading>,
        seen: Observation,
        now: UnixNanos,
    ) -> Vec<QuotaPoint> {
        let mut news = Vec::new();
        for reading in readings {
            if seen.had_ended(&reading) || !reading.is_informative() {
                continue;
            }
            self.insert_limit(reading.limit().as_str());
            let windows = &mut self.account(key).windows;
            let window = key_of(&reading);
            supersede(windows, &window, seen);
            let row = &mut windows.entry(window).or_default().provider;
            let changed = if let Some(row) = row {
                row.update(reading, seen, now)
            } else {
                *row = Some(WindowState::new(reading, seen, now));
                true
            };
            let point = row
                .as_mut()
                .filter(|_| changed)
                .and_then(WindowState::take_point);
            if let Some(reading) = point {
                news.push(QuotaPoint {
                    auth_index: key.auth_index.into(),
                    provider: key.provider.into(),
                    reading,
                    observed: seen.at(),
                    source: seen.source(),
                });
            }
        }
        news
    }

    /// Assigns a reading without a window to the account's current window with the same reset.
    pub(super) fn resolve_window(&self, auth_index: &str, reading: Reading) -> Reading {
        let account = self.get(auth_index).into_iter();
        let windows = account.flat_map(|account| account.windows.values());
        let rows = windows.filter_map(|window| window.provider.as_ref());
        let current = rows.filter(|row| row.is_current());
        reading.resolve_window(current.map(WindowState::reading))
    }

    /// Restores the last readings of an earlier run.
    pub(super) fn restore(&mut self, points: Vec<QuotaPoint>, now: UnixNanos) {
        for point in points {
            let key = AccountKey {
                auth_index: &point.auth_index,
                provider: &point.provider,
            };
            let seen = Observation::new(point.source, point.observed, now);
            self.read(key, [point.reading], seen, now);
        }
    }

    /// Replaces all local quotas.
    pub(super) fn set_local(&mut self, quotas: Vec<LocalQuota>) {
        let mut before = HashMap::new();
        for (index, account) in &mut self.accounts {
            for (key, window) in &mut account.windows {
                if let Some(local) = window.local.take() {
                    before.insert((index.clone(), key.clone()), local);
                }
            }
        }
        for quota in quotas {
            let (holder, auth_index) = Holder::of(&quota);
            let provider = quota.account.as_ref().map(|it| it.provider.clone());
            let account = self.account(AccountKey {
                auth_index: &auth_index,
                provider: &provider.unwrap_or_default(),
            });
            account.holder = holder;
            let key = key_of(&quota.reading);
            let before = before.get(&(auth_index.into(), key.clone()));
            let local = LocalWindow::new(quota, before);
            account.windows.entry(key).or_default().local = Some(local);
        }
        self.accounts.retain(|_, account| {
            account.update_windows(|_| ());
            !account.is_empty()
        });
    }

    /// The current windows whose usage the exporter can count.
    pub(super) fn window_spans(&self) -> BTreeSet<WindowSpan> {
        let all = self.accounts.iter().flat_map(|(index, account)| {
            let statuses = account.windows.values().filter_map(LimitWindow::status);
            statuses.filter_map(|status| window_span(index, &status))
        });
        all.collect()
    }

    pub(super) fn set_usage(&mut self, usage: HashMap<WindowSpan, WindowUsage>) {
        self.usage = usage;
    }

    /// Usage of a window; `None` if it is not counted, or not yet.
    pub(super) fn usage(&self, auth_index: &str, status: &WindowStatus<'_>) -> Option<WindowUsage> {
        self.usage.get(&window_span(auth_index, status)?).copied()
    }

    /// Expires readings whose window has ended. Returns the affected accounts.
    pub(super) fn expire(&mut self, now: UnixNanos) -> Vec<Box<str>> {
        let mut over = Vec::new();
        for (index, account) in &mut self.accounts {
            let mut news = false;
            account.update_windows(|window| {
                if let Some(row) = &mut window.provider {
                    news |= row.expire(now);
                }
                window.provider.take_if(|row| row.is_obsolete(now));
            });
            if news {
                over.push(index.clone());
            }
        }
        over
    }

    /// Removes the readings of accounts that no longer exist.
    pub(super) fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.accounts.retain(|index, account| {
            if !exists(index) {
                account.forget_provider();
            }
            !account.is_empty()
        });
    }

    fn account(&mut self, key: AccountKey<'_>) -> &mut AccountQuotas {
        self.accounts
            .entry(key.auth_index.into())
            .or_insert_with(|| AccountQuotas {
                holder: Holder::Account,
                provider: key.provider.into(),
                windows: BTreeMap::new(),
                facts: AccountFacts::default(),
                facts_at: None,
                polled: None,
            })
    }

    fn insert_limit(&mut self, limit: &str) {
        if !self.limits.contains(limit) && self.limits.len() < self.max_limits {
            self.limits.insert(limit.into());
        }
    }
}

fn window_span(auth_index: &str, status: &WindowStatus<'_>) -> Option<WindowSpan> {
    let [start, end] = status.span()?;
    Some(WindowSpan {
        auth_index: auth_index.into(),
        start,
        end,
    })
}

fn key_of(reading: &Reading) -> WindowKey {
    (
        reading.limit().as_str().into(),
        reading.window().label().into(),
    )
}

/// A newer reading of a limit's windows supersedes a refusal that named no window.
fn supersede(windows: &mut BTreeMap<WindowKey, LimitWindow>, place: &WindowKey, by: Observation) {
    let (limit, window) = place;
    let unknown = Window::UNKNOWN.label();
    if **window != *unknown
        && let Some(unknown) = windows.get_mut(&(limit.clone(), unknown.into()))
        && let Some(refusal) = &mut unknown.provider
    {
        refusal.supersede(by);
    }
}

#[cfg(test)]
mod tests;
