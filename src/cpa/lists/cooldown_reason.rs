//! Reasons of cool-downs.

use crate::model::FailureReason;

/// Reason of a cool-down, in v8's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CooldownReason {
    Quota,
    /// A window of the whole credential, not of one model.
    CredentialQuota,
    CloudflareChallenge,
    Unauthorized,
    PaymentRequired,
    NotFound,
    ModelNotSupported,
    InvalidGrant,
    TransientError,
    Unknown,
}

impl CooldownReason {
    pub const ALL: [Self; 10] = [
        Self::Quota,
        Self::CredentialQuota,
        Self::CloudflareChallenge,
        Self::Unauthorized,
        Self::PaymentRequired,
        Self::NotFound,
        Self::ModelNotSupported,
        Self::InvalidGrant,
        Self::TransientError,
        Self::Unknown,
    ];

    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::CredentialQuota => "credential_quota",
            Self::CloudflareChallenge => "cloudflare_challenge",
            Self::Unauthorized => "unauthorized",
            Self::PaymentRequired => "payment_required",
            Self::NotFound => "not_found",
            Self::ModelNotSupported => "model_not_supported",
            Self::InvalidGrant => "invalid_grant",
            Self::TransientError => "transient_error",
            Self::Unknown => "unknown",
        }
    }

    /// Accepts blanks and underscores, because CPA writes both.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let same = |reason: &Self| {
            let ours = reason.as_str().bytes();
            let theirs = text
                .trim()
                .bytes()
                .map(|b| if b == b' ' { b'_' } else { b });
            ours.eq(theirs)
        };
        Self::ALL.into_iter().find(same)
    }

    /// The cool-down reason for a failure, where CPA states none.
    pub(crate) const fn from_failure(reason: FailureReason) -> Self {
        use FailureReason as Reason;
        match reason {
            Reason::Quota | Reason::RateLimit => Self::Quota,
            Reason::Auth => Self::Unauthorized,
            Reason::Billing => Self::PaymentRequired,
            Reason::Timeout
            | Reason::Overloaded
            | Reason::Upstream
            | Reason::Network
            | Reason::Interrupted => Self::TransientError,
            Reason::Invalid | Reason::Client | Reason::Other => Self::Unknown,
        }
    }

    /// Whether the cool-down lasts until somebody intervenes.
    pub(crate) const fn needs_intervention(self) -> bool {
        matches!(
            self,
            Self::Unauthorized | Self::PaymentRequired | Self::InvalidGrant
        )
    }
}
