//! Money: list value of traffic, its billed part, and the prices in use.

use super::families;
use crate::metrics::counted::{ComboAmount, RecordAmount, RecordItem, ReferenceAmount};
use crate::metrics::counter::{Amount, Counter, counter};
use crate::metrics::family::Kind::Gauge;
use crate::model::{LabelValue as _, Money, TokenKind};

/// Events that were never priced, such as those from before the first price list, are in no family
/// of money.
const PRICED: &str = "value_nano IS NOT NULL";
/// SQL of [`unpriced_tokens`].
macro_rules! unpriced_tokens_sql {
    () => {
        "(CASE WHEN value_nano IS NULL \
         THEN input + cache_read + cache_write + output + reasoning + unclassified \
         ELSE unclassified END)"
    };
}
macro_rules! unpriced_sql {
    () => {
        concat!(
            "price_version > 0 AND (",
            unpriced_tokens_sql!(),
            " > 0 OR (value_nano IS NULL AND succeeded))"
        )
    };
}

/// In the order of the exposition.
pub(in crate::metrics) static COUNTERS: &[Counter<RecordAmount>] = &[
    counter(
        40,
        "cpa_list_value_usd_total",
        &["provider", "model", "account"],
        "Value of all traffic at list price, in US dollars, including traffic covered by plans.",
    )
    .usd()
    .sql(PRICED, &["value_nano"])
    .adds(list_value),
    counter(
        41,
        "cpa_cost_usd_total",
        &["provider", "model", "account"],
        "Part of the list value that is billed per use, in US dollars; 0 for accounts with a plan.",
    )
    .usd()
    .sql(PRICED, &["coalesce(cost_nano, 0)"])
    .adds(cost),
    // Stored events keep their value as a whole.
    counter(
        42,
        "cpa_list_value_by_kind_usd_total",
        &["provider", "model", "kind"],
        "List value by kind of token; the sum over kinds is `cpa_list_value_usd_total`.",
    )
    .by_values(priced_kinds)
    .usd()
    .adds(|r| r.values.as_ref().map_or(Amount::Nothing, Amount::Each)),
    counter(
        43,
        "cpa_client_list_value_usd_total",
        &["client", "model"],
        "List value by client key.",
    )
    .usd()
    .sql(PRICED, &["value_nano"])
    .adds(list_value),
    counter(
        44,
        "cpa_client_cost_usd_total",
        &["client", "model"],
        "Cost by client key.",
    )
    .usd()
    .sql(PRICED, &["coalesce(cost_nano, 0)"])
    .adds(cost),
    counter(
        45,
        "cpa_unpriced_requests_total",
        &["provider", "model"],
        "Requests without a value: the model has no price or the kind of the tokens is unknown. Failed requests without tokens do not count.",
    )
    .sql(concat!("generates AND ", unpriced_sql!()), &["1"])
    .adds(|r| Amount::one_if(r.event.generate && unpriced_tokens(r).is_some())),
    counter(
        46,
        "cpa_unpriced_tokens_total",
        &["provider", "model"],
        "Tokens without a value: the model has no price or the kind of the tokens is unknown.",
    )
    .sql(unpriced_sql!(), &[unpriced_tokens_sql!()])
    .adds(|r| unpriced_tokens(r).into()),
];

pub(in crate::metrics) static OF_REFERENCES: &[Counter<ReferenceAmount>] = &[counter(
    47,
    "cpa_reference_value_usd_total",
    &["reference", "provider"],
    "Value of the same tokens at the price of a configured reference model, in US dollars.",
)
.usd()
.adds(|r| Amount::Of(r.nanos))];

pub(in crate::metrics) static OF_COMBOS: &[Counter<ComboAmount>] = &[
    counter(
        48,
        "cpa_combo_requests_total",
        &["combo", "model"],
        "Requests of a configured combo of models, by upstream model; a model may be in several combos.",
    )
    .adds(|c| Amount::Of(u64::from(c.record.event.generate))),
    counter(
        49,
        "cpa_combo_tokens_total",
        &["combo", "model"],
        "Tokens of a configured combo of models.",
    )
    .adds(|c| Amount::Of(c.record.event.tokens.total())),
    counter(
        50,
        "cpa_combo_list_value_usd_total",
        &["combo", "model"],
        "List value of a configured combo of models.",
    )
    .usd()
    .adds(|c| Amount::Of(value(c.record).unwrap_or(0))),
];

/// The kinds that have a price. They come first in [`TokenKind::ALL`].
fn priced_kinds() -> Vec<&'static str> {
    let priced = |kind: &&TokenKind| **kind != TokenKind::Unclassified;
    let kinds = TokenKind::VALUES.iter().filter(priced);
    kinds.map(|kind| kind.as_label()).collect()
}

/// Nano-dollars.
fn value(record: &RecordItem<'_>) -> Option<u64> {
    record.values.map(|values| values.iter().sum())
}

fn list_value(record: &RecordItem<'_>) -> Amount<'static> {
    value(record).into()
}

fn cost(record: &RecordItem<'_>) -> Amount<'static> {
    record.money.and_then(Money::cost).into()
}

/// `None` for a record that lacks no price, such as a failure without tokens.
fn unpriced_tokens(record: &RecordItem<'_>) -> Option<u64> {
    let (event, money) = (record.event, record.money?);
    let tokens = match money.value {
        Some(_) => event.tokens.unclassified,
        None => event.tokens.total(),
    };
    (tokens > 0 || (money.value.is_none() && event.is_success())).then_some(tokens)
}

families! {
    pub(in crate::metrics) GAUGES;
    LIST_VALUE_CORRECTION: Gauge, "cpa_list_value_correction_usd", &["provider", "model", "account"],
        "Change of the list value of counted events by `reprice`; it does not change counters.";
    COST_CORRECTION: Gauge, "cpa_cost_correction_usd", &["provider", "model", "account"],
        "Change of the cost of counted events by `reprice`; it does not change counters.";
    PRICE: Gauge, "cpa_price_usd_per_token", &["model", "kind", "tier"],
        "Current list price of each model seen, for prompts below any long-context step.";
    PRICE_TABLE_INFO: Gauge, "cpa_price_table_info", &["version", "source"],
        "1, with the version and sources of the price list in use.";
    PRICE_TABLE_TIME: Gauge, "cpa_price_table_timestamp_seconds", &[],
        "Date of the newest part of the price list, in Unix time.";
    PLAN_FEE: Gauge, "cpa_plan_fee_usd", &["provider", "account", "plan"],
        "Configured flat fee of an account in US dollars per mean month of 30.44 days.";
}
