//! Budgets, and what today and this month are compared with: computed from stored events.

use super::Kind::Gauge;
use super::{Family, family};

const BUDGET: &[&str] = &["budget"];

/// In the order of the page.
pub(crate) static ALL: &[&Family] = &[
    &INFO,
    &LIMIT,
    &SPENT,
    &USED_RATIO,
    &THRESHOLD,
    &PERIOD_START,
    &PERIOD_END,
    &FORECAST,
    &FORECAST_AVERAGE,
    &TODAY_COST,
    &MEAN_COST,
    &TODAY_TOKENS,
    &MEAN_TOKENS,
    &MONTH_COST,
    &MONTH_PAID_TOKENS,
    &MONTH_FORECAST,
];

pub(crate) static INFO: Family = family(
    "cpa_budget_info",
    Gauge,
    &["budget", "period", "scope"],
    "1 for each budget, with its period and what it covers.",
);
pub(crate) static LIMIT: Family = family(
    "cpa_budget_limit_usd",
    Gauge,
    BUDGET,
    "What may be spent in the period.",
);
pub(crate) static SPENT: Family = family(
    "cpa_budget_spent_usd",
    Gauge,
    BUDGET,
    "What has been spent in the period so far.",
);
pub(crate) static USED_RATIO: Family = family(
    "cpa_budget_used_ratio",
    Gauge,
    BUDGET,
    "Spent part of the budget, 0 to 1 and beyond.",
);
pub(crate) static THRESHOLD: Family = family(
    "cpa_budget_threshold_ratio",
    Gauge,
    &["budget", "threshold"],
    "Used parts from which on the budget wants attention, from the configuration.",
);
pub(crate) static PERIOD_START: Family = family(
    "cpa_budget_period_start_timestamp_seconds",
    Gauge,
    BUDGET,
    "When the period began, in Unix time.",
);
pub(crate) static PERIOD_END: Family = family(
    "cpa_budget_period_end_timestamp_seconds",
    Gauge,
    BUDGET,
    "When the next period begins, in Unix time.",
);
pub(crate) static FORECAST: Family = family(
    "cpa_budget_forecast_usd",
    Gauge,
    BUDGET,
    "What will have been spent at the end of the period at the pace so far.",
);
pub(crate) static FORECAST_AVERAGE: Family = family(
    "cpa_budget_forecast_average_usd",
    Gauge,
    BUDGET,
    "The same with the mean of the 7 days before for the time that is left.",
);
pub(crate) static TODAY_COST: Family = family(
    "cpa_today_cost_usd",
    Gauge,
    &["provider"],
    "Cost since midnight in the zone of the limits file.",
);
pub(crate) static MEAN_COST: Family = family(
    "cpa_daily_mean_cost_usd",
    Gauge,
    &["provider"],
    "Mean daily cost of the 7 complete days before today; absent with too little history and below the floor.",
);
pub(crate) static TODAY_TOKENS: Family = family(
    "cpa_today_tokens",
    Gauge,
    &["provider"],
    "Tokens since midnight in the zone of the limits file.",
);
pub(crate) static MEAN_TOKENS: Family = family(
    "cpa_daily_mean_tokens",
    Gauge,
    &["provider"],
    "Mean daily tokens of the 7 complete days before today; absent with too little history and below the floor.",
);
pub(crate) static MONTH_COST: Family = family(
    "cpa_month_cost_usd",
    Gauge,
    &["by", "name"],
    "Cost of the calendar month so far: in total, and by provider, account and client.",
);
pub(crate) static MONTH_PAID_TOKENS: Family = family(
    "cpa_month_paid_tokens",
    Gauge,
    &["by", "name"],
    "Tokens of that month that cost something: what a million of them cost is the quotient.",
);
pub(crate) static MONTH_FORECAST: Family = family(
    "cpa_month_cost_forecast_usd",
    Gauge,
    &["by", "name", "method"],
    "Cost of a month: 30 days of the 7-day mean (`average`), and this month so far with that mean for what is left (`to_date`).",
);
