use std::borrow::Cow;

use super::{Exhaustion, Failure, Masked, TokenQuality, Tokens, UnixNanos};

/// How a credential authenticates upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthType {
    Oauth,
    ApiKey,
    /// Keyless providers, and types that a later CPA adds.
    Unknown,
}

/// One upstream attempt as CPA reported it. Contains no secret in clear.
///
/// Text borrows from the payload wherever the payload needs no unescaping.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// Start of this attempt.
    pub timestamp: UnixNanos,
    /// From the start until CPA published the record.
    pub latency_ms: u64,
    /// From the start to the first byte of the response; 0 = unknown.
    pub ttft_ms: u64,
    /// The executor's identity, not the credential's provider.
    pub provider: Cow<'a, str>,
    pub executor: Cow<'a, str>,
    /// Upstream model.
    pub model: Cow<'a, str>,
    /// Model as the client requested it.
    pub alias: Cow<'a, str>,
    /// `METHOD /route`, may be empty.
    pub endpoint: Cow<'a, str>,
    pub auth_type: AuthType,
    /// CPA's id of the credential; empty for plugin executors.
    pub auth_index: Cow<'a, str>,
    /// The record's `source`, which identifies the credential: the e-mail of an OAuth account, the
    /// project of a Vertex service account, an upstream key, or the client's key where CPA falls
    /// back to it. All of these are personal or secret.
    pub source: Option<Masked>,
    /// The client's key; `None` without client authentication.
    pub client: Option<Masked>,
    /// Not unique: retries and extra models of one client request share it. May be empty.
    pub request_id: Cow<'a, str>,
    pub reasoning_effort: Cow<'a, str>,
    /// Tier the client requested.
    pub service_tier: Cow<'a, str>,
    /// Tier the upstream reported; empty if it reported none.
    pub response_service_tier: Cow<'a, str>,
    pub tokens: Tokens,
    pub quality: TokenQuality,
    pub failure: Option<Failure>,
    /// False only for prewarm requests, which generate nothing.
    pub generate: bool,
    /// Whether the response was streamed; false if the record does not say.
    pub stream: bool,
    /// Quota headers of the upstream response (`X-Codex-*`, `Anthropic-Ratelimit-Unified-*`,
    /// `Retry-After`), names in lower case; decode drops all other headers.
    pub quota_headers: Vec<(Box<str>, Cow<'a, str>)>,
    /// Set if the upstream refused because the account's plan is used up.
    pub exhaustion: Option<Exhaustion>,
    /// Distinguishes a redelivered record from a different record with the same key.
    pub digest: EventDigest,
}

/// Hash of a record's identity and content. Unique together with the timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventDigest(pub i64);

impl Event<'_> {
    pub fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    /// End of the attempt, when CPA published the record.
    pub fn finished(&self) -> UnixNanos {
        self.timestamp
            .saturating_add(std::time::Duration::from_millis(self.latency_ms))
    }
}
