//! Kinds of upstream failures, their frequency and their error bodies.

use std::time::Duration;

use super::prng::Prng;
use super::world::Account;
use cpa_exporter_core::model::UnixNanos;

/// A used-up quota that refuses a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) reset: UnixNanos,
    /// Whether CPA starts a cool-down for all models of the credential, not only for the requested
    /// one.
    pub(crate) whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The plan is used up; Codex states the reset time.
    UsageLimit,
    RateLimit,
    Unauthorized,
    Server,
    /// An HTML page of a proxy in front of the upstream.
    BadGateway,
    Overloaded,
    /// The client disconnected; CPA does not count these.
    Canceled,
    /// The stream was interrupted after CPA had sent status 200.
    Cut,
}

impl Fault {
    /// About 4 % of requests fail.
    pub(crate) fn draw(prng: &mut Prng) -> Option<Self> {
        match prng.below(1000) {
            0..=11 => Some(Self::RateLimit),
            12..=13 => Some(Self::Unauthorized),
            14..=21 => Some(Self::Server),
            22..=24 => Some(Self::BadGateway),
            25..=28 => Some(Self::Overloaded),
            29..=36 => Some(Self::Canceled),
            37..=38 => Some(Self::Cut),
            _ => None,
        }
    }

    pub(crate) fn status(self) -> u64 {
        match self {
            Self::UsageLimit | Self::RateLimit => 429,
            Self::Unauthorized => 401,
            Self::Server => 500,
            Self::BadGateway => 502,
            Self::Overloaded => 503,
            Self::Canceled => 499,
            Self::Cut => 200,
        }
    }

    /// CPA's default cool-down after this failure, if the upstream states no time.
    pub(crate) fn built_in_rest(self) -> Option<Duration> {
        match self {
            // The upstream's `Retry-After`.
            Self::RateLimit => Some(Duration::from_secs(37)),
            Self::UsageLimit | Self::Unauthorized => Some(Duration::from_mins(30)),
            Self::Server | Self::BadGateway | Self::Overloaded => Some(Duration::from_mins(1)),
            Self::Canceled | Self::Cut => None,
        }
    }

    /// Whether CPA retries the request with the next credential.
    pub(crate) fn is_retried(self) -> bool {
        !matches!(self, Self::Canceled | Self::Cut)
    }

    /// Whether the upstream responded, so that there are headers.
    pub(crate) fn has_headers(self) -> bool {
        self != Self::Canceled
    }

    /// The error body. `reset` is the reset time of the quota that refused the request.
    pub(crate) fn body(self, account: &Account, reset: UnixNanos, now: UnixNanos) -> String {
        let provider = account.kind.provider;
        let left = reset.since(now).as_secs();
        let body = match (self, provider) {
            (Self::UsageLimit, "codex") => {
                let (plan, at) = (account.plan.name, reset.get().max(0) / 1_000_000_000);
                return format!(
                    r#"{{"error":{{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"{plan}","resets_at":{at},"resets_in_seconds":{left}}}}}"#
                );
            }
            (Self::UsageLimit, "antigravity" | "gemini-cli") => {
                return format!(
                    r#"{{"error":{{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"QUOTA_EXHAUSTED"}},{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{left}s"}}]}}}}"#
                );
            }
            (Self::UsageLimit, "openai-compatible-glm") => {
                r#"{"error":{"code":"1310","message":"Weekly/Monthly Limit Exhausted"}}"#
            }
            (Self::UsageLimit | Self::RateLimit, "claude") => {
                r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your account's rate limit. Please try again later."}}"#
            }
            (
                Self::UsageLimit | Self::RateLimit,
                "gemini" | "vertex" | "antigravity" | "gemini-cli",
            ) => {
                r#"{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17s"}]}}"#
            }
            (Self::UsageLimit | Self::RateLimit, _) => {
                r#"{"error":{"message":"Rate limit reached for requests","type":"requests","code":"rate_limit_exceeded"}}"#
            }
            (Self::Unauthorized, "kimi") => {
                r#"{"error":{"message":"Invalid Authentication","type":"invalid_authentication_error"}}"#
            }
            (Self::Unauthorized, _) => {
                r#"{"error":{"message":"Incorrect API key provided: sk-****","type":"invalid_request_error","code":"invalid_api_key"}}"#
            }
            (Self::Server, _) => {
                r#"{"error":{"message":"upstream exploded","type":"server_error","code":500}}"#
            }
            (Self::BadGateway, _) => return bad_gateway(),
            (Self::Overloaded, _) => {
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#
            }
            (Self::Canceled, _) => "context canceled",
            (Self::Cut, _) => "unexpected EOF",
        };
        body.to_owned()
    }
}

fn bad_gateway() -> String {
    let line = "<p>\u{dc}nicode &amp; <b>markup</b> \u{2603} cf-error-details</p>\n".repeat(24);
    format!("<html><head><title>502 Bad gateway</title></head><body>{line}</body></html>")
}
