/// Reason of a failed request, as far as the response states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureReason {
    RateLimit,
    /// The account's plan is used up until its reset.
    Quota,
    Auth,
    Billing,
    Invalid,
    /// The client disconnected (499).
    Client,
    Timeout,
    Overloaded,
    Upstream,
    Network,
    /// Failed after CPA had sent status 200.
    Interrupted,
    Other,
}

impl FailureReason {
    pub const ALL: [Self; 12] = [
        Self::RateLimit,
        Self::Quota,
        Self::Auth,
        Self::Billing,
        Self::Invalid,
        Self::Client,
        Self::Timeout,
        Self::Overloaded,
        Self::Upstream,
        Self::Network,
        Self::Interrupted,
        Self::Other,
    ];

    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
            Self::Auth => "auth",
            Self::Billing => "billing",
            Self::Invalid => "invalid",
            Self::Client => "client",
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
            Self::Upstream => "upstream",
            Self::Network => "network",
            Self::Interrupted => "interrupted",
            Self::Other => "other",
        }
    }

    /// Stable number for the database: the position in [`Self::ALL`].
    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status as CPA reports it; 200 is possible (interrupted after CPA sent 200).
    pub status: u16,
    pub reason: FailureReason,
    /// Start of the upstream's error text, secrets masked; empty if there is none.
    pub excerpt: Box<str>,
}
