//! Expressions about money and budgets.

use crate::query::{bridged, grown};

/// Seconds of a mean month, as fees count it.
const MONTH: &str = "2630016";

pub(crate) fn per_budget(expr: &str) -> String {
    format!("max by (budget) ({expr})")
}

pub(crate) fn budget_used() -> String {
    bridged("@cpa_budget_used_ratio")
}

/// Elapsed part of the period, 0 to 1; `read` says how its two ends are read.
pub(crate) fn period_gone(read: impl Fn(&str) -> String) -> String {
    let start = read("@cpa_budget_period_start_timestamp_seconds");
    let end = read("@cpa_budget_period_end_timestamp_seconds");
    format!("clamp((time() - {start}) / ({end} - {start}), 0, 1)")
}

/// Spent at the end of the period, as a part of the limit.
pub(crate) fn projected(forecast: &str) -> String {
    format!("{forecast} / @cpa_budget_limit_usd")
}

/// What the prompt cache saved, by model: what was read from it would have cost the price of
/// input, less what writing cost more than input. From the value, so that tiers and long prompts
/// count with their own prices. A cache that costs nothing has no such quotient.
pub(crate) fn saved_by_cache() -> String {
    let input = price("input");
    let of = |kind: &str, factor: &str| {
        let value = format!("@cpa_list_value_by_kind_usd_total{{kind=\"{kind}\"}}");
        format!(
            "{} * on (model) ({input} / on (model) ({} > 0) - 1){factor}",
            grown("model", &value),
            price(kind)
        )
    };
    let read = of("cache_read", "");
    format!(
        "({read}) + on (model) ({} or {read} * 0)",
        of("cache_write", "")
    )
}

pub(crate) fn price(kind: &str) -> String {
    format!("max by (model) (@cpa_price_usd_per_token{{kind=\"{kind}\",tier=\"standard\"}})")
}

/// List value of the accounts that have a fee; `by` names what is left of the labels.
pub(crate) fn worth_of_plans(by: &str) -> String {
    format!(
        "sum{by} (increase(@cpa_list_value_usd_total[$__range]) \
         and on (job, instance, account) @cpa_plan_fee_usd)"
    )
}

/// Fees for as much time as the range is long.
pub(crate) fn fees(by: &str) -> String {
    format!("(sum{by} (@cpa_plan_fee_usd) * $__range_s / {MONTH})")
}

/// Dollars per million tokens, over a range as it stands in a query; only tokens of what is billed per use.
pub(crate) fn paid_per_million(by: &str, over: &str) -> String {
    let who = "provider, model, account";
    let cost = format!("sum by ({who}) (increase(@cpa_cost_usd_total{over}))");
    let tokens = format!("sum by ({who}) (increase(@cpa_tokens_total{over}))");
    format!("1e6 * sum{by} ({cost}) / (sum{by} ({tokens} and {cost} > 0) > 0)")
}
