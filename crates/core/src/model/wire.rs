use bytes::Bytes;

use super::UnixNanos;

/// Collection mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum IngestMode {
    Pop,
    Subscribe,
    Http,
}

impl IngestMode {
    pub const ALL: [Self; 3] = [Self::Pop, Self::Subscribe, Self::Http];

    /// The value of the label `mode`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pop => "pop",
            Self::Subscribe => "subscribe",
            Self::Http => "http",
        }
    }
}

/// Payloads as received from CPA, not yet decoded: records of one mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub mode: IngestMode,
    pub received: UnixNanos,
    pub records: Vec<Bytes>,
}

/// The two control messages that CPA sends in a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// `{"support_refresh":true}`, the first message of a subscription.
    SupportRefresh,
    /// `{"refresh":true}`: accounts or configuration changed.
    Refresh,
}

impl Control {
    pub const ALL: [Self; 2] = [Self::SupportRefresh, Self::Refresh];

    /// The value of the label `message`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SupportRefresh => "support_refresh",
            Self::Refresh => "refresh",
        }
    }
}

/// Reason why a payload is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RejectReason {
    /// Not JSON.
    Json,
    /// JSON, but not a record.
    Shape,
    /// A number of the wrong type or out of range.
    Number,
    /// No timestamp, or an implausible one.
    Time,
    /// Larger or nested deeper than any record can be.
    Size,
}

impl RejectReason {
    pub const ALL: [Self; 5] = [
        Self::Json,
        Self::Shape,
        Self::Number,
        Self::Time,
        Self::Size,
    ];

    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Shape => "shape",
            Self::Number => "number",
            Self::Time => "time",
            Self::Size => "size",
        }
    }
}
