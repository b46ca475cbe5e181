use std::time::Duration;

/// Why asking brought nothing. What to do about it is for whoever asks to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The token is expired or revoked; CPA may refresh it.
    #[error("the provider does not accept the token")]
    Unauthorized,
    /// Payment is due, or the workspace is deactivated.
    #[error("the provider wants to be paid")]
    Payment,
    /// Scope, region or feature; requests may work all the same.
    #[error("the provider does not show this account's quota")]
    Forbidden,
    /// The address is gone, or this account has no such thing.
    #[error("the provider knows no such quota")]
    Unsupported,
    /// The question itself came too often; says nothing about the account's quota.
    #[error("the provider was asked too often")]
    Throttled { retry_after: Option<Duration> },
    /// The provider or the way there is out of order.
    #[error("the provider could not answer")]
    Transient { retry_after: Option<Duration> },
    /// Another status than the known ones.
    #[error("the provider answered with status {0}")]
    Rejected(u16),
    #[error("the answer could not be read")]
    Parse(#[from] ParseError),
    /// A success by its status, a failure by its text.
    #[error("the answer reports failure {0}")]
    InBody(i64),
    /// The account lacks something that the question needs.
    #[error("the account's {0} is not known")]
    Incomplete(&'static str),
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("longer than any quota page")]
    Size,
    #[error("not JSON")]
    Json,
    /// JSON in which nothing known was found.
    #[error("nothing known in it")]
    Shape,
}

impl Failure {
    /// Every value of the label `reason`.
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
            Self::Incomplete(_) => "incomplete",
        }
    }

    /// How long the provider wants to be left alone.
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
            | Self::Incomplete(_) => None,
        }
    }

    pub(super) const fn transient() -> Self {
        Self::Transient { retry_after: None }
    }

    /// What a status says; `None` = success.
    pub(super) fn of_status(status: u16, retry_after: Option<Duration>) -> Option<Self> {
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

    /// Of two failures the one that tells more about the account.
    pub(super) fn or_telling(self, later: Self) -> Self {
        if later.weight() > self.weight() {
            later
        } else {
            self
        }
    }

    /// The same, where there may be none before.
    pub(super) fn telling(before: Option<Self>, later: Self) -> Self {
        before.map_or(later, |before| before.or_telling(later))
    }

    const fn weight(self) -> u8 {
        match self {
            Self::Unauthorized | Self::Payment => 5,
            Self::Forbidden | Self::Unsupported => 4,
            Self::Throttled { .. } => 3,
            Self::Transient { .. } => 2,
            Self::Rejected(_) | Self::InBody(_) | Self::Incomplete(_) => 1,
            Self::Parse(_) => 0,
        }
    }
}
