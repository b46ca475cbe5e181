use std::time::Duration;

/// Reason why a poll failed. The caller decides how to react.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The token is expired or revoked; CPA may refresh it.
    #[error("the provider rejected the token")]
    Unauthorized,
    /// Payment is due, or the workspace is deactivated.
    #[error("the provider requires payment")]
    Payment,
    /// Missing scope, region or feature; proxied requests may still work.
    #[error("the provider denies access to this account's quota")]
    Forbidden,
    /// The endpoint is gone, or this account has no such quota.
    #[error("the provider has no such quota")]
    Unsupported,
    /// Too many polls; says nothing about the account's quota.
    #[error("the provider limits the rate of polls")]
    Throttled { retry_after: Option<Duration> },
    /// The provider or the connection to it fails temporarily.
    #[error("the provider is unavailable")]
    Transient { retry_after: Option<Duration> },
    /// An unexpected status.
    #[error("the provider returned status {0}")]
    Rejected(u16),
    #[error("the response is invalid")]
    Parse(#[from] ParseError),
    /// Success by its status, failure by its body.
    #[error("the response reports error {0}")]
    InBody(i64),
    /// CPA itself is unavailable, which says nothing about the account.
    #[error("CPA is unavailable")]
    NoContact,
    /// The account lacks a field that the request needs.
    #[error("the account's {0} is unknown")]
    Incomplete(&'static str),
}

/// What is wrong with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("too long for a quota response")]
    Size,
    #[error("not JSON")]
    Json,
    /// JSON without any known field.
    #[error("no known field")]
    Shape,
}

impl Failure {
    /// Every value of the label `reason`: without `no_contact`, because no poll took place.
    pub const REASONS: [&'static str; 10] = [
        "unauthorized",
        "payment",
        "forbidden",
        "unsupported",
        "throttled",
        "transient",
        "rejected",
        "parse",
        "in_body",
        "incomplete",
    ];

    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Payment => "payment",
            Self::Forbidden => "forbidden",
            Self::Unsupported => "unsupported",
            Self::Throttled { .. } => "throttled",
            Self::Transient { .. } => "transient",
            Self::Rejected(_) => "rejected",
            Self::Parse(_) => "parse",
            Self::InBody(_) => "in_body",
            Self::NoContact => "no_contact",
            Self::Incomplete(_) => "incomplete",
        }
    }

    /// Delay that the provider requests.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Transient { retry_after } => retry_after,
            Self::Unauthorized
            | Self::Payment
            | Self::Forbidden
            | Self::Unsupported
            | Self::Rejected(_)
            | Self::Parse(_)
            | Self::InBody(_)
            | Self::NoContact
            | Self::Incomplete(_) => None,
        }
    }

    pub(super) const fn transient() -> Self {
        Self::Transient { retry_after: None }
    }

    /// Classifies a status; `None` = success.
    pub(super) fn from_status(status: u16, retry_after: Option<Duration>) -> Option<Self> {
        Some(match status {
            200..=299 => return None,
            401 => Self::Unauthorized,
            402 => Self::Payment,
            403 => Self::Forbidden,
            404 | 405 | 410 => Self::Unsupported,
            429 => Self::Throttled { retry_after },
            408 | 500..=599 => Self::Transient { retry_after },
            other => Self::Rejected(other),
        })
    }

    /// Of two failures, the one that is more specific about the account.
    pub(super) fn or_more_specific(self, later: Self) -> Self {
        if later.weight() > self.weight() {
            later
        } else {
            self
        }
    }

    /// Like [`Self::or_more_specific`], without a first failure if there is none.
    pub(super) fn more_specific(before: Option<Self>, later: Self) -> Self {
        before.map_or(later, |before| before.or_more_specific(later))
    }

    const fn weight(self) -> u8 {
        match self {
            Self::Unauthorized | Self::Payment => 5,
            Self::Forbidden | Self::Unsupported => 4,
            Self::Throttled { .. } => 3,
            Self::Transient { .. } => 2,
            Self::Rejected(_) | Self::InBody(_) | Self::Incomplete(_) => 1,
            Self::Parse(_) | Self::NoContact => 0,
        }
    }
}
