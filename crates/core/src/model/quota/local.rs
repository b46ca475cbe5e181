use std::time::Duration;

use super::Reading;
use crate::model::UnixNanos;

/// A limit that we count ourselves, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalQuota {
    /// `None`: it counts all accounts together.
    pub whose: Option<LocalAccount>,
    pub reading: Reading,
    pub length: Duration,
    /// Of rolling windows: when use falls next.
    pub oldest_expiry: Option<UnixNanos>,
    /// Forecast: when the limit is reached.
    pub exhaustion: Option<UnixNanos>,
    pub observed: UnixNanos,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAccount {
    /// CPA's index of the credential; empty where a record named none.
    pub auth_index: Box<str>,
    /// As the record named it.
    pub provider: Box<str>,
}
