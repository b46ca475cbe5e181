//! All readings of all accounts. Pure: the time is a parameter.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::window_state::{Observation, WindowState};
use crate::accounts::Account;
use crate::model::{
    AccountFacts, QuotaAnswer, QuotaPoint, QuotaSource, Reading, UnixNanos, Window,
};
use crate::quota::passive;

/// Name of a limit and label of its window.
type WindowKey = (Box<str>, Box<str>);

/// Identifies an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccountKey<'a> {
    pub(super) auth_index: &'a str,
    /// The credential's own provider.
    pub(super) provider: &'a str,
}

/// The readings of one account.
#[derive(Clone, Debug)]
pub(super) struct AccountQuotas {
    /// The credential's own provider.
    pub(super) provider: Arc<str>,
    pub(super) windows: BTreeMap<WindowKey, WindowState>,
    pub(super) facts: AccountFacts,
    /// Time of the newest facts.
    facts_at: Option<UnixNanos>,
    /// Time of the last successful poll.
    pub(super) polled: Option<UnixNanos>,
}

/// The state of all quotas.
#[derive(Debug)]
pub(super) struct QuotaState {
    accounts: HashMap<Box<str>, AccountQuotas>,
    /// Names of limits that are exposed: the first ones, up to the cap.
    limits: HashSet<Box<str>>,
    max_limits: usize,
}

impl QuotaState {
    pub(super) fn new(max_limits: usize) -> Self {
        Self {
            accounts: HashMap::new(),
            limits: HashSet::new(),
            max_limits,
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
            let label = reading.window().label();
            let place = (reading.limit().as_str().into(), label.into());
            supersede(windows, &place, seen);
            let changed = if let Some(row) = windows.get_mut(&place) {
                row.update(reading, seen, now)
            } else {
                windows.insert(place.clone(), WindowState::new(reading, seen, now));
                true
            };
            if changed
                && let Some(row) = windows.get_mut(&place)
                && let Some(reading) = row.take_point()
            {
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
        let current = windows.filter(|row| row.is_current());
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

    /// Expires readings key window has ended. Returns the affected accounts.
    pub(super) fn expire(&mut self, now: UnixNanos) -> Vec<Box<str>> {
        let mut over = Vec::new();
        for (index, account) in &mut self.accounts {
            let mut news = false;
            account.windows.retain(|_, row| {
                news |= row.expire(now);
                !row.is_obsolete(now)
            });
            if news {
                over.push(index.clone());
            }
        }
        over
    }

    /// Removes accounts that no longer exist.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.accounts.retain(|index, _| is_there(index));
    }

    fn account(&mut self, key: AccountKey<'_>) -> &mut AccountQuotas {
        self.accounts
            .entry(key.auth_index.into())
            .or_insert_with(|| AccountQuotas {
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

/// A newer reading of a limit's windows supersedes a refusal that named no window.
fn supersede(windows: &mut BTreeMap<WindowKey, WindowState>, place: &WindowKey, by: Observation) {
    let (limit, window) = place;
    let unknown = Window::UNKNOWN.label();
    if **window != *unknown
        && let Some(refusal) = windows.get_mut(&(limit.clone(), unknown.into()))
    {
        refusal.supersede(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Limit, Name, Scope, Unit};

    const KEY: AccountKey<'_> = AccountKey {
        auth_index: "a1",
        provider: "codex",
    };

    fn at(minutes: i64) -> UnixNanos {
        UnixNanos::from_millis((30_000_000 + minutes) * 60_000)
    }

    fn reading(percent: f64, reset: i64) -> Reading {
        Reading::new(Limit::main(), Window::hours(5), Scope::Account)
            .with_percent(Some(percent))
            .with_reset(Some(at(reset)))
    }

    fn poll(state: &mut QuotaState, facts: AccountFacts, minutes: i64) {
        let answer = QuotaAnswer {
            readings: Vec::new(),
            facts,
        };
        state.record_poll(KEY, answer, at(minutes));
    }

    fn balance(credits: f64) -> AccountFacts {
        let mut facts = AccountFacts::default();
        facts.add_credits(Unit::Credits, Some(credits));
        facts
    }

    fn credits(state: &QuotaState) -> Vec<(Unit, f64)> {
        state.get("a1").unwrap().facts.credits.clone()
    }

    #[test]
    fn expired_reading_adds_no_window_and_no_reset() {
        let mut state = QuotaState::new(9);
        let seen = Observation::new(QuotaSource::Poll, at(10), at(10));
        assert!(state.read(KEY, [reading(80.0, 9)], seen, at(10)).is_empty());
        assert!(state.get("a1").is_none());
    }

    #[test]
    fn window_that_ended_while_stopped_is_restored_as_expired() {
        let mut state = QuotaState::new(9);
        let point = QuotaPoint {
            auth_index: "a1".into(),
            provider: "codex".into(),
            reading: reading(80.0, 5),
            observed: at(1),
            source: QuotaSource::Poll,
        };
        state.restore(vec![point], at(10));
        assert!(state.expire(at(10)).is_empty());
        let row = state.get("a1").unwrap().windows.values().next().unwrap();
        assert!(row.status().is_none());
        assert_eq!(row.resets(), 0);
    }

    #[test]
    fn poll_without_balances_keeps_the_known_balances() {
        let mut state = QuotaState::new(9);
        poll(&mut state, balance(5.0), 0);
        poll(&mut state, AccountFacts::partial(), 5);
        assert_eq!(credits(&state), [(Unit::Credits, 5.0)]);
        poll(&mut state, AccountFacts::default(), 10);
        assert_eq!(credits(&state), []);
    }

    #[test]
    fn newest_balance_wins_regardless_of_its_source() {
        let mut state = QuotaState::new(9);
        poll(&mut state, balance(5.0), 10);
        let mut apply = |credits, minutes| {
            let answer = QuotaAnswer {
                readings: Vec::new(),
                facts: balance(credits),
            };
            state.apply_headers(KEY, answer, at(minutes), at(20));
            state.get("a1").unwrap().facts.credits.clone()
        };
        assert_eq!(apply(9.0, 9), [(Unit::Credits, 5.0)]);
        assert_eq!(apply(4.0, 11), [(Unit::Credits, 4.0)]);
        assert_eq!(apply(3.0, 12), [(Unit::Credits, 3.0)]);
    }

    #[test]
    fn plan_survives_polls_that_do_not_name_it() {
        let mut state = QuotaState::new(9);
        let plan = Name::new("pro");
        let facts = AccountFacts {
            plan: plan.clone(),
            ..AccountFacts::default()
        };
        poll(&mut state, facts, 0);
        poll(&mut state, AccountFacts::default(), 5);
        assert_eq!(state.get("a1").unwrap().facts.plan, plan);
    }

    #[test]
    fn poll_supersedes_a_refusal_without_window() {
        let mut state = QuotaState::new(9);
        let refusal = Reading::new(Limit::main(), Window::UNKNOWN, Scope::Account)
            .with_reset(Some(at(9000)))
            .with_exhausted(Some(true));
        let seen = Observation::new(QuotaSource::Error, at(1), at(1));
        state.read(KEY, [refusal], seen, at(1));
        let seen = Observation::new(QuotaSource::Poll, at(2), at(2));
        state.read(KEY, [reading(3.0, 200)], seen, at(2));
        let windows = &state.get("a1").unwrap().windows;
        let shown: Vec<_> = windows.iter().filter(|(_, row)| row.is_current()).collect();
        assert_eq!(shown.len(), 1, "{shown:?}");
    }
}
