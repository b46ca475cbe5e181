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
    "Value of all traffic at list price, whoever pays for it.",
);
pub(in crate::metrics) static COST: Family = family(
    "cpa_cost_usd_total",
    Counter,
    &["provider", "model", "account"],
    "The part of the list value that is billed per use; 0 where a plan covers the account.",
);
pub(in crate::metrics) static LIST_VALUE_BY_KIND: Family = family(
    "cpa_list_value_by_kind_usd_total",
    Counter,
    &["provider", "model", "kind"],
    "List value by kind of token; the kinds add up to `cpa_list_value_usd_total`.",
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
    "Requests whose model had no price or whose tokens were of no known kind; failed ones without tokens are left out.",
);
pub(in crate::metrics) static UNPRICED_TOKENS: Family = family(
    "cpa_unpriced_tokens_total",
    Counter,
    &["provider", "model"],
    "Tokens that are missing from the list value, because their model had no price or their kind is not known.",
);
pub(in crate::metrics) static REFERENCE_VALUE: Family = family(
    "cpa_reference_value_usd_total",
    Counter,
    &["reference", "provider"],
    "What the same tokens would be worth at a configured reference price.",
);
pub(in crate::metrics) static COMBO_REQUESTS: Family = family(
    "cpa_combo_requests_total",
    Counter,
    &["combo", "model"],
    "Requests of a configured group of models, by upstream model; a model may be in several groups.",
);
pub(in crate::metrics) static COMBO_TOKENS: Family = family(
    "cpa_combo_tokens_total",
    Counter,
    &["combo", "model"],
    "Tokens of a configured group of models.",
);
pub(in crate::metrics) static COMBO_LIST_VALUE: Family = family(
    "cpa_combo_list_value_usd_total",
    Counter,
    &["combo", "model"],
    "List value of a configured group of models.",
);
pub(in crate::metrics) static LIST_VALUE_CORRECTION: Family = family(
    "cpa_list_value_correction_usd",
    Gauge,
    &["provider", "model", "account"],
    "What `reprice` has added to the list value of events after they were counted; counters are never lowered.",
);
pub(in crate::metrics) static COST_CORRECTION: Family = family(
    "cpa_cost_correction_usd",
    Gauge,
    &["provider", "model", "account"],
    "What `reprice` has added to the cost of events after they were counted.",
);
pub(in crate::metrics) static PRICE: Family = family(
    "cpa_price_usd_per_token",
    Gauge,
    &["model", "kind", "tier"],
    "List price now of the models seen, for prompts below any long-context step.",
);
pub(in crate::metrics) static PRICE_TABLE_INFO: Family = family(
    "cpa_price_table_info",
    Gauge,
    &["version", "source"],
    "The price list in force and what it consists of; always 1.",
);
pub(in crate::metrics) static PRICE_TABLE_TIME: Family = family(
    "cpa_price_table_timestamp_seconds",
    Gauge,
    &[],
    "Day on which the newest part of the price list was last known to be right.",
);
pub(in crate::metrics) static PLAN_FEE: Family = family(
    "cpa_plan_fee_usd",
    Gauge,
    &["provider", "account", "plan"],
    "Configured flat fee of an account per mean month of 30.44 days.",
);
