//! From the books to the page: budgets and comparisons as gauges, quotas as readings.

use std::collections::BTreeMap;

use crate::budget::{Anomaly, Books, BudgetState, By, QuotaState, projection};
use crate::metrics::catalogue::{Family, budgets as families};
use crate::metrics::{Ledger, Sheet};
use crate::model::{Amounts, Dimension, LocalAccount, LocalQuota, Reading, Scope, UnixNanos};

/// Nano-dollars in a dollar.
const NANOS: f64 = 1e9;

/// How all quotas stand that we count ourselves.
pub(super) fn quotas(books: &mut Books, now: UnixNanos) -> Vec<LocalQuota> {
    let states: Vec<_> = books
        .quotas(now)
        .map(|state| (reading(&state), state.whose, state.count))
        .collect();
    let all = states.into_iter().map(|(reading, whose, count)| {
        let whose = whose.map(|account| LocalAccount {
            auth_index: books.text(Dimension::Account, account.id).into(),
            provider: books.text(Dimension::Provider, account.provider).into(),
        });
        LocalQuota {
            whose,
            reading,
            length: count.window.end.since(count.window.start),
            oldest_expiry: count.oldest_expiry,
            exhaustion: count.exhaustion,
            observed: now,
        }
    });
    all.collect()
}

fn reading(state: &QuotaState<'_>) -> Reading {
    let QuotaState { rule, count, .. } = state;
    let measure = rule.measure;
    let limit = rule.limit.map(|limit| measure.in_unit(limit));
    let used = Some(measure.in_unit(count.used));
    let resets = rule.period.has_resets() && limit.is_some();
    Reading::new(rule.name.clone(), rule.period.window(), Scope::Local)
        .with_amounts(Amounts::new(measure.unit(), used, limit, None))
        .with_reset(resets.then_some(count.window.end))
        .with_unlimited(limit.is_none())
}

/// Everything about money that is no counter.
pub(super) fn sheet(books: &mut Books, ledger: &mut Ledger, now: UnixNanos) -> Sheet {
    let mut sheet = Sheet::default();
    for state in books.budgets(now) {
        budget(&mut sheet, &state, now);
    }
    let anomaly = books.rules().anomaly;
    for ((by, name), day) in days(books, ledger, &mut sheet, now) {
        if by == By::Provider {
            day.compare(&mut sheet, &name, anomaly);
        }
        day.month(&mut sheet, by, &name);
    }
    sheet
}

fn budget(sheet: &mut Sheet, state: &BudgetState<'_>, now: UnixNanos) {
    let BudgetState { rule, count, .. } = state;
    let name = rule.name.as_str();
    let (spent, limit) = (usd(count.used), usd(rule.limit));
    let mut add = |family: &'static Family, value: f64| sheet.add(family, &[name], value);
    add(&families::LIMIT, limit);
    add(&families::SPENT, spent);
    if rule.limit > 0 {
        add(&families::USED_RATIO, spent / limit);
    }
    add(&families::PERIOD_START, seconds(count.window.start));
    add(&families::PERIOD_END, seconds(count.window.end));
    if let Some(usd) = projection::at_pace(spent, count.window, now) {
        add(&families::FORECAST, usd);
    }
    if let Some(average) = state.average {
        let usd = projection::with_average(spent, average / NANOS, count.window, now);
        add(&families::FORECAST_AVERAGE, usd);
    }
    sheet.add(&families::INFO, &[name, &rule.period, &rule.scope], 1.0);
    for threshold in &rule.thresholds {
        sheet.add(
            &families::THRESHOLD,
            &[name, &threshold.to_string()],
            *threshold,
        );
    }
}

/// The days behind one label value: clients may share a name.
#[derive(Debug, Default)]
struct Days {
    today_cost: u64,
    today_tokens: u64,
    month_cost: u64,
    month_paid_tokens: u64,
    /// Nano-dollars and tokens a day, and how many days of history there are at most.
    mean: Option<(f64, f64, u8)>,
    /// Nano-dollars by the end of the month.
    to_date: f64,
}

fn days(
    books: &mut Books,
    ledger: &mut Ledger,
    sheet: &mut Sheet,
    now: UnixNanos,
) -> BTreeMap<(By, String), Days> {
    let mut all: BTreeMap<(By, String), Days> = BTreeMap::new();
    for state in books.days(now) {
        let label = match state.by {
            By::Total => Some(""),
            By::Provider => ledger.label(Dimension::Provider, state.id),
            By::Account => ledger.label(Dimension::Account, state.id),
            By::Client => ledger.label(Dimension::Client, state.id),
        };
        let Some(label) = label else {
            sheet.leave_out();
            continue;
        };
        let days = all.entry((state.by, label.to_owned())).or_default();
        days.today_cost += state.today.cost;
        days.today_tokens += state.today.tokens;
        days.month_cost += state.month_to_date.cost;
        days.month_paid_tokens += state.month_to_date.paid_tokens;
        let mut daily = 0.0;
        if let Some(mean) = state.mean {
            daily = mean.cost;
            let (cost, tokens, history) = days.mean.get_or_insert_default();
            *cost += mean.cost;
            *tokens += mean.tokens;
            *history = mean.days.max(*history);
        }
        #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
        let so_far = state.month_to_date.cost as f64;
        days.to_date += projection::with_average(so_far, daily, state.month, now);
    }
    all
}

impl Days {
    fn compare(&self, sheet: &mut Sheet, provider: &str, anomaly: Anomaly) {
        let labels = [provider];
        sheet.add(&families::TODAY_COST, &labels, usd(self.today_cost));
        sheet.add(&families::TODAY_TOKENS, &labels, number(self.today_tokens));
        let Some((cost, tokens, _)) = self
            .mean
            .filter(|(_, _, history)| *history >= anomaly.minimum_days)
        else {
            return;
        };
        if cost >= number(anomaly.floor_cost) {
            sheet.add(&families::MEAN_COST, &labels, cost / NANOS);
        }
        if tokens >= number(anomaly.floor_tokens) {
            sheet.add(&families::MEAN_TOKENS, &labels, tokens);
        }
    }

    /// What a plan covers costs nothing: no line for it.
    fn month(&self, sheet: &mut Sheet, by: By, name: &str) {
        let average = self.mean.map(|(cost, _, _)| cost);
        if by != By::Total && self.month_cost == 0 && average.is_none_or(|cost| cost <= 0.0) {
            return;
        }
        let labels = [by.as_str(), name];
        sheet.add(&families::MONTH_COST, &labels, usd(self.month_cost));
        let paid = number(self.month_paid_tokens);
        sheet.add(&families::MONTH_PAID_TOKENS, &labels, paid);
        if let Some(average) = average {
            let labels = |method| [by.as_str(), name, method];
            let month = projection::month_of(average) / NANOS;
            sheet.add(&families::MONTH_FORECAST, &labels("average"), month);
            let to_date = self.to_date / NANOS;
            sheet.add(&families::MONTH_FORECAST, &labels("to_date"), to_date);
        }
    }
}

fn usd(nanos: u64) -> f64 {
    number(nanos) / NANOS
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
fn number(amount: u64) -> f64 {
    amount as f64
}

fn seconds(at: UnixNanos) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 are exact"
    )]
    let millis = at.as_millis() as f64;
    millis / 1000.0
}
