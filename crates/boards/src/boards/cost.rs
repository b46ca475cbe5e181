//! Cost and budgets: what did I spend, will the budget hold, what was my plan worth? Paid, worth
//! and fees are three things and never summed.

use serde_json::json;

use super::cost_details;
use super::money::{
    budget_used, fees, per_budget, period_gone, projected, saved_by_cache, worth_of_plans,
};
use super::pieces::money_by;
use crate::board::{Plan, Section, open};
use crate::kinds::names_only;
use crate::panel::{Kit, Panel};
use crate::query::{at_slices, grown, or_none, while_up};
use crate::style::{self, Step};
use crate::table::{at_least, budget_gauge, countdown, dollars, gauge, share, share_gauge, wide};

pub(super) const PLAN: Plan = Plan {
    name: "cost",
    texts: include_str!("../text/cost.toml"),
    variables: &[
        ("provider", "cpa_account_info"),
        ("account", "cpa_account_info"),
        ("model", "cpa_list_value_usd_total"),
        ("budget", "cpa_budget_info"),
    ],
    filters: &["provider", "account", "model", "budget"],
    from: "now-7d",
    sections,
    annotations: &[],
    may_be_empty: &[],
};

const COST: &str = "@cpa_cost_usd_total";
const VALUE: &str = "@cpa_list_value_usd_total";
const PROJECTED: &[Step] = &[("text", None), ("orange", Some(0.9)), ("red", Some(1.0))];
const RETURNED: &[Step] = &[("orange", None), ("green", Some(1.0))];

fn sections(kit: &Kit<'_>) -> Vec<Section> {
    let total = |key: &str, counter: &str, color: &str| {
        kit.stat(key)
            .query(kit.t.word(key), &grown("", counter))
            .option("textMode", json!("value"))
            .decimals(2)
            .color(color)
    };
    let mut all = vec![open(vec![
        today(kit).at(0, 0, 6, 4),
        fullest(kit).at(6, 0, 6, 4),
        breaks_next(kit).at(12, 0, 6, 4),
        unpriced(kit).at(18, 0, 6, 4),
        total("paid", COST, "orange").at(0, 4, 6, 4),
        total("worth", VALUE, "blue").at(6, 4, 6, 4),
        returned(kit).at(12, 4, 6, 4),
        cache(kit).at(18, 4, 6, 4),
        budgets(kit).at(0, 8, 24, 7),
        left(kit).at(0, 15, 24, 8),
        money_by(kit, "worth_by_model", "model", VALUE).at(0, 23, 12, 9),
        money_by(kit, "paid_by_account", "account", COST).at(12, 23, 12, 9),
        plans(kit).at(0, 32, 14, 10),
        clients(kit).at(14, 32, 10, 10),
    ])];
    all.extend(cost_details::sections(kit));
    all
}

fn today(kit: &Kit<'_>) -> Panel {
    kit.stat("today")
        .query(
            kit.t.word("today"),
            &or_none("sum(@cpa_today_cost_usd)", "account"),
        )
        .query(kit.t.word("usual_day"), "sum(@cpa_daily_mean_cost_usd)")
        .query(
            kit.t.word("this_month"),
            "sum(@cpa_month_cost_usd{by=\"total\"})",
        )
        .decimals(2)
        .color("text")
        .of(kit.t.word("usual_day"), &[("color", style::fixed("blue"))])
        .of(
            kit.t.word("this_month"),
            &[("color", style::fixed("orange"))],
        )
}

fn fullest(kit: &Kit<'_>) -> Panel {
    let used = budget_used();
    let ends = format!(
        "max(@cpa_budget_period_end_timestamp_seconds and on (job, instance, budget) \
         topk(1, {used})) - time()"
    );
    kit.stat("fullest")
        .query(
            "{{budget}}",
            &or_none(&format!("topk(1, {})", per_budget(&used)), "budget"),
        )
        .query(kit.t.word("period_ends"), &ends)
        .decimals(0)
        .steps(style::BUDGET)
        .aside(kit.t.word("period_ends"), "s", 1, "text")
}

/// By the pace to date; the same budget by the mean of the days before.
fn breaks_next(kit: &Kit<'_>) -> Panel {
    let next = |forecast: &str| format!("topk(1, {})", per_budget(&projected(forecast)));
    let first = or_none(&next("@cpa_budget_forecast_usd"), "budget");
    kit.stat("breaks_next")
        .unit("percentunit")
        .query(kit.t.word("at_this_pace"), &first)
        .query(
            kit.t.word("by_usual_days"),
            &next("@cpa_budget_forecast_average_usd"),
        )
        .decimals(0)
        .steps(&[("green", None), ("orange", Some(0.9)), ("red", Some(1.0))])
}

fn unpriced(kit: &Kit<'_>) -> Panel {
    let unpriced = grown("model", "@cpa_unpriced_requests_total");
    let most = or_none(&while_up(&format!("topk(1, {unpriced} > 0)")), "model");
    let share = while_up(&format!(
        "{} / {} > 0",
        grown("", "@cpa_unpriced_requests_total"),
        grown("", "@cpa_requests_total")
    ));
    kit.stat("unpriced")
        .query("{{model}}", &most)
        .query(kit.t.word("of_requests"), &share)
        .decimals(0)
        .steps(&[("green", None), ("orange", Some(1.0))])
        .aside(kit.t.word("of_requests"), "percentunit", 1, "text")
}

fn returned(kit: &Kit<'_>) -> Panel {
    kit.stat("returned")
        .unit("none")
        .query(
            kit.t.word("times_fee"),
            &or_none(&format!("{} / {}", worth_of_plans(""), fees("")), "account"),
        )
        .query(kit.t.word("fees_a_month"), "sum(@cpa_plan_fee_usd)")
        .decimals(1)
        .steps(RETURNED)
        .aside(kit.t.word("fees_a_month"), "currencyUSD", 0, "text")
}

fn cache(kit: &Kit<'_>) -> Panel {
    let saved = format!("sum({})", saved_by_cache());
    // Both from one family: with imported history they would cover different times.
    let all = grown("", "@cpa_list_value_by_kind_usd_total");
    let share = format!("{saved} / ({all} + {saved})");
    kit.stat("cache")
        .query(kit.t.word("saved"), &or_none(&saved, "model"))
        .query(kit.t.word("of_full_price"), &share)
        .unit("currencyUSD")
        .decimals(2)
        .color("green")
        .aside(kit.t.word("of_full_price"), "percentunit", 0, "text")
}

fn budgets(kit: &Kit<'_>) -> Panel {
    let ends = "@cpa_budget_period_end_timestamp_seconds - time()";
    kit.table("budgets")
        .label("budget", at_least(110))
        .value("spent", &per_budget(&budget_used()), budget_gauge(120))
        .value(
            "time_gone",
            &per_budget(&period_gone(str::to_owned)),
            share_gauge(120),
        )
        .value("so_far", &per_budget("@cpa_budget_spent_usd"), dollars(95))
        .value("limit", &per_budget("@cpa_budget_limit_usd"), dollars(95))
        .value(
            "at_pace",
            &per_budget("@cpa_budget_forecast_usd"),
            dollars(110),
        )
        .value(
            "usual_days",
            &per_budget("@cpa_budget_forecast_average_usd"),
            dollars(110),
        )
        .value(
            "at_end",
            &per_budget(&projected("@cpa_budget_forecast_usd")),
            share(120).steps(PROJECTED),
        )
        .value("ends_in", &per_budget(ends), countdown(115))
        .sorted_by("spent", true, &[])
}

/// Burn-down: what is left beside what an even pace would have left.
fn left(kit: &Kit<'_>) -> Panel {
    let limit = at_slices("@cpa_budget_limit_usd");
    let left = per_budget(&format!("{limit} - {}", at_slices("@cpa_budget_spent_usd")));
    let even = per_budget(&format!("{limit} * (1 - {})", period_gone(at_slices)));
    kit.lines("left", "30m")
        .query(kit.t.word("left"), &left)
        .query(kit.t.word("even_pace"), &even)
        .steps(&[("red", None), ("green", Some(0.0))])
        .default("color", style::by_steps())
        .decimals(2)
        .custom("gradientMode", json!("scheme"))
        .custom("fillOpacity", json!(15))
        .option("legend", names_only())
        // Below zero is where it matters.
        .floating()
        .of(
            kit.t.word("even_pace"),
            &[
                ("color", style::fixed("text")),
                ("custom.gradientMode", json!("none")),
                ("custom.fillOpacity", json!(0)),
                ("custom.lineWidth", json!(1)),
                ("custom.lineStyle", json!({"fill": "dash", "dash": [6, 6]})),
            ],
        )
        .field("repeat", json!("budget"))
        .field("repeatDirection", json!("h"))
        .field("maxPerRow", json!(3))
}

fn plans(kit: &Kit<'_>) -> Panel {
    let by = " by (account)";
    let worth = worth_of_plans(by);
    kit.table("plans")
        .label("account", at_least(150))
        .silent("max by (account, plan) (@cpa_plan_fee_usd)")
        .label("plan", wide(90))
        .value("fee", "max by (account) (@cpa_plan_fee_usd)", dollars(105))
        .value("worth", &worth, dollars(105))
        .value(
            "times",
            &format!("{worth} / {}", fees(by)),
            gauge(140, 20.0, RETURNED).unit("none").decimals(1),
        )
        .sorted_by("times", true, &[])
}

fn clients(kit: &Kit<'_>) -> Panel {
    let worth = grown("client", "@cpa_client_list_value_usd_total");
    let share = format!(
        "{worth} / on () group_left () {}",
        grown("", "@cpa_client_list_value_usd_total")
    );
    kit.table("clients")
        .label("client", at_least(110))
        .value("share", &share, share_gauge(110))
        .value("worth", &worth, dollars(100))
        .value(
            "paid",
            &grown("client", "@cpa_client_cost_usd_total"),
            dollars(90),
        )
        .sorted_by("worth", true, &[])
}
