//! All readings of all accounts. Pure: time comes in as a parameter.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::row::Row;
use crate::accounts::Account;
use crate::model::{
    AccountFacts, QuotaAnswer, QuotaPoint, QuotaSource, Reading, UnixNanos, Window,
};
use crate::quota::passive;

/// Name of a limit and of its window.
type Place = (Box<str>, Box<str>);

/// The readings of one account.
#[derive(Clone, Debug)]
pub(super) struct AccountBoard {
    /// The credential's own provider.
    pub(super) provider: Arc<str>,
    pub(super) rows: BTreeMap<Place, Row>,
    pub(super) facts: AccountFacts,
    /// Last poll that brought an answer.
    pub(super) polled: Option<UnixNanos>,
    /// Latest headers that said something.
    pub(super) headers: Option<UnixNanos>,
}

/// The state of all quotas.
#[derive(Debug)]
pub(super) struct Board {
    accounts: HashMap<Box<str>, AccountBoard>,
    /// Names of limits that may be shown, the first to come.
    limits: HashSet<Box<str>>,
    max_limits: usize,
}

impl Board {
    pub(super) fn new(max_limits: usize) -> Self {
        Self {
            accounts: HashMap::new(),
            limits: HashSet::new(),
            max_limits,
        }
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = (&str, &AccountBoard)> {
        self.accounts.iter().map(|(index, board)| (&**index, board))
    }

    /// Whether the cap on names of limits lets this one be shown.
    pub(super) fn shows(&self, limit: &str) -> bool {
        self.limits.contains(limit)
    }

    pub(super) fn get(&self, auth_index: &str) -> Option<&AccountBoard> {
        self.accounts.get(auth_index)
    }

    /// Takes over what a poll brought. Gives the readings that are news, for the history.
    pub(super) fn polled(
        &mut self,
        auth_index: &str,
        provider: &str,
        answer: QuotaAnswer,
        at: UnixNanos,
    ) -> Vec<QuotaPoint> {
        let account = self.account(auth_index, provider);
        account.polled = Some(at);
        // A poll tells all there is: what it leaves out, like a balance, is not there any more.
        let mut facts = answer.facts;
        std::mem::swap(&mut account.facts, &mut facts);
        account.facts.plan = account.facts.plan.take().or(facts.plan);
        self.read(auth_index, provider, answer.readings, QuotaSource::Poll, at)
    }

    /// Takes over what headers of an ordinary answer told.
    pub(super) fn overheard(
        &mut self,
        auth_index: &str,
        provider: &str,
        answer: QuotaAnswer,
        at: UnixNanos,
    ) -> Vec<QuotaPoint> {
        let account = self.account(auth_index, provider);
        if !answer.readings.is_empty() {
            account.headers = account.headers.max(Some(at));
        }
        account.facts.fill(answer.facts);
        self.read(
            auth_index,
            provider,
            answer.readings,
            QuotaSource::Header,
            at,
        )
    }

    /// Takes over the headers that CPA's list of accounts repeats.
    pub(super) fn listed(&mut self, account: &Account) -> Vec<QuotaPoint> {
        let models = account.model_signals.iter().map(|(_, signals)| signals);
        let mut news = Vec::new();
        for signals in account.quota_signals.iter().chain(models) {
            if let Some(at) = signals.observed_at {
                let pairs = signals.headers.iter().map(|(n, v)| (&**n, &**v));
                let answer = passive::headers(&account.provider, pairs, at);
                news.extend(self.overheard(&account.auth_index, &account.provider, answer, at));
            }
        }
        news
    }

    pub(super) fn read(
        &mut self,
        auth_index: &str,
        provider: &str,
        readings: impl IntoIterator<Item = Reading>,
        source: QuotaSource,
        at: UnixNanos,
    ) -> Vec<QuotaPoint> {
        let mut news = Vec::new();
        for reading in readings {
            self.admit(reading.limit().as_str());
            let rows = &mut self.account(auth_index, provider).rows;
            let label = reading.window().label();
            let place = (reading.limit().as_str().into(), label.into());
            let changed = if let Some(row) = rows.get_mut(&place) {
                row.update(reading, source, at)
            } else {
                rows.insert(place.clone(), Row::new(reading, source, at));
                true
            };
            if changed && let Some(row) = rows.get(&place) {
                news.push(QuotaPoint {
                    auth_index: auth_index.into(),
                    provider: provider.into(),
                    reading: row.reading().clone(),
                    observed: at,
                    source,
                });
            }
        }
        news
    }

    /// A refusal does not say which window is full: the known one that ends at the same time.
    pub(super) fn at_home(&self, auth_index: &str, refusal: Reading) -> Reading {
        let rows = self
            .get(auth_index)
            .into_iter()
            .flat_map(|a| a.rows.values());
        let home = rows
            .filter(|row| row.reading().limit() == refusal.limit() && row.is_current())
            .find(|row| row.ends_with(&refusal));
        match home {
            Some(row) if refusal.window() == Window::UNKNOWN => {
                let window = row.reading().window();
                refusal.in_window(window)
            }
            _ => refusal,
        }
    }

    /// Takes over the last readings of an earlier run.
    pub(super) fn restore(&mut self, points: Vec<QuotaPoint>) {
        for point in points {
            self.read(
                &point.auth_index,
                &point.provider,
                [point.reading],
                point.source,
                point.observed,
            );
        }
    }

    /// Lets go of what is over. Gives the accounts for which that is news.
    pub(super) fn expire(&mut self, now: UnixNanos) -> Vec<Box<str>> {
        let mut over = Vec::new();
        for (index, account) in &mut self.accounts {
            let mut news = false;
            for row in account.rows.values_mut() {
                news |= row.expire(now);
            }
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

    fn account(&mut self, auth_index: &str, provider: &str) -> &mut AccountBoard {
        self.accounts
            .entry(auth_index.into())
            .or_insert_with(|| AccountBoard {
                provider: provider.into(),
                rows: BTreeMap::new(),
                facts: AccountFacts::default(),
                polled: None,
                headers: None,
            })
    }

    fn admit(&mut self, limit: &str) {
        if !self.limits.contains(limit) && self.limits.len() < self.max_limits {
            self.limits.insert(limit.into());
        }
    }
}
