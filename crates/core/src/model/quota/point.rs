use super::{QuotaSource, Reading};
use crate::model::UnixNanos;

/// A stored reading, with its account, time and source.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaPoint {
    /// CPA's index of the credential.
    pub auth_index: Box<str>,
    /// The credential's own provider.
    pub provider: Box<str>,
    pub reading: Reading,
    pub observed: UnixNanos,
    pub source: QuotaSource,
}
