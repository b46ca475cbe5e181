use super::{Dimension, TOTAL_KEY_LEN};

/// How the past of a counter is computed from stored events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastQuery {
    /// Number of the family, as in [`super::TotalRow::family`].
    pub family: u16,
    /// Type of each part of a series' key, in label order.
    pub key: Vec<PastKey>,
    /// SQL condition of the counted events.
    pub filter: &'static str,
    /// SQL expressions, summed to the cells of a total. A histogram has one: the observed value.
    pub values: &'static [&'static str],
    /// Upper bounds of a histogram's buckets; empty for other types.
    pub bounds: &'static [u64],
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
    pub key: [u32; TOTAL_KEY_LEN],
    /// False for imported events, which the counters do not include.
    pub live: bool,
    /// Index of the step since the epoch.
    pub step: i64,
    /// Same layout as [`super::TotalRow::cells`].
    pub cells: Vec<u64>,
}
