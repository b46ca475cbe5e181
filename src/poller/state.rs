//! All readings of all accounts. Pure: time comes in as a parameter.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::window_state::{Observation, WindowState};
use crate::accounts::Account;
use crate::model::{
    AccountFacts, QuotaAnswer, QuotaPoint, QuotaSource, Reading, UnixNanos, Window,
};
use crate::quota::passive;

/// Name of a limit and of its window.
type WindowKey = (Box<str>, Box<str>);

/// The account that something is known of.
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
    /// From when the newest of the facts are.
    facts_at: Option<UnixNanos>,
    /// Last poll that brought an answer.
    pub(super) polled: Option<UnixNanos>,
}

/// The state of all quotas.
#[derive(Debug)]
pub(super) struct QuotaState {
    accounts: HashMap<Box<str>, AccountQuotas>,
    /// Names of limits that may be shown, the first to come.
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

    /// Whether the cap on names of limits lets this one be shown.
    pub(super) fn shows(&self, limit: &str) -> bool {
        self.limits.contains(limit)
    }

    pub(super) fn get(&self, auth_index: &str) -> Option<&AccountQuotas> {
        self.accounts.get(auth_index)
    }

    /// Takes over what a poll brought. Gives the readings for the history: the steps, see
    /// [`WindowState::take_point`].
    pub(super) fn polled(
        &mut self,
        whose: AccountKey<'_>,
        answer: QuotaAnswer,
        now: UnixNanos,
    ) -> Vec<QuotaPoint> {
        let account = self.account(whose);
        account.polled = Some(now);
        account.facts_at = Some(now);
        account.facts.replace(answer.facts);
        let readings: Vec<Reading> = answer.readings;
        let readings = readings
            .into_iter()
            .map(|reading| self.resolve_window(whose.auth_index, reading))
            .collect::<Vec<_>>();
        self.read(
            whose,
            readings,
            Observation::new(QuotaSource::Poll, now, now),
            now,
        )
    }

    /// Takes over what headers of an ordinary answer told.
    pub(super) fn apply_headers(
        &mut self,
        whose: AccountKey<'_>,
        answer: QuotaAnswer,
        at: UnixNanos,
        now: UnixNanos,
    ) -> Vec<QuotaPoint> {
        let seen = Observation::new(QuotaSource::Header, at, now);
        let account = self.account(whose);
        if account.facts_at <= Some(seen.at()) {
            account.facts_at = Some(seen.at());
            let before = std::mem::replace(&mut account.facts, answer.facts);
            account.facts.fill(before);
        } else {
            account.facts.fill(answer.facts);
        }
        self.read(whose, answer.readings, seen, now)
    }

    /// Takes over the headers that CPA's list of accounts repeats.
    pub(super) fn listed(&mut self, account: &Account, now: UnixNanos) -> Vec<QuotaPoint> {
        let whose = AccountKey {
            auth_index: &account.auth_index,
            provider: &account.provider,
        };
        let models = account.model_signals.iter().map(|(_, signals)| signals);
        let mut news = Vec::new();
        for signals in account.quota_signals.iter().chain(models) {
            if let Some(at) = signals.observed_at {
                let pairs = signals.headers.iter().map(|(n, v)| (&**n, &**v));
                let answer = passive::headers(whose.provider, pairs, at);
                news.extend(self.apply_headers(whose, answer, at, now));
            }
        }
        news
    }

    pub(super) fn read(
        &mut self,
        whose: AccountKey<'_>,
        readings: impl IntoIterator<Item = Reading>,
        seen: Observation,
        now: UnixNanos,
    ) -> Vec<QuotaPoint> {
        let mut news = Vec::new();
        for reading in readings {
            if seen.is_too_late(&reading) || !reading.says_something() {
                continue;
            }
            self.admit(reading.limit().as_str());
            let windows = &mut self.account(whose).windows;
            let label = reading.window().label();
            let place = (reading.limit().as_str().into(), label.into());
            overrule(windows, &place, seen);
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
                    auth_index: whose.auth_index.into(),
                    provider: whose.provider.into(),
                    reading,
                    observed: seen.at(),
                    source: seen.source(),
                });
            }
        }
        news
    }

    /// The reading in the current window of the account that it means.
    pub(super) fn resolve_window(&self, auth_index: &str, reading: Reading) -> Reading {
        let account = self.get(auth_index).into_iter();
        let windows = account.flat_map(|account| account.windows.values());
        let current = windows.filter(|row| row.is_current());
        reading.resolve_window(current.map(WindowState::reading))
    }

    /// Takes over the last readings of an earlier run.
    pub(super) fn restore(&mut self, points: Vec<QuotaPoint>, now: UnixNanos) {
        for point in points {
            let whose = AccountKey {
                auth_index: &point.auth_index,
                provider: &point.provider,
            };
            let seen = Observation::new(point.source, point.observed, now);
            self.read(whose, [point.reading], seen, now);
        }
    }

    /// Lets go of what is over. Gives the accounts for which that is news.
    pub(super) fn expire(&mut self, now: UnixNanos) -> Vec<Box<str>> {
        let mut over = Vec::new();
        for (index, account) in &mut self.accounts {
            let mut news = false;
            account.windows.retain(|_, row| {
                news |= row.expire(now);
                !row.is_forgotten(now)
            });
            if news {
                over.push(index.clone());
            }
        }
        over
    }

    /// Forgets the accounts that are gone.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.accounts.retain(|index, _| is_there(index));
    }

    fn account(&mut self, whose: AccountKey<'_>) -> &mut AccountQuotas {
        self.accounts
            .entry(whose.auth_index.into())
            .or_insert_with(|| AccountQuotas {
                provider: whose.provider.into(),
                windows: BTreeMap::new(),
                facts: AccountFacts::default(),
                facts_at: None,
                polled: None,
            })
    }

    fn admit(&mut self, limit: &str) {
        if !self.limits.contains(limit) && self.limits.len() < self.max_limits {
            self.limits.insert(limit.into());
        }
    }
}

/// A refusal that named no window gives way to a later word on the windows of its limit.
fn overrule(windows: &mut BTreeMap<WindowKey, WindowState>, place: &WindowKey, by: Observation) {
    let (limit, window) = place;
    let unknown = Window::UNKNOWN.label();
    if **window != *unknown
        && let Some(refusal) = windows.get_mut(&(limit.clone(), unknown.into()))
    {
        refusal.overrule(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Limit, Name, Scope, Unit};

    const WHOSE: AccountKey<'_> = AccountKey {
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
        state.polled(WHOSE, answer, at(minutes));
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
    fn an_end_that_is_past_brings_no_row_and_no_reset() {
        let mut state = QuotaState::new(9);
        let seen = Observation::new(QuotaSource::Poll, at(10), at(10));
        assert!(
            state
                .read(WHOSE, [reading(80.0, 9)], seen, at(10))
                .is_empty()
        );
        assert!(state.get("a1").is_none());
    }

    #[test]
    fn what_ended_while_nobody_looked_is_restored_as_over() {
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
        assert!(row.figures().is_none());
        assert_eq!(row.resets(), 0);
    }

    #[test]
    fn a_poll_that_did_not_ask_for_balances_takes_none_away() {
        let mut state = QuotaState::new(9);
        poll(&mut state, balance(5.0), 0);
        poll(&mut state, AccountFacts::not_asked(), 5);
        assert_eq!(credits(&state), [(Unit::Credits, 5.0)]);
        poll(&mut state, AccountFacts::default(), 10);
        assert_eq!(credits(&state), []);
    }

    #[test]
    fn the_newest_balance_wins_wherever_it_stands() {
        let mut state = QuotaState::new(9);
        poll(&mut state, balance(5.0), 10);
        let mut hear = |credits, minutes| {
            let answer = QuotaAnswer {
                readings: Vec::new(),
                facts: balance(credits),
            };
            state.apply_headers(WHOSE, answer, at(minutes), at(20));
            state.get("a1").unwrap().facts.credits.clone()
        };
        assert_eq!(hear(9.0, 9), [(Unit::Credits, 5.0)]);
        assert_eq!(hear(4.0, 11), [(Unit::Credits, 4.0)]);
        assert_eq!(hear(3.0, 12), [(Unit::Credits, 3.0)]);
    }

    #[test]
    fn the_plan_outlives_polls_that_do_not_name_it() {
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
    fn a_refusal_without_window_gives_way_to_a_poll() {
        let mut state = QuotaState::new(9);
        let refusal = Reading::new(Limit::main(), Window::UNKNOWN, Scope::Account)
            .with_reset(Some(at(9000)))
            .with_exhausted(Some(true));
        let seen = Observation::new(QuotaSource::Error, at(1), at(1));
        state.read(WHOSE, [refusal], seen, at(1));
        let seen = Observation::new(QuotaSource::Poll, at(2), at(2));
        state.read(WHOSE, [reading(3.0, 200)], seen, at(2));
        let windows = &state.get("a1").unwrap().windows;
        let shown: Vec<_> = windows.iter().filter(|(_, row)| row.is_current()).collect();
        assert_eq!(shown.len(), 1, "{shown:?}");
    }
}
