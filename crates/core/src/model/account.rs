use super::UnixNanos;

/// What the index of an account begins with that CPA does not hold; its name follows. No index of
/// CPA begins so.
pub const OWN_ACCOUNT: &str = "own:";

/// CPA has listed an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSeen {
    /// CPA's index of the credential.
    pub auth_index: Box<str>,
    /// The credential's own provider.
    pub provider: Box<str>,
    pub at: UnixNanos,
}
