//! Budgets, daily means and monthly forecasts, computed from stored events.

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
    "1 for each budget, with its period and scope.",
);
pub(crate) static LIMIT: Family = family(
    "cpa_budget_limit_usd",
    Gauge,
    BUDGET,
    "Limit of the budget, in US dollars.",
);
pub(crate) static SPENT: Family = family(
    "cpa_budget_spent_usd",
    Gauge,
    BUDGET,
    "Amount spent in the current period, in US dollars.",
);
pub(crate) static USED_RATIO: Family = family(
    "cpa_budget_used_ratio",
    Gauge,
    BUDGET,
    "Spent share of the budget, 0 to 1; above 1 if overspent.",
);
pub(crate) static THRESHOLD: Family = family(
    "cpa_budget_threshold_ratio",
    Gauge,
    &["budget", "threshold"],
    "Configured thresholds of the budget, as a share of its limit.",
);
pub(crate) static PERIOD_START: Family = family(
    "cpa_budget_period_start_timestamp_seconds",
    Gauge,
    BUDGET,
    "Start of the current period, in Unix time.",
);
pub(crate) static PERIOD_END: Family = family(
    "cpa_budget_period_end_timestamp_seconds",
    Gauge,
    BUDGET,
    "Start of the next period, in Unix time.",
);
pub(crate) static FORECAST: Family = family(
    "cpa_budget_forecast_usd",
    Gauge,
    BUDGET,
    "Forecast of the amount spent at the end of the period, at the pace of the period so far.",
);
pub(crate) static FORECAST_AVERAGE: Family = family(
    "cpa_budget_forecast_average_usd",
    Gauge,
    BUDGET,
    "Forecast of the amount spent at the end of the period, with the mean of the last 7 days for the remaining time.",
);
pub(crate) static TODAY_COST: Family = family(
    "cpa_today_cost_usd",
    Gauge,
    &["provider"],
    "Cost since midnight in the time zone of the limits file.",
);
pub(crate) static MEAN_COST: Family = family(
    "cpa_daily_mean_cost_usd",
    Gauge,
    &["provider"],
    "Mean daily cost of the 7 complete days before today; absent with too little history or below the floor.",
);
pub(crate) static TODAY_TOKENS: Family = family(
    "cpa_today_tokens",
    Gauge,
    &["provider"],
    "Tokens since midnight in the time zone of the limits file.",
);
pub(crate) static MEAN_TOKENS: Family = family(
    "cpa_daily_mean_tokens",
    Gauge,
    &["provider"],
    "Mean daily tokens of the 7 complete days before today; absent with too little history or below the floor.",
);
pub(crate) static MONTH_COST: Family = family(
    "cpa_month_cost_usd",
    Gauge,
    &["by", "name"],
    "Cost of the current calendar month: in total, and by provider, account and client.",
);
pub(crate) static MONTH_PAID_TOKENS: Family = family(
    "cpa_month_paid_tokens",
    Gauge,
    &["by", "name"],
    "Billed tokens of the current calendar month.",
);
pub(crate) static MONTH_FORECAST: Family = family(
    "cpa_month_cost_forecast_usd",
    Gauge,
    &["by", "name", "method"],
    "Forecast of a month's cost: 30 days of the 7-day mean (`average`), or this month so far plus that mean for the remaining days (`to_date`).",
);
