use super::UnixNanos;

/// CPA has listed an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSeen {
    /// CPA's index of the credential.
    pub auth_index: Box<str>,
    /// The credential's own provider.
    pub provider: Box<str>,
    pub at: UnixNanos,
}
