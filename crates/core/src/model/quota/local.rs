use std::time::Duration;

use super::Reading;
use crate::model::UnixNanos;

/// State of a limit that the exporter counts itself.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalQuota {
    /// `None`: the limit applies to all accounts together.
    pub account: Option<LocalAccount>,
    pub reading: Reading,
    pub length: Duration,
    /// Rolling windows only: when the usage next decreases.
    pub oldest_expiry: Option<UnixNanos>,
    /// Forecast of the time at which the limit is reached.
    pub exhaustion: Option<UnixNanos>,
    pub observed: UnixNanos,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAccount {
    /// CPA's index of the credential; empty if the record named none.
    pub auth_index: Box<str>,
    /// As in the record.
    pub provider: Box<str>,
}
