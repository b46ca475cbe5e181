//! PENDING. Families that boards and alerts ask for before the exporter's catalogue has them. One
//! that is in both is taken from the catalogue; once all are there, this file and its two users
//! (`boards/catalogue.rs`, `alerts/rules.rs`) lose it.

use cpa_exporter::metrics::catalogue::Kind::{self, Counter, Gauge};

const BUDGET: &[&str] = &["budget"];
const PROVIDER: &[&str] = &["provider"];
const COMBO: &[&str] = &["combo", "model"];

pub(crate) const PENDING: &[(&str, Kind, &[&str])] = &[
    ("cpa_budget_info", Gauge, &["budget", "period", "scope"]),
    ("cpa_budget_limit_usd", Gauge, BUDGET),
    ("cpa_budget_spent_usd", Gauge, BUDGET),
    ("cpa_budget_used_ratio", Gauge, BUDGET),
    (
        "cpa_budget_threshold_ratio",
        Gauge,
        &["budget", "threshold"],
    ),
    ("cpa_budget_period_start_timestamp_seconds", Gauge, BUDGET),
    ("cpa_budget_period_end_timestamp_seconds", Gauge, BUDGET),
    ("cpa_budget_forecast_usd", Gauge, BUDGET),
    ("cpa_budget_forecast_average_usd", Gauge, BUDGET),
    ("cpa_today_cost_usd", Gauge, PROVIDER),
    ("cpa_daily_mean_cost_usd", Gauge, PROVIDER),
    ("cpa_today_tokens", Gauge, PROVIDER),
    ("cpa_daily_mean_tokens", Gauge, PROVIDER),
    ("cpa_month_cost_usd", Gauge, &["by", "name"]),
    ("cpa_month_paid_tokens", Gauge, &["by", "name"]),
    (
        "cpa_month_cost_forecast_usd",
        Gauge,
        &["by", "name", "method"],
    ),
    ("cpa_combo_requests_total", Counter, COMBO),
    ("cpa_combo_tokens_total", Counter, COMBO),
    ("cpa_combo_list_value_usd_total", Counter, COMBO),
];
