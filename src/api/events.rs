//! `/api/v1/events`: single requests.

use serde::{Deserialize, Serialize};

use super::{TokenCounts, Usage};

/// A page of events, newest first or in the order asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    pub events: Vec<Event>,
    /// Selects the next page; absent on the last one. Events that arrive meanwhile do not move it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Sums of all selected events, with `sums=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Usage>,
}

/// An attempt to get a response from an upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Stable: the start in nanoseconds since 1970 and a hash.
    pub id: String,
    /// Start. Unix seconds, to the millisecond.
    pub time: f64,
    /// As in the labels of the metrics, like all names.
    pub provider: String,
    pub model: String,
    /// Model name that the client asked for.
    pub alias: String,
    pub endpoint: String,
    pub account: String,
    pub client: String,
    pub service_tier: String,
    pub reasoning_effort: String,
    pub failed: bool,
    /// False for a prewarm, which is no request.
    pub generate: bool,
    /// It was imported; the counters do not contain it.
    pub imported: bool,
    /// Seconds.
    pub latency: f64,
    /// Seconds; absent where the response was not streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_token: Option<f64>,
    pub tokens: TokenCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// HTTP status of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Start of the upstream's error text, secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Paid per use; absent where no price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// At list price; absent where no price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_usd: Option<f64>,
}
