//! The format of price lists: the built-in one, the user's, and what `prices export` writes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rate::{Rate, Rates};

/// A whole list. Rates are dollars per million tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceFile {
    /// Day on which the list was last known to be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Other names of listed models: name to model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    pub prices: Vec<Listed>,
    /// Models that are known to have no price per token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unpriced: Vec<Unpriced>,
}

/// A model and what it costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// As CPA's record names it; upper and lower case are the same.
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Ids billed at the same price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Patterns with `*`, looked at when no id matches; in the user's list only.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// First and last day in UTC, or exact moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
    pub usd_per_mtok: RateList,
    /// Steps that replace all rates of a request whose prompt is longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub long_context: Vec<LongContext>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, TierList>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<PeakList>,
    /// What it cost before, or will cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_dates: Vec<Dated>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PriceSource>,
}

/// One set of prices and when it applies.
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

/// Rates by kind. A cache rate that is missing is the input rate, a one-hour write the other
/// write, reasoning is output.
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

/// Rates of a request whose prompt (input and cache together) exceeds a length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongContext {
    pub above_tokens: u64,
    /// The length itself counts as longer, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inclusive: bool,
    #[serde(flatten)]
    pub rates: RateList,
}

/// Rates of a service tier. Without steps of its own, the model's long-context rates are scaled
/// like the tier's input rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierList {
    #[serde(flatten)]
    pub rates: RateList,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub long_context: Vec<LongContext>,
}

/// Rates of some hours of the day, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeakList {
    /// `01:00-04:00` each.
    pub utc: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weekdays: bool,
    pub usd_per_mtok: RateList,
}

/// Where a price comes from.
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
    /// `.json` is JSON, everything else TOML. The error says what is wrong and where.
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
    /// The sets of prices of all dates.
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
    /// All rates, none left to a default.
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
    /// The shortest prompt that it applies to.
    pub fn from(&self) -> u64 {
        self.above_tokens.saturating_add(u64::from(!self.inclusive))
    }
}
