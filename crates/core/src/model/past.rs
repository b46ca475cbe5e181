use super::Dimension;

/// The families that can be backfilled from stored events, in exposition order.
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

    /// Type of each part of a series' key, in label order.
    pub const fn key(self) -> &'static [PastKey] {
        use PastKey::{Interned, Reason, Status};
        const PROVIDER: PastKey = Interned(Dimension::Provider);
        const MODEL: PastKey = Interned(Dimension::Model);
        const ACCOUNT: PastKey = Interned(Dimension::Account);
        const CLIENT: PastKey = Interned(Dimension::Client);
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
            Self::Endpoint => &[
                PROVIDER,
                Interned(Dimension::Endpoint),
                Interned(Dimension::Executor),
            ],
            Self::Tier => &[
                PROVIDER,
                Interned(Dimension::ServiceTier),
                Interned(Dimension::ReasoningEffort),
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
    Interned(Dimension),
    /// HTTP status of a failure.
    Status,
    /// Code of the failure reason.
    Reason,
}

/// Increase of a series in one time step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRow {
    pub key: [u32; super::TOTAL_KEY_LEN],
    /// False for imported events, which the counters do not include.
    pub live: bool,
    /// Index of the step since the epoch.
    pub step: i64,
    /// Same layout as [`super::TotalRow::cells`].
    pub cells: Vec<u64>,
}
