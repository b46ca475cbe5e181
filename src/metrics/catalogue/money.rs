//! Money: what traffic is worth at list price, what of it is billed, and by which prices.

use super::Kind::{Counter, Gauge};
use super::{Family, family};

/// In the order of the page.
pub(super) static ALL: &[&Family] = &[
    &LIST_VALUE,
    &COST,
    &LIST_VALUE_BY_KIND,
    &CLIENT_LIST_VALUE,
    &CLIENT_COST,
    &UNPRICED_REQUESTS,
    &UNPRICED_TOKENS,
    &REFERENCE_VALUE,
    &COMBO_REQUESTS,
    &COMBO_TOKENS,
    &COMBO_LIST_VALUE,
    &LIST_VALUE_CORRECTION,
    &COST_CORRECTION,
    &PRICE,
    &PRICE_TABLE_INFO,
    &PRICE_TABLE_TIME,
    &PLAN_FEE,
];

pub(in crate::metrics) static LIST_VALUE: Family = family(
    "cpa_list_value_usd_total",
    Counter,
    &["provider", "model", "account"],
    "Value of all traffic at list price, in US dollars, including traffic covered by plans.",
);
pub(in crate::metrics) static COST: Family = family(
    "cpa_cost_usd_total",
    Counter,
    &["provider", "model", "account"],
    "Part of the list value that is billed per use, in US dollars; 0 for accounts with a plan.",
);
pub(in crate::metrics) static LIST_VALUE_BY_KIND: Family = family(
    "cpa_list_value_by_kind_usd_total",
    Counter,
    &["provider", "model", "kind"],
    "List value by kind of token; the sum over kinds is `cpa_list_value_usd_total`.",
);
pub(in crate::metrics) static CLIENT_LIST_VALUE: Family = family(
    "cpa_client_list_value_usd_total",
    Counter,
    &["client", "model"],
    "List value by client key.",
);
pub(in crate::metrics) static CLIENT_COST: Family = family(
    "cpa_client_cost_usd_total",
    Counter,
    &["client", "model"],
    "Cost by client key.",
);
pub(in crate::metrics) static UNPRICED_REQUESTS: Family = family(
    "cpa_unpriced_requests_total",
    Counter,
    &["provider", "model"],
    "Requests without a value: the model has no price or the kind of the tokens is unknown. Failed requests without tokens do not count.",
);
pub(in crate::metrics) static UNPRICED_TOKENS: Family = family(
    "cpa_unpriced_tokens_total",
    Counter,
    &["provider", "model"],
    "Tokens without a value: the model has no price or the kind of the tokens is unknown.",
);
pub(in crate::metrics) static REFERENCE_VALUE: Family = family(
    "cpa_reference_value_usd_total",
    Counter,
    &["reference", "provider"],
    "Value of the same tokens at the price of a configured reference model, in US dollars.",
);
pub(in crate::metrics) static COMBO_REQUESTS: Family = family(
    "cpa_combo_requests_total",
    Counter,
    &["combo", "model"],
    "Requests of a configured combo of models, by upstream model; a model may be in several combos.",
);
pub(in crate::metrics) static COMBO_TOKENS: Family = family(
    "cpa_combo_tokens_total",
    Counter,
    &["combo", "model"],
    "Tokens of a configured combo of models.",
);
pub(in crate::metrics) static COMBO_LIST_VALUE: Family = family(
    "cpa_combo_list_value_usd_total",
    Counter,
    &["combo", "model"],
    "List value of a configured combo of models.",
);
pub(in crate::metrics) static LIST_VALUE_CORRECTION: Family = family(
    "cpa_list_value_correction_usd",
    Gauge,
    &["provider", "model", "account"],
    "Change of the list value of counted events by `reprice`; it does not change counters.",
);
pub(in crate::metrics) static COST_CORRECTION: Family = family(
    "cpa_cost_correction_usd",
    Gauge,
    &["provider", "model", "account"],
    "Change of the cost of counted events by `reprice`; it does not change counters.",
);
pub(in crate::metrics) static PRICE: Family = family(
    "cpa_price_usd_per_token",
    Gauge,
    &["model", "kind", "tier"],
    "Current list price of each model seen, for prompts below any long-context step.",
);
pub(in crate::metrics) static PRICE_TABLE_INFO: Family = family(
    "cpa_price_table_info",
    Gauge,
    &["version", "source"],
    "1, with the version and sources of the price list in use.",
);
pub(in crate::metrics) static PRICE_TABLE_TIME: Family = family(
    "cpa_price_table_timestamp_seconds",
    Gauge,
    &[],
    "Date of the newest part of the price list, in Unix time.",
);
pub(in crate::metrics) static PLAN_FEE: Family = family(
    "cpa_plan_fee_usd",
    Gauge,
    &["provider", "account", "plan"],
    "Configured flat fee of an account in US dollars per mean month of 30.44 days.",
);
