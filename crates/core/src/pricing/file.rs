//! The format of price lists: the built-in list, the user's list, and the output of `prices
//! export`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rate::{Rate, Rates};

/// A price list. Rates are in dollars per million tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceFile {
    /// Day on which the list was last verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Aliases of listed models: alias to model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    pub prices: Vec<Listed>,
    /// Models known to have no price per token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unpriced: Vec<Unpriced>,
}

/// A model and its prices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Model name as in CPA's records; case-insensitive.
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Other ids with the same price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Patterns with `*`, tried if no id matches; only in the user's list.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// First and last day in UTC, or exact times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
    pub usd_per_mtok: RateList,
    /// Steps that replace all rates of a request with a longer prompt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub long_context: Vec<LongContext>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, TierList>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<PeakList>,
    /// Past and future prices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_dates: Vec<Dated>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PriceSource>,
}

/// Prices and their validity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dated {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
    pub usd_per_mtok: RateList,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub long_context: Vec<LongContext>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, TierList>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<PeakList>,
}

/// Rates by kind. A missing cache rate equals the input rate, a missing one-hour write the other
/// write rate, missing reasoning the output rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateList {
    pub input: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<f64>,
    pub output: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<f64>,
}

/// Rates of a request with a longer prompt (input and cache together).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongContext {
    pub above_tokens: u64,
    /// Whether a prompt of exactly this length counts as longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inclusive: bool,
    #[serde(flatten)]
    pub rates: RateList,
}

/// Rates of a service tier. If the tier has no steps, the model's long-context rates are scaled in
/// proportion to the tier's input rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierList {
    #[serde(flatten)]
    pub rates: RateList,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub long_context: Vec<LongContext>,
}

/// Rates for certain hours of the day, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeakList {
    /// Each like `01:00-04:00`.
    pub utc: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weekdays: bool,
    pub usd_per_mtok: RateList,
}

/// Source of a price.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceSource {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unpriced {
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    pub reason: String,
}

impl PriceFile {
    /// Parses `.json` as JSON, everything else as TOML. The error states the problem and its
    /// position.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let is_json = name
            .rsplit('.')
            .next()
            .is_some_and(|end| end.eq_ignore_ascii_case("json"));
        if is_json {
            serde_json::from_str(text).map_err(|error| error.to_string())
        } else {
            toml::from_str(text).map_err(|error| error.to_string())
        }
    }
}

impl Listed {
    /// The prices of all dates.
    pub fn dates(&self) -> impl Iterator<Item = Dated> {
        let own = Dated {
            valid_from: self.valid_from.clone(),
            valid_to: self.valid_to.clone(),
            usd_per_mtok: self.usd_per_mtok,
            long_context: self.long_context.clone(),
            tiers: self.tiers.clone(),
            peak: self.peak.clone(),
        };
        std::iter::once(own).chain(self.other_dates.iter().cloned())
    }
}

impl From<&Rates> for RateList {
    /// Lists all rates explicitly.
    fn from(rates: &Rates) -> Self {
        let usd = |rate: Rate| rate.usd_per_mtok();
        Self {
            input: usd(rates.input),
            cache_read: Some(usd(rates.cache_read)),
            cache_write: Some(usd(rates.cache_write)),
            cache_write_1h: Some(usd(rates.cache_write_1h)),
            output: usd(rates.output),
            reasoning: Some(usd(rates.reasoning)),
        }
    }
}

impl LongContext {
    /// Length of the shortest prompt that the step applies to.
    pub fn from(&self) -> u64 {
        self.above_tokens.saturating_add(u64::from(!self.inclusive))
    }
}
