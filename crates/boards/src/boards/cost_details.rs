//! The closed rows of “Cost and budgets”.

use super::money::{paid_per_million, price};
use super::pieces::money_by;
use crate::board::{Section, closed};
use crate::panel::{Kit, Panel};
use crate::query::{SLICE, bars, bridged, grown};
use crate::style;
use crate::table::{Look, at_least, budget_gauge, count, dollars, rounded, seconds, share, wide};

const COST: &str = "@cpa_cost_usd_total";
const VALUE: &str = "@cpa_list_value_usd_total";

pub(super) fn sections(kit: &Kit<'_>) -> Vec<Section> {
    vec![
        closed(
            "row_more",
            vec![
                money_by(kit, "paid_by_model", "model", COST).at(0, 0, 12, 8),
                money_by(kit, "worth_by_account", "account", VALUE).at(12, 0, 12, 8),
                money_by(kit, "paid_by_provider", "provider", COST).at(0, 8, 12, 8),
                money_by(kit, "worth_by_provider", "provider", VALUE).at(12, 8, 12, 8),
                money_by(
                    kit,
                    "paid_by_client",
                    "client",
                    "@cpa_client_cost_usd_total",
                )
                .at(0, 16, 12, 8),
                kit.bars("worth_by_kind")
                    .query(
                        "{{kind}}",
                        &bars("kind", "@cpa_list_value_by_kind_usd_total"),
                    )
                    .decimals(2)
                    .colors(style::KIND_COLORS)
                    .at(12, 16, 12, 8),
            ],
        ),
        closed(
            "row_month",
            vec![
                month(kit).at(0, 0, 12, 10),
                unusual(kit).at(12, 0, 12, 10),
                reported(kit).at(0, 10, 12, 7),
                reference(kit).at(12, 10, 12, 7),
                budget_details(kit).at(0, 17, 24, 7),
            ],
        ),
        closed(
            "row_models",
            vec![
                models(kit).at(0, 0, 15, 10),
                per_million(kit).at(15, 0, 9, 10),
                combos(kit).at(0, 10, 15, 8),
                money_by(
                    kit,
                    "worth_by_combo",
                    "combo",
                    "@cpa_combo_list_value_usd_total",
                )
                .at(15, 10, 9, 8),
            ],
        ),
        closed(
            "row_prices",
            vec![
                prices(kit).at(0, 0, 15, 10),
                without_price(kit).at(15, 0, 9, 5),
                price_list(kit).at(15, 5, 9, 5),
                corrections(kit).at(0, 10, 24, 7),
            ],
        ),
    ]
}

/// By whatever the exporter tells apart: the total, providers, accounts, clients.
fn month(kit: &Kit<'_>) -> Panel {
    let of = |gauge: &str| format!("max by (by, name) ({gauge})");
    let cost = of("@cpa_month_cost_usd");
    let tokens = of("@cpa_month_paid_tokens");
    kit.table("month")
        .label("by", wide(90))
        .label("name", at_least(120))
        .value("so_far", &cost, dollars(100))
        .value(
            "at_end_of_month",
            &of("@cpa_month_cost_forecast_usd{method=\"to_date\"}"),
            dollars(110),
        )
        .value(
            "usual_month",
            &of("@cpa_month_cost_forecast_usd{method=\"average\"}"),
            dollars(115),
        )
        .value(
            "per_million",
            &format!("1e6 * {cost} / ({tokens} > 0)"),
            dollars(115),
        )
        .sorted_by("so_far", true, &[])
}

fn unusual(kit: &Kit<'_>) -> Panel {
    let of = |gauge: &str| format!("sum by (provider) ({gauge})");
    let (cost, usual) = (of("@cpa_today_cost_usd"), of("@cpa_daily_mean_cost_usd"));
    let (now, usually) = (of("@cpa_today_tokens"), of("@cpa_daily_mean_tokens"));
    let times = |width: u32| {
        wide(width)
            .unit("none")
            .decimals(1)
            .steps(&[("text", None), ("orange", Some(2.0))])
    };
    kit.table("unusual")
        .label("provider", at_least(150))
        .value("paid_today", &cost, dollars(100))
        .value("paid_usual", &usual, dollars(82))
        .value("times_cost", &format!("{cost} / {usual}"), times(76))
        .value("tokens_today", &now, rounded(118))
        .value("tokens_usual", &usually, rounded(108))
        .value("times_tokens", &format!("{now} / {usually}"), times(95))
        .sorted_by("times_tokens", true, &[])
}

fn budget_details(kit: &Kit<'_>) -> Panel {
    let next = "min by (budget) (@cpa_budget_threshold_ratio \
                > on (job, instance, budget) group_left () @cpa_budget_used_ratio)";
    // How many times as fast as the budget allows the last hour spent it.
    let burn = "max by (budget) (\
                (@cpa_budget_spent_usd - min_over_time(@cpa_budget_spent_usd[1h])) / 3600 \
                * (@cpa_budget_period_end_timestamp_seconds \
                - @cpa_budget_period_start_timestamp_seconds) / (@cpa_budget_limit_usd > 0))";
    kit.table("budget_details")
        .silent("max by (budget, period, scope) (@cpa_budget_info)")
        .label("budget", at_least(120))
        .label("period", wide(90))
        .label("scope", at_least(200))
        // The steps are those of the alert CPABudgetBurn.
        .value(
            "burn",
            burn,
            wide(130).unit("none").decimals(1).steps(&[
                ("text", None),
                ("orange", Some(6.0)),
                ("red", Some(14.4)),
            ]),
        )
        .value("next_alert", next, share(130))
        .sorted_by("budget", false, &[])
}

fn reported(kit: &Kit<'_>) -> Panel {
    let of = |gauge: &str| format!("max by (account, limit) ({gauge})");
    let (spend, limit) = (bridged("@cpa_spend_usd"), bridged("@cpa_spend_limit_usd"));
    kit.table("reported")
        .label("account", at_least(130))
        .label("limit", wide(120))
        .value("spent", &of(&spend), dollars(95))
        .value("may_spend", &of(&limit), dollars(95))
        .value(
            "share",
            &of(&format!("{spend} / ({limit} > 0)")),
            budget_gauge(130),
        )
        .sorted_by("share", true, &[])
}

fn reference(kit: &Kit<'_>) -> Panel {
    let there = grown("reference", "@cpa_reference_value_usd_total");
    // Without the filters that the reference has not either.
    let here = "sum(increase(@cpa_list_value_by_kind_usd_total[$__range]))";
    kit.table("reference")
        .label("reference", at_least(120))
        .value("there", &there, dollars(130))
        .value(
            "here",
            &format!("{there} * 0 + on () group_left () {here}"),
            dollars(120),
        )
        .value(
            "saved_here",
            &format!("{there} - on () group_left () {here}"),
            dollars(105),
        )
        .value(
            "times_here",
            &format!("{there} / on () group_left () {here}"),
            wide(85).unit("none").decimals(2),
        )
        .sorted_by("there", true, &[])
}

fn models(kit: &Kit<'_>) -> Panel {
    let value = grown("model", VALUE);
    let tokens = grown("model", "@cpa_tokens_total");
    kit.table("models")
        .label("model", at_least(140))
        .value(
            "requests",
            &grown("model", "@cpa_requests_total"),
            count(95),
        )
        .value("tokens", &tokens, rounded(90))
        .value("worth", &value, dollars(95))
        .value("paid", &grown("model", COST), dollars(90))
        .value(
            "worth_per_million",
            &format!("1e6 * {value} / ({tokens} > 0)"),
            dollars(115),
        )
        .value(
            "per_million",
            &paid_per_million(" by (model)", "[$__range]"),
            dollars(115),
        )
        .sorted_by("worth", true, &[])
}

fn per_million(kit: &Kit<'_>) -> Panel {
    kit.lines("paid_per_million", "3h")
        .query("{{provider}}", &paid_per_million(" by (provider)", SLICE))
        .unit("currencyUSD")
        .decimals(2)
        .slices("15m", 48)
}

fn combos(kit: &Kit<'_>) -> Panel {
    let value = grown("combo", "@cpa_combo_list_value_usd_total");
    let tokens = grown("combo", "@cpa_combo_tokens_total");
    kit.table("combos")
        .label("combo", at_least(140))
        .value(
            "requests",
            &grown("combo", "@cpa_combo_requests_total"),
            count(95),
        )
        .value("tokens", &tokens, rounded(90))
        .value("worth", &value, dollars(95))
        .value(
            "worth_per_million",
            &format!("1e6 * {value} / ({tokens} > 0)"),
            dollars(115),
        )
        .sorted_by("worth", true, &[])
}

/// Cheap tokens cost fractions of a cent.
fn price_of(width: u32) -> Look {
    dollars(width).decimals(3)
}

fn prices(kit: &Kit<'_>) -> Panel {
    let rate = |kind: &str| {
        format!("1e6 * max by (model, tier) (@cpa_price_usd_per_token{{kind=\"{kind}\"}})")
    };
    let input = price("input");
    kit.table("prices")
        .label("model", at_least(170))
        .label("tier", wide(80))
        .value("input", &rate("input"), price_of(80))
        .value("cache_read", &rate("cache_read"), price_of(95))
        .value("cache_write", &rate("cache_write"), price_of(95))
        .value("output", &rate("output"), price_of(80))
        .value("reasoning", &rate("reasoning"), price_of(90))
        .value(
            "cache_costs",
            &format!(
                "max by (model, tier) (@cpa_price_usd_per_token{{kind=\"cache_read\",tier=\"standard\"}}) \
                 / on (model) group_left () ({input} > 0)"
            ),
            share(110),
        )
        .sorted_by("model", false, &[])
}

fn without_price(kit: &Kit<'_>) -> Panel {
    kit.table("without_price")
        .label("model", at_least(120))
        .label("provider", at_least(115))
        .value(
            "requests",
            &format!(
                "{} > 0",
                grown("provider, model", "@cpa_unpriced_requests_total")
            ),
            count(95),
        )
        .value(
            "tokens",
            &format!(
                "{} > 0",
                grown("provider, model", "@cpa_unpriced_tokens_total")
            ),
            rounded(90),
        )
        .sorted_by("requests", true, &[])
}

fn price_list(kit: &Kit<'_>) -> Panel {
    let age = "max by (version, source) ((time() - @cpa_price_table_timestamp_seconds) \
               * on (job, instance) group_right () @cpa_price_table_info)";
    kit.table("price_list")
        .label("version", at_least(120))
        .label("source", wide(130))
        .value(
            "age",
            age,
            seconds(100, 0).steps(&[("text", None), ("orange", Some(7_776_000.0))]),
        )
        .sorted_by("age", false, &[])
}

fn corrections(kit: &Kit<'_>) -> Panel {
    let of = |gauge: &str| format!("sum by (provider, model, account) ({gauge})");
    kit.table("corrections")
        .label("account", at_least(130))
        .label("provider", wide(110))
        .label("model", at_least(140))
        .value("worth", &of("@cpa_list_value_correction_usd"), dollars(110))
        .value("paid", &of("@cpa_cost_correction_usd"), dollars(110))
        .sorted_by("account", false, &[])
}
