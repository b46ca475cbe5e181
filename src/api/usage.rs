//! `/api/v1/breakdown`, `summary` and `series`: use by groups, in total and over time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Use in a span of time, by groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// Unix seconds.
    pub from: f64,
    /// Unix seconds, exclusive.
    pub to: f64,
    /// IANA name of the zone that hours, days, weeks and months start in.
    pub timezone: String,
    /// What rows are grouped by, in this order.
    pub by: Vec<String>,
    /// Chronological if the first group is a time, then by list value, requests and name.
    pub rows: Vec<BreakdownRow>,
    /// Of all selected events, those of left-out rows included.
    pub total: Usage,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BreakdownRow {
    /// The value of each group, by its name.
    pub group: BTreeMap<String, String>,
    #[serde(flatten)]
    pub usage: Usage,
}

/// What a group of requests used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Attempts; a request that CPA retried is several.
    pub requests: u64,
    pub failures: u64,
    /// Successful part of the requests; absent without requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_ratio: Option<f64>,
    pub tokens: TokenCounts,
    /// Paid per use.
    pub cost_usd: f64,
    /// At list price, covered by a plan or not.
    pub value_usd: f64,
    /// Requests that cost and value do not contain, for lack of a price.
    pub unpriced_requests: u64,
    /// Mean of successful requests, in seconds; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_latency: Option<f64>,
}

/// Tokens by kind. The kinds are disjoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCounts {
    /// Prompt tokens that were neither read from nor written to a cache.
    pub input: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    /// Response tokens without reasoning.
    pub output: u64,
    pub reasoning: u64,
    /// Of a known total, without a known kind.
    pub unclassified: u64,
    /// Sum of all kinds.
    pub total: u64,
}

/// Use in a span of time, and in the one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// IANA name of the zone that days, weeks and months start in.
    pub timezone: String,
    pub current: SpanUsage,
    /// The same part of the day, week or month before, or the same length of time before.
    pub before: SpanUsage,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanUsage {
    /// Unix seconds.
    pub from: f64,
    /// Unix seconds, exclusive.
    pub to: f64,
    /// Means of the span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<f64>,
    #[serde(flatten)]
    pub usage: Usage,
}

/// A measure over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Unix seconds.
    pub from: f64,
    /// Unix seconds, exclusive.
    pub to: f64,
    pub timezone: String,
    pub step: String,
    pub measure: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Starts of the steps in Unix seconds, from the first stored event on.
    pub times: Vec<i64>,
    /// Largest first.
    pub series: Vec<SeriesRow>,
    /// Sum of the series beyond `top`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Vec<f64>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesRow {
    /// Value of the group; empty without one.
    pub name: String,
    /// One for each step.
    pub values: Vec<f64>,
}

/// The values of a group, those with the most requests first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueList {
    pub group: String,
    pub values: Vec<NamedCount>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCount {
    pub name: String,
    pub requests: u64,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub version: String,
    pub revision: String,
    pub rustc: String,
}
