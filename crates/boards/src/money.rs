//! The household's money: prices, fees, budgets.

use crate::seed::One;

/// Dollars per million tokens: input, cache read, cache write, output.
const PRICES: &[(&str, [f64; 4])] = &[
    ("claude-sonnet-4-6", [3.0, 0.3, 3.75, 15.0]),
    ("claude-opus-4-6", [5.0, 0.5, 6.25, 25.0]),
    ("claude-haiku-4-5", [1.0, 0.1, 1.25, 5.0]),
    ("gpt-5.3-codex", [1.75, 0.175, 1.75, 14.0]),
    ("gpt-5.2", [1.75, 0.175, 1.75, 14.0]),
    ("gemini-3-pro-preview", [2.0, 0.2, 2.0, 12.0]),
    ("grok-4.1-fast", [0.2, 0.05, 0.2, 0.5]),
];

/// Dollars per month. What has no fee is paid per use.
const FEES: &[(&str, f64)] = &[
    ("claude-max", 200.0),
    ("codex-plus", 20.0),
    ("codex-pro", 200.0),
    ("codex-team", 30.0),
    ("antigravity-home", 20.0),
    ("kimi-code", 19.0),
];

struct Budget {
    name: &'static str,
    period: &'static str,
    scope: &'static str,
    limit: f64,
    seconds: i64,
    /// Elapsed at the end of the story.
    elapsed: i64,
    /// At 1 it is spent at the end of its period.
    pace: f64,
}

const DAY: i64 = 86_400;

const BUDGETS: &[Budget] = &[
    Budget {
        name: "month",
        period: "month",
        scope: "all",
        limit: 60.0,
        seconds: 30 * DAY,
        elapsed: 21 * DAY,
        pace: 1.3,
    },
    Budget {
        name: "ci-weekly",
        period: "week",
        scope: "client=ci",
        limit: 12.0,
        seconds: 7 * DAY,
        elapsed: 3 * DAY,
        pace: 1.9,
    },
    Budget {
        name: "daily-api",
        period: "day",
        scope: "account=xai-api",
        limit: 5.0,
        seconds: DAY,
        elapsed: 14 * 3600,
        pace: 0.6,
    },
];

/// Values that differ from those of other families.
pub(crate) fn values(family: &str, label: &str) -> Option<&'static [&'static str]> {
    match (family, label) {
        (_, "budget") => Some(&["month", "ci-weekly", "daily-api"]),
        (_, "threshold") => Some(&["0.5", "0.8", "1"]),
        (_, "period") => Some(&["month", "week", "day"]),
        ("cpa_budget_info", "scope") => Some(&["all", "client=ci", "account=xai-api"]),
        (_, "combo") => Some(&["fast", "smart"]),
        (_, "method") => Some(&["average", "to_date"]),
        (_, "by") => Some(&["total", "account", "client"]),
        (name, "name") if name.starts_with("cpa_month_") => Some(&["all", "xai-api", "ci"]),
        ("cpa_price_table_info", "version") => Some(&["2026-11-22 3f0c1ab9"]),
        ("cpa_price_table_info", "source") => Some(&["built-in"]),
        _ => None,
    }
}

/// Labels that belong together, and families that not every model and account has.
pub(crate) fn exists(family: &str, one: &One) -> bool {
    let label = |name: &str| one.label(name).unwrap_or_default();
    let model_has_price = price_of(label("model"), "input").is_some();
    match family {
        "cpa_budget_info" => BUDGETS.iter().any(|budget| {
            let labels = (label("budget"), label("period"), label("scope"));
            labels == (budget.name, budget.period, budget.scope)
        }),
        name if name.starts_with("cpa_month_") => {
            let pairs = [("total", "all"), ("account", "xai-api"), ("client", "ci")];
            pairs.contains(&(label("by"), label("name")))
        }
        "cpa_unpriced_requests_total" | "cpa_unpriced_tokens_total" => !model_has_price,
        "cpa_plan_fee_usd" => fee_of(label("account")).is_some(),
        "cpa_combo_list_value_usd_total"
        | "cpa_combo_requests_total"
        | "cpa_combo_tokens_total" => {
            model_has_price && (label("combo") == "fast") == is_fast(label("model"))
        }
        "cpa_spend_usd" | "cpa_spend_limit_usd" => label("limit") == "spend",
        "cpa_list_value_correction_usd" | "cpa_cost_correction_usd" => {
            ["gpt-5.2", "grok-4.1-fast"].contains(&label("model"))
        }
        name if one.label("model").is_some() && name.contains("_usd") => model_has_price,
        _ => true,
    }
}

fn is_fast(model: &str) -> bool {
    ["claude-haiku-4-5", "grok-4.1-fast", "gpt-5.2"].contains(&model)
}

fn price_of(model: &str, kind: &str) -> Option<f64> {
    let (_, prices) = PRICES.iter().find(|(name, _)| *name == model)?;
    let place = match kind {
        "input" => 0,
        "cache_read" => 1,
        "cache_write" => 2,
        "output" | "reasoning" => 3,
        _ => return None,
    };
    prices.get(place).map(|usd| usd / 1e6)
}

fn fee_of(account: &str) -> Option<f64> {
    let found = FEES.iter().find(|(name, _)| *name == account);
    found.map(|(_, fee)| *fee)
}

/// Tokens per minute of each kind, as `figures::growth` has them.
const TOKENS: [(&str, f64); 5] = [
    ("cache_read", 40_000.0),
    ("input", 4_000.0),
    ("cache_write", 1_200.0),
    ("output", 800.0),
    ("reasoning", 800.0),
];

/// Dollars per minute at full activity; nothing for families that count no dollars.
pub(crate) fn growth(family: &str, one: &One) -> Option<f64> {
    if !family.ends_with("_usd_total") {
        return None;
    }
    let account = one.account.map_or("", |account| account.name);
    // The reference has no model: as if all of it had been one.
    let model = one.label("model").unwrap_or("gpt-5.2");
    let kinds = TOKENS.iter().filter(|(kind, _)| {
        let only = one.label("kind");
        only.is_none_or(|only| only == *kind)
    });
    let sum: f64 = kinds
        .filter_map(|(kind, tokens)| Some(price_of(model, kind)? * tokens))
        .sum();
    let billed = !family.contains("cost") || fee_of(account).is_none();
    Some(if billed { sum } else { 0.0 })
}

/// The part of a period's money that is gone after `elapsed` seconds: more by day than by night.
#[expect(clippy::cast_precision_loss, reason = "seconds")]
fn gone(budget: &Budget, end: i64, at: i64) -> (i64, f64) {
    let last = end - budget.elapsed;
    let start = last + (at - last).div_euclid(budget.seconds) * budget.seconds;
    let wave = |at: i64| {
        let days = at as f64 / DAY as f64;
        days + 0.12 * ((days - 0.4) * std::f64::consts::TAU).sin()
    };
    let all = wave(start + budget.seconds) - wave(start);
    (start, (wave(at) - wave(start)) / all)
}

/// Nothing for families that are not about money.
#[expect(clippy::cast_precision_loss, reason = "seconds")]
pub(crate) fn gauge(name: &str, one: &One, end: i64, at: i64) -> Option<f64> {
    if let Some(label) = one.label("budget") {
        let budget = BUDGETS.iter().find(|budget| budget.name == label)?;
        let (start, gone) = gone(budget, end, at);
        let spent = budget.limit * budget.pace * gone;
        let passed = (at - start) as f64 / budget.seconds as f64;
        return match name {
            "cpa_budget_limit_usd" => Some(budget.limit),
            "cpa_budget_spent_usd" => Some(spent),
            "cpa_budget_used_ratio" => Some(spent / budget.limit),
            "cpa_budget_threshold_ratio" => one.label("threshold")?.parse().ok(),
            "cpa_budget_period_start_timestamp_seconds" => Some(start as f64),
            "cpa_budget_period_end_timestamp_seconds" => Some((start + budget.seconds) as f64),
            "cpa_budget_forecast_usd" => (passed > 0.0).then(|| spent / passed),
            "cpa_budget_forecast_average_usd" => {
                Some(spent + (1.0 - passed) * budget.limit * budget.pace * 0.9)
            }
            _ => Some(1.0),
        };
    }
    let billed = one.account.is_some_and(|a| fee_of(a.name).is_none());
    let of_day = (at.rem_euclid(DAY)) as f64 / DAY as f64;
    match name {
        "cpa_price_usd_per_token" => price_of(one.label("model")?, one.label("kind")?),
        "cpa_plan_fee_usd" => fee_of(one.label("account")?),
        "cpa_price_table_timestamp_seconds" => Some((end - 20 * DAY) as f64),
        "cpa_today_cost_usd" => Some(if billed { 2.9 * of_day } else { 0.0 }),
        "cpa_daily_mean_cost_usd" => Some(if billed { 2.4 } else { 0.0 }),
        "cpa_today_tokens" => Some(40e6 * of_day),
        "cpa_daily_mean_tokens" => Some(26e6),
        "cpa_month_cost_usd" => Some(54.6),
        "cpa_month_paid_tokens" => Some(410e6),
        "cpa_month_cost_forecast_usd" => Some(78.0),
        "cpa_list_value_correction_usd" => Some(-3.2),
        "cpa_cost_correction_usd" => Some(if billed { -0.4 } else { 0.0 }),
        "cpa_spend_usd" => Some(31.5),
        "cpa_spend_limit_usd" => Some(50.0),
        _ => None,
    }
}
