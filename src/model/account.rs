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

/// What a record says about its account's quota: the upstream's headers, or its refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaSign {
    pub auth_index: Box<str>,
    /// The executor's identity.
    pub provider: Box<str>,
    /// End of the request.
    pub at: UnixNanos,
    /// Names are in lower case.
    pub headers: Vec<(Box<str>, Box<str>)>,
    pub failure: Option<Refused>,
}

/// A failed request, as far as quotas are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    /// Start of the upstream's answer, secrets masked.
    pub excerpt: Box<str>,
}
