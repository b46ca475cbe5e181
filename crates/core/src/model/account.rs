use super::UnixNanos;

/// Prefix of the index of an account that CPA does not hold; the account's name follows. CPA's own
/// indexes never start with it.
pub const OWN_ACCOUNT: &str = "own:";

/// An account in CPA's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSeen {
    /// CPA's index of the credential.
    pub auth_index: Box<str>,
    /// The credential's own provider.
    pub provider: Box<str>,
    pub at: UnixNanos,
}
