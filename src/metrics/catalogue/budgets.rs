//! Budgets, daily means and monthly forecasts, computed from stored events.

use super::families;
use crate::metrics::family::Kind::Gauge;

const BUDGET: &[&str] = &["budget"];

families! {
    pub(crate) ALL;
    INFO: Gauge, "cpa_budget_info", &["budget", "period", "scope"],
        "1 for each budget, with its period and scope.";
    LIMIT: Gauge, "cpa_budget_limit_usd", BUDGET,
        "Limit of the budget, in US dollars.";
    SPENT: Gauge, "cpa_budget_spent_usd", BUDGET,
        "Amount spent in the current period, in US dollars.";
    USED_RATIO: Gauge, "cpa_budget_used_ratio", BUDGET,
        "Spent share of the budget, 0 to 1; above 1 if overspent.";
    THRESHOLD: Gauge, "cpa_budget_threshold_ratio", &["budget", "threshold"],
        "Configured thresholds of the budget, as a share of its limit.";
    PERIOD_START: Gauge, "cpa_budget_period_start_timestamp_seconds", BUDGET,
        "Start of the current period, in Unix time.";
    PERIOD_END: Gauge, "cpa_budget_period_end_timestamp_seconds", BUDGET,
        "Start of the next period, in Unix time.";
    FORECAST: Gauge, "cpa_budget_forecast_usd", BUDGET,
        "Forecast of the amount spent at the end of the period, at the pace of the period so far.";
    FORECAST_AVERAGE: Gauge, "cpa_budget_forecast_average_usd", BUDGET,
        "Forecast of the amount spent at the end of the period, with the mean of the last 7 days for the remaining time.";
    TODAY_COST: Gauge, "cpa_today_cost_usd", &["provider"],
        "Cost since midnight in the time zone of the limits file.";
    MEAN_COST: Gauge, "cpa_daily_mean_cost_usd", &["provider"],
        "Mean daily cost of the 7 complete days before today; absent with too little history or below the floor.";
    TODAY_TOKENS: Gauge, "cpa_today_tokens", &["provider"],
        "Tokens since midnight in the time zone of the limits file.";
    MEAN_TOKENS: Gauge, "cpa_daily_mean_tokens", &["provider"],
        "Mean daily tokens of the 7 complete days before today; absent with too little history or below the floor.";
    MONTH_COST: Gauge, "cpa_month_cost_usd", &["by", "name"],
        "Cost of the current calendar month: in total, and by provider, account and client.";
    MONTH_PAID_TOKENS: Gauge, "cpa_month_paid_tokens", &["by", "name"],
        "Billed tokens of the current calendar month.";
    MONTH_FORECAST: Gauge, "cpa_month_cost_forecast_usd", &["by", "name", "method"],
        "Forecast of a month's cost: 30 days of the 7-day mean (`average`), or this month so far plus that mean for the remaining days (`to_date`).";
}
