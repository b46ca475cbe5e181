//! The types that `/api/v1` sends and receives, one file per resource.
//!
//! Pure: no I/O and no knowledge of where values come from. The server (`http`), the client (`cli`), the
//! texts (`report`) and the poller's view share them, so both ends of the API agree by construction.
//!
//! In all types: times are Unix seconds, amounts have the unit that stands beside them, ratios are
//! 0 to 1, and an unknown value is left out of the JSON (`None`), never 0 or null.

mod events;
mod jobs;
mod quota;
mod usage;

use serde::{Deserialize, Serialize};

pub use events::{Event, EventPage};
pub use jobs::{ImportSummary, RepriceAmounts, RepriceRequest, RepriceStep, RepriceSums};
pub use quota::{
    AccountFilter, AccountQuota, Credits, FailedAccount, NoReading, QuotaList, QuotaWindow,
    RefreshOutcome, RefreshSummary, Spend, UnknownProvider, Unpolled,
};
pub use usage::{
    Breakdown, BreakdownRow, NamedCount, Series, SeriesRow, SpanUsage, Summary, TokenCounts, Usage,
    ValueList, Version,
};

/// The body of every response that is not a success, as RFC 9457 defines it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name of the status.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// For people; its wording may change.
    pub detail: String,
}

impl Problem {
    pub fn new(status: u16, title: Option<&str>, detail: String) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: title.unwrap_or_default().to_owned(),
            status,
            detail,
        }
    }
}
