//! Usage counters of limits as gauges (budgets, comparisons) and as readings (local quotas).

use std::collections::BTreeMap;

use crate::budget::{Anomaly, BudgetState, By, QuotaState, UsageCounters, projection};
use crate::metrics::{Counters, Samples};
use crate::metrics::{Family, catalogue::budgets as families};
use crate::model::{Amounts, Dimension, LocalAccount, LocalQuota, Reading, Scope, UnixNanos};

/// Nano-dollars in a dollar.
const NANOS: f64 = 1e9;

/// State of the locally counted quotas.
pub(super) fn quotas(usage: &mut UsageCounters, now: UnixNanos) -> Vec<LocalQuota> {
    let states: Vec<_> = usage
        .quotas(now)
        .map(|state| (reading(&state), state.account, state.count))
        .collect();
    let all = states.into_iter().map(|(reading, whose, count)| {
        let whose = whose.map(|account| LocalAccount {
            auth_index: usage.text(Dimension::Account, account.id).into(),
            provider: usage.text(Dimension::Provider, account.provider).into(),
        });
        LocalQuota {
            account: whose,
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

/// Gauges of budgets, daily comparisons and months.
pub(super) fn samples(
    usage: &mut UsageCounters,
    counters: &mut Counters,
    now: UnixNanos,
) -> Samples {
    let mut samples = Samples::default();
    samples.leave_out_many(usage.overflows());
    for state in usage.budgets(now) {
        budget(&mut samples, &state, now);
    }
    let anomaly = usage.rules().anomaly;
    for ((by, name), day) in days(usage, counters, &mut samples, now) {
        if by == By::Provider {
            day.compare(&mut samples, &name, anomaly);
        }
        day.month(&mut samples, by, &name);
    }
    samples
}

fn budget(samples: &mut Samples, state: &BudgetState<'_>, now: UnixNanos) {
    let BudgetState { rule, count, .. } = state;
    let name = rule.name.as_str();
    let (spent, limit) = (usd(count.used), usd(rule.limit));
    let mut add = |family: &'static Family, value: f64| samples.add(family, &[name], value);
    add(&families::LIMIT, limit);
    add(&families::SPENT, spent);
    if rule.limit > 0 {
        add(&families::USED_RATIO, spent / limit);
    }
    add(&families::PERIOD_START, count.window.start.as_seconds());
    add(&families::PERIOD_END, count.window.end.as_seconds());
    if let Some(usd) = projection::at_pace(spent, count.window, now) {
        add(&families::FORECAST, usd);
    }
    if let Some(average) = state.average {
        let usd = projection::with_average(spent, average / NANOS, count.window, now);
        add(&families::FORECAST_AVERAGE, usd);
    }
    samples.add(&families::INFO, &[name, &rule.period, &rule.scope], 1.0);
    for threshold in &rule.thresholds {
        samples.add(
            &families::THRESHOLD,
            &[name, &threshold.to_string()],
            *threshold,
        );
    }
}

/// Sums of one label value: several clients may share a name.
#[derive(Debug, Default)]
struct Days {
    today_cost: u64,
    today_tokens: u64,
    month_cost: u64,
    month_paid_tokens: u64,
    /// Mean nano-dollars and tokens per day, and the number of days of history.
    mean: Option<(f64, f64, u8)>,
    /// Forecast of the month in nano-dollars.
    to_date: f64,
}

fn days(
    usage: &mut UsageCounters,
    counters: &mut Counters,
    samples: &mut Samples,
    now: UnixNanos,
) -> BTreeMap<(By, String), Days> {
    let mut all: BTreeMap<(By, String), Days> = BTreeMap::new();
    for state in usage.days(now) {
        let label = match state.by {
            By::Total => Some(""),
            By::Provider => counters.label(Dimension::Provider, state.id),
            By::Account => counters.label(Dimension::Account, state.id),
            By::Client => counters.label(Dimension::Client, state.id),
        };
        let Some(label) = label else {
            samples.leave_out();
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
    fn compare(&self, samples: &mut Samples, provider: &str, anomaly: Anomaly) {
        let labels = [provider];
        samples.add(&families::TODAY_COST, &labels, usd(self.today_cost));
        samples.add(&families::TODAY_TOKENS, &labels, number(self.today_tokens));
        let Some((cost, tokens, _)) = self
            .mean
            .filter(|(_, _, history)| *history >= anomaly.minimum_days)
        else {
            return;
        };
        if cost >= number(anomaly.floor_cost) {
            samples.add(&families::MEAN_COST, &labels, cost / NANOS);
        }
        if tokens >= number(anomaly.floor_tokens) {
            samples.add(&families::MEAN_TOKENS, &labels, tokens);
        }
    }

    /// Traffic that a plan covers has no cost and no series.
    fn month(&self, samples: &mut Samples, by: By, name: &str) {
        let average = self.mean.map(|(cost, _, _)| cost);
        if by != By::Total && self.month_cost == 0 && average.is_none_or(|cost| cost <= 0.0) {
            return;
        }
        let labels = [by.as_str(), name];
        samples.add(&families::MONTH_COST, &labels, usd(self.month_cost));
        let paid = number(self.month_paid_tokens);
        samples.add(&families::MONTH_PAID_TOKENS, &labels, paid);
        if let Some(average) = average {
            let labels = |method| [by.as_str(), name, method];
            let month = projection::month_of(average) / NANOS;
            samples.add(&families::MONTH_FORECAST, &labels("average"), month);
            let to_date = self.to_date / NANOS;
            samples.add(&families::MONTH_FORECAST, &labels("to_date"), to_date);
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;
    use crate::budget::{BudgetRule, Calendar, Entry, Rules, Selector};
    use crate::metrics::{
        AccountNames, Aliases, BuildInfo, CountersConfig, Exposition, GaugeSet, Handles,
    };
    use crate::model::{DimId, Route, Tokens};

    /// 2026-11-24, noon.
    const NOW: UnixNanos = UnixNanos::from_millis(1_795_521_600_000);
    const DAY: i64 = 86_400_000_000_000;

    fn counters() -> Counters {
        let build = BuildInfo {
            version: "0",
            revision: "0",
            rustc: "0",
        };
        let handles = Handles::new(build, Arc::new(Vec::new));
        let alias = |name: &str| (name.to_owned(), "team".to_owned());
        let config = CountersConfig {
            aliases: Aliases {
                clients: HashMap::from([alias("one"), alias("two")]),
                ..Aliases::default()
            },
            ..CountersConfig::default()
        };
        let mut counters =
            Counters::new(config, Exposition::new(handles, 1), AccountNames::default());
        for (dimension, id, text) in [
            (Dimension::Provider, 1, "glm"),
            (Dimension::Client, 1, "one"),
            (Dimension::Client, 2, "two"),
        ] {
            counters.name(dimension, DimId(id), text, text);
        }
        counters
    }

    /// Samples after the given spending: days before today, cents, client.
    fn page(rules: Rules, spent: &[(i64, u64, u32)]) -> Vec<String> {
        let mut usage = UsageCounters::new(Arc::new(rules), NOW);
        for (days_ago, cents, client) in spent {
            let route = Route {
                provider: DimId(1),
                client: DimId(*client),
                ..Route::default()
            };
            let entry = Entry {
                at: NOW.get() - days_ago * DAY,
                tokens: Tokens {
                    input: 1000,
                    ..Tokens::default()
                },
                generate: true,
                cost: cents * 10_000_000,
                ..Entry::default()
            };
            usage.record(&route, &entry);
        }
        let gauges = GaugeSet::default();
        gauges.publish(samples(&mut usage, &mut counters(), NOW));
        let text = gauges.text(families::ALL);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn a_mean_is_exposed_with_enough_history_and_above_its_floor() {
        let mean = |spent: &[(i64, u64, u32)]| {
            let page = page(Rules::default(), spent);
            let mut lines = page.into_iter();
            lines.find_map(|line| {
                line.strip_prefix("cpa_daily_mean_cost_usd{provider=\"glm\"} ")
                    .map(str::to_owned)
            })
        };
        assert_eq!(mean(&[(0, 900, 1), (3, 600, 1)]).unwrap(), "2");
        assert_eq!(mean(&[(0, 900, 1), (2, 600, 1)]), None, "two days");
        assert_eq!(mean(&[(3, 30, 1)]).unwrap(), "0.1");
        assert_eq!(mean(&[(3, 29, 1)]), None, "below ten cents");
    }

    #[test]
    fn clients_that_share_a_name_share_series() {
        let page = page(Rules::default(), &[(0, 100, 1), (0, 250, 2), (0, 0, 0)]);
        for line in [
            "cpa_month_cost_usd{by=\"total\"} 3.5",
            "cpa_month_cost_usd{by=\"client\",name=\"team\"} 3.5",
            "cpa_month_paid_tokens{by=\"client\",name=\"team\"} 2000",
            "cpa_today_cost_usd{provider=\"glm\"} 3.5",
            "cpa_today_tokens{provider=\"glm\"} 3000",
        ] {
            assert!(page.iter().any(|shown| shown == line), "{line}\n{page:#?}");
        }
        // Nothing to pay: no line.
        assert!(
            !page
                .iter()
                .any(|line| line.contains("name=\"none\"") && line.contains("client"))
        );
    }

    #[test]
    fn months_are_forecast_both_ways() {
        let page = page(Rules::default(), &[(0, 100, 1), (7, 700, 1)]);
        // 24 days and 12 hours are gone: 5.5 to come at a dollar a day.
        for line in [
            "cpa_month_cost_forecast_usd{by=\"total\",method=\"average\"} 30",
            "cpa_month_cost_forecast_usd{by=\"total\",method=\"to_date\"} 14.5",
        ] {
            assert!(page.iter().any(|shown| shown == line), "{line}\n{page:#?}");
        }
    }

    #[test]
    fn a_budget_has_all_its_figures() {
        let rules = Rules {
            budgets: vec![BudgetRule {
                name: "day".to_owned(),
                period: "daily".to_owned(),
                scope: "everything".to_owned(),
                selector: Selector::default(),
                calendar: Calendar::days(jiff::tz::TimeZone::UTC),
                list_value: false,
                limit: 5_000_000_000,
                thresholds: vec![0.8, 1.0],
            }],
            ..Rules::default()
        };
        let mut page = page(rules, &[(0, 400, 1), (1, 300, 1)]);
        page.retain(|line| line.starts_with("cpa_budget_"));
        insta::assert_snapshot!(page.join("\n"));
    }
}
