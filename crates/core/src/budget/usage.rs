//! Usage of all rules. The order of entries does not matter.

#![expect(
    clippy::indexing_slicing,
    reason = "a use without its counter would be dropped; a restart reads the database again"
)]

use std::collections::HashMap;
use std::sync::Arc;

use super::calendar::Window;
use super::counter::{Count, Counter, backfill_start};
use super::days::{Dates, DaySum, Days, Mean};
use super::rules::{BudgetRule, Entry, Measure, Period, QuotaRule, Rules, Split};
use super::selector::Selector;
use crate::model::{DimId, Dimension, Route, UnixNanos};

/// Maximum number of cached routes, so that a hostile variety of models cannot fill memory.
const MAX_ROUTES: usize = 65_536;
/// Maximum number of quota counters, and of providers, accounts and clients with daily sums, for
/// the same reason.
const MAX_COUNTERS: usize = 10_000;
const MAX_DAY_SLOTS: usize = 100_000;

/// The parts of a route that selectors match.
type RouteKey = [DimId; 4];

/// Sums usage for all rules.
#[derive(Debug)]
pub struct UsageCounters {
    rules: Arc<Rules>,
    texts: HashMap<(Dimension, DimId), Box<[Box<str>]>>,
    /// Counters of each route, computed once per route.
    routes: HashMap<RouteKey, Arc<Slots>>,
    quotas: Vec<Quota>,
    quota_places: HashMap<(usize, Option<DimId>), usize>,
    budgets: Vec<Budget>,
    dates: Dates,
    days: Vec<(By, DimId, Days)>,
    day_places: HashMap<(By, DimId), usize>,
    complete: bool,
    overflows: u64,
}

#[derive(Debug)]
struct Quota {
    rule: usize,
    /// `None` if the rule counts all accounts together.
    account: Option<Account>,
    counter: Counter,
}

#[derive(Debug)]
struct Budget {
    counter: Counter,
    days: Days,
}

#[derive(Debug)]
struct Slots {
    quotas: Box<[usize]>,
    budgets: Box<[usize]>,
    days: Box<[usize]>,
}

/// An account and the provider of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: DimId,
    pub provider: DimId,
}

/// The dimension of a daily sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    Total,
    Provider,
    Account,
    Client,
}

impl By {
    /// The value of the label `by`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Provider => "provider",
            Self::Account => "account",
            Self::Client => "client",
        }
    }
}

/// State of a quota.
#[derive(Clone, Copy, Debug)]
pub struct QuotaState<'b> {
    pub rule: &'b QuotaRule,
    pub account: Option<Account>,
    pub count: Count,
}

/// State of a budget.
#[derive(Clone, Copy, Debug)]
pub struct BudgetState<'b> {
    pub rule: &'b BudgetRule,
    pub count: Count,
    /// Nano-dollars per day.
    pub average: Option<f64>,
}

/// Daily sums of a provider, an account, a client, or of all.
#[derive(Clone, Copy, Debug)]
pub struct DayState {
    pub by: By,
    pub id: DimId,
    pub today: DaySum,
    pub mean: Option<Mean>,
    pub month_to_date: DaySum,
    pub month: Window,
}

impl UsageCounters {
    pub fn new(rules: Arc<Rules>, now: UnixNanos) -> Self {
        let budgets = rules.budgets.iter().map(|rule| Budget {
            counter: Counter::new(measure(rule), &Period::Calendar(rule.calendar.clone())),
            days: Days::default(),
        });
        let mut this = Self {
            texts: HashMap::new(),
            routes: HashMap::new(),
            quotas: Vec::new(),
            quota_places: HashMap::new(),
            budgets: budgets.collect(),
            dates: Dates::new(&rules.zone, now),
            days: Vec::new(),
            day_places: HashMap::new(),
            complete: false,
            overflows: 0,
            rules,
        };
        // A counter over all accounts exists before the first event.
        for rule in 0..this.rules.quotas.len() {
            if this.rules.quotas[rule].split == Split::None {
                this.quota(rule, None);
            }
        }
        this
    }

    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Empty counters for new rules that keep the interned names; fill them by a backfill.
    #[must_use]
    pub fn with_rules(&self, rules: Arc<Rules>, now: UnixNanos) -> Self {
        let texts = self.texts.clone();
        Self {
            texts,
            ..Self::new(rules, now)
        }
    }

    /// Sets the names of an interned value that selectors match. Call before recording its entries.
    pub fn name(&mut self, dimension: Dimension, id: DimId, texts: &[&str]) {
        let texts = texts.iter().map(|text| Box::from(*text)).collect();
        self.texts.insert((dimension, id), texts);
    }

    /// The stored form of an interned value; empty for the absent one.
    pub fn text(&self, dimension: Dimension, id: DimId) -> &str {
        let texts = self.texts.get(&(dimension, id));
        texts
            .and_then(|texts| texts.first())
            .map_or("", |text| text)
    }

    /// Marks the backfill as complete.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// How often a route got no counter of its own for lack of room.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Start time of the earliest event that any rule depends on.
    pub fn backfill_start(&self, now: UnixNanos) -> UnixNanos {
        let quotas = self.rules.quotas.iter();
        let quotas = quotas.map(|rule| backfill_start(rule.measure, &rule.period, now));
        let budgets = self.rules.budgets.iter();
        let budgets = budgets.map(|rule| rule.calendar.window(now).start);
        quotas
            .chain(budgets)
            .fold(self.dates.kept_from(), UnixNanos::min)
    }

    /// Records a committed event.
    pub fn record(&mut self, route: &Route, entry: &Entry) {
        let key = [route.provider, route.account, route.client, route.model];
        let slots = match self.routes.get(&key) {
            Some(slots) => Arc::clone(slots),
            None => self.find(key),
        };
        for slot in &slots.quotas {
            self.quotas[*slot].counter.record(entry);
        }
        for slot in &slots.budgets {
            self.budgets[*slot].counter.record(entry);
        }
        let at = UnixNanos::new(entry.at);
        // Whether there is history must not depend on how far the backfill went.
        if at >= self.dates.kept_from() {
            let day = self.dates.day_of(at);
            self.post_day(&slots, day, entry);
        }
    }

    fn post_day(&mut self, slots: &Slots, day: UnixNanos, entry: &Entry) {
        for slot in &slots.budgets {
            if let (Some(budget), Some(rule)) =
                (self.budgets.get_mut(*slot), self.rules.budgets.get(*slot))
            {
                let cost = measure(rule).amount(entry);
                let sum = DaySum {
                    cost,
                    ..DaySum::default()
                };
                budget.days.add(day, &sum);
            }
        }
        let sum = DaySum::of(entry);
        for slot in &slots.days {
            let (_, _, days) = &mut self.days[*slot];
            days.add(day, &sum);
        }
    }

    pub fn quotas(&mut self, now: UnixNanos) -> impl Iterator<Item = QuotaState<'_>> {
        let rules = &self.rules.quotas;
        self.quotas.iter_mut().map(move |quota| {
            let rule = &rules[quota.rule];
            QuotaState {
                rule,
                account: quota.account,
                count: quota.counter.read(now, rule.limit),
            }
        })
    }

    pub fn budgets(&mut self, now: UnixNanos) -> impl Iterator<Item = BudgetState<'_>> {
        self.roll_day(now);
        let dates = &self.dates;
        let both = self.budgets.iter_mut().zip(&self.rules.budgets);
        both.map(move |(budget, rule)| BudgetState {
            rule,
            count: budget.counter.read(now, Some(rule.limit)),
            average: budget.days.mean(dates).map(|mean| mean.cost),
        })
    }

    pub fn days(&mut self, now: UnixNanos) -> impl Iterator<Item = DayState> {
        self.roll_day(now);
        let dates = &self.dates;
        self.days.iter().map(|(by, id, days)| DayState {
            by: *by,
            id: *id,
            today: days.today(dates),
            mean: days.mean(dates),
            month_to_date: days.month(dates),
            month: dates.month(),
        })
    }

    fn roll_day(&mut self, now: UnixNanos) {
        if self.dates.advance(&self.rules.zone, now) {
            let from = self.dates.kept_from();
            let days = self.days.iter_mut().map(|(_, _, days)| days);
            let budgets = self.budgets.iter_mut().map(|budget| &mut budget.days);
            days.chain(budgets).for_each(|days| days.forget(from));
        }
    }

    /// The rules that match a route.
    fn find(&mut self, key: RouteKey) -> Arc<Slots> {
        let [provider, id, client, _] = key;
        let account = Account { id, provider };
        let rules = Arc::clone(&self.rules);
        let mut quotas = Vec::new();
        for (at, rule) in rules.quotas.iter().enumerate() {
            if self.selects(&rule.selector, key) {
                let account = (rule.split == Split::Account).then_some(account);
                quotas.extend(self.quota(at, account));
            }
        }
        let budgets = rules.budgets.iter().enumerate();
        let budgets = budgets.filter(|(_, rule)| self.selects(&rule.selector, key));
        let slots = Arc::new(Slots {
            budgets: budgets.map(|(at, _)| at).collect(),
            quotas: quotas.into(),
            days: [
                (By::Total, DimId::NONE),
                (By::Provider, provider),
                (By::Account, id),
                (By::Client, client),
            ]
            .into_iter()
            .filter_map(|(by, id)| self.day_slot(by, id))
            .collect(),
        });
        if self.routes.len() >= MAX_ROUTES {
            self.routes.clear();
        }
        self.routes.insert(key, Arc::clone(&slots));
        slots
    }

    fn selects(&self, selector: &Selector, [provider, account, client, model]: RouteKey) -> bool {
        let parts = [
            (
                &selector.providers,
                Dimension::Provider,
                provider,
                "unknown",
            ),
            (&selector.accounts, Dimension::Account, account, "none"),
            (&selector.clients, Dimension::Client, client, "none"),
            (&selector.models, Dimension::Model, model, "unknown"),
        ];
        parts.into_iter().all(|(globs, dimension, id, absent)| {
            globs.is_empty()
                || match self.texts.get(&(dimension, id)) {
                    Some(texts) => globs.accept(texts),
                    None => globs.accept(&[absent.into()]),
                }
        })
    }

    fn quota(&mut self, rule: usize, account: Option<Account>) -> Option<usize> {
        let key = (rule, account.map(|account| account.id));
        if let Some(place) = self.quota_places.get(&key) {
            return Some(*place);
        }
        let place = self.quotas.len();
        if place >= MAX_COUNTERS {
            self.overflows += 1;
            return None;
        }
        let QuotaRule {
            measure, period, ..
        } = &self.rules.quotas[rule];
        self.quotas.push(Quota {
            rule,
            account,
            counter: Counter::new(*measure, period),
        });
        self.quota_places.insert(key, place);
        Some(place)
    }

    fn day_slot(&mut self, by: By, id: DimId) -> Option<usize> {
        if let Some(place) = self.day_places.get(&(by, id)) {
            return Some(*place);
        }
        let place = self.days.len();
        (place < MAX_DAY_SLOTS).then(|| {
            self.days.push((by, id, Days::default()));
            self.day_places.insert((by, id), place);
            place
        })
    }
}

const fn measure(rule: &BudgetRule) -> Measure {
    if rule.list_value {
        Measure::ListValue
    } else {
        Measure::Cost
    }
}
