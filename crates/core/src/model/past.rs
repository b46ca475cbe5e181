use super::Dimension;

/// The families whose past can be computed from stored events, in the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PastFamily {
    Requests,
    Failures,
    Tokens,
    Duration,
    FirstToken,
    OutputToken,
    Endpoint,
    Tier,
    ClientRequests,
    ClientFailures,
    ClientTokens,
    Quality,
    AccountDuration,
    ListValue,
    Cost,
    ClientListValue,
    ClientCost,
    UnpricedRequests,
    UnpricedTokens,
}

impl PastFamily {
    pub const ALL: [Self; 19] = [
        Self::Requests,
        Self::Failures,
        Self::Tokens,
        Self::Duration,
        Self::FirstToken,
        Self::OutputToken,
        Self::Endpoint,
        Self::Tier,
        Self::ClientRequests,
        Self::ClientFailures,
        Self::ClientTokens,
        Self::Quality,
        Self::AccountDuration,
        Self::ListValue,
        Self::Cost,
        Self::ClientListValue,
        Self::ClientCost,
        Self::UnpricedRequests,
        Self::UnpricedTokens,
    ];

    /// What the parts of a series' key are, in label order.
    pub const fn key(self) -> &'static [PastKey] {
        use PastKey::{Of, Reason, Status};
        const PROVIDER: PastKey = Of(Dimension::Provider);
        const MODEL: PastKey = Of(Dimension::Model);
        const ACCOUNT: PastKey = Of(Dimension::Account);
        const CLIENT: PastKey = Of(Dimension::Client);
        match self {
            Self::Requests | Self::Tokens | Self::ListValue | Self::Cost => {
                &[PROVIDER, MODEL, ACCOUNT]
            }
            Self::Failures => &[PROVIDER, MODEL, ACCOUNT, Status, Reason],
            Self::Duration
            | Self::FirstToken
            | Self::OutputToken
            | Self::UnpricedRequests
            | Self::UnpricedTokens => &[PROVIDER, MODEL],
            Self::Endpoint => &[PROVIDER, Of(Dimension::Endpoint), Of(Dimension::Executor)],
            Self::Tier => &[
                PROVIDER,
                Of(Dimension::ServiceTier),
                Of(Dimension::ReasoningEffort),
            ],
            Self::ClientRequests
            | Self::ClientTokens
            | Self::ClientListValue
            | Self::ClientCost => &[CLIENT, MODEL],
            Self::ClientFailures => &[CLIENT, MODEL, Reason],
            Self::Quality => &[PROVIDER],
            Self::AccountDuration => &[PROVIDER, ACCOUNT],
        }
    }
}

/// A part of a series' key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PastKey {
    /// An interned value.
    Of(Dimension),
    /// HTTP status of a failure.
    Status,
    /// Code of a failure's reason.
    Reason,
}

/// What a series grew by in one step of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRow {
    pub key: [u32; super::TOTAL_KEY_LEN],
    /// False for imported events, which no counter has counted.
    pub live: bool,
    /// Number of the step since the epoch.
    pub step: i64,
    /// As [`super::TotalRow::cells`].
    pub cells: Vec<u64>,
}
