use std::borrow::Cow;

use super::{Exhaustion, Failure, Masked, TokenQuality, Tokens, UnixNanos};

/// How the credential of a request logs in upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthType {
    Oauth,
    ApiKey,
    /// Keyless providers and whatever a later CPA may send.
    Unknown,
}

/// One upstream attempt as CPA reported it. Holds no secret in clear.
///
/// Text borrows from the payload where it could be taken as it stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// Start of this attempt.
    pub timestamp: UnixNanos,
    /// From the start to the moment CPA published the record.
    pub latency_ms: u64,
    /// To the first byte of the answer; 0 = unknown.
    pub ttft_ms: u64,
    /// The executor's identity, not the credential's provider.
    pub provider: Cow<'a, str>,
    pub executor: Cow<'a, str>,
    /// Upstream model.
    pub model: Cow<'a, str>,
    /// Model as the client named it.
    pub alias: Cow<'a, str>,
    /// `METHOD /route`, may be empty.
    pub endpoint: Cow<'a, str>,
    pub auth_type: AuthType,
    /// CPA's id of the credential; empty for plugin executors.
    pub auth_index: Cow<'a, str>,
    /// Whose credential served the request, as the record's `source` says it: the e-mail of an OAuth
    /// account, the project of a Vertex service account, an upstream key, or the client's key where
    /// CPA falls back to it. Each of them is personal or secret.
    pub source: Option<Masked>,
    /// The client's key; `None` without client authentication.
    pub client: Option<Masked>,
    /// Not unique: retries and extra models of one client request share it. May be empty.
    pub request_id: Cow<'a, str>,
    pub reasoning_effort: Cow<'a, str>,
    /// Tier the client asked for.
    pub service_tier: Cow<'a, str>,
    /// Tier the upstream reported; empty when it did not.
    pub response_service_tier: Cow<'a, str>,
    pub tokens: Tokens,
    pub quality: TokenQuality,
    pub failure: Option<Failure>,
    /// False only for prewarm requests, which generate nothing.
    pub generate: bool,
    /// Whether the answer was streamed; false when nothing says so.
    pub stream: bool,
    /// Quota headers of the upstream's answer (`X-Codex-*`, `Anthropic-Ratelimit-Unified-*`,
    /// `Retry-After`), names lower-cased; every other header is dropped at decode.
    pub quota_headers: Vec<(Box<str>, Cow<'a, str>)>,
    /// Set when the upstream refused because the account's plan is used up.
    pub exhaustion: Option<Exhaustion>,
    /// Tells re-deliveries of one record from different records with equal keys.
    pub digest: EventDigest,
}

/// Hash over a record's identity and content. Together with the timestamp it is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventDigest(pub i64);

impl Event<'_> {
    pub fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    /// When the attempt ended, which is when CPA published the record.
    pub fn finished(&self) -> UnixNanos {
        self.timestamp
            .saturating_add(std::time::Duration::from_millis(self.latency_ms))
    }
}
