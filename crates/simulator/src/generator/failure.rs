//! What goes wrong upstream, how often, and what the error body looks like.

use super::json::{escaped, number, text};
use super::prng::Prng;
use super::world::Account;
use cpa_exporter_core::model::UnixNanos;

/// A used-up quota that refuses a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) reset: UnixNanos,
    /// Whether CPA lets all models of the credential rest for it, not only the one that was asked.
    pub(crate) whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The plan is used up; Codex says until when.
    UsageLimit,
    RateLimit,
    Unauthorized,
    Server,
    /// An HTML page of a proxy in front of the upstream.
    BadGateway,
    Overloaded,
    /// The client went away; CPA's own counters do not know these.
    Canceled,
    /// The stream broke after CPA had sent its own 200.
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

    /// CPA tries the next credential for these.
    pub(crate) fn is_retried(self) -> bool {
        !matches!(self, Self::Canceled | Self::Cut)
    }

    /// Whether the upstream answered at all, so that there are headers.
    pub(crate) fn has_headers(self) -> bool {
        self != Self::Canceled
    }

    /// Writes the body as the inside of a JSON string. `reset` is when the quota resets that refuses.
    pub(crate) fn body(
        self,
        out: &mut Vec<u8>,
        account: &Account,
        reset: UnixNanos,
        now: UnixNanos,
    ) {
        let provider = account.kind.provider;
        match self {
            Self::UsageLimit => match provider {
                "codex" => usage_limit(out, account.plan.name, reset, now),
                "antigravity" | "gemini-cli" => google(out, "QUOTA_EXHAUSTED", reset, now),
                "openai-compatible-glm" => escaped(
                    out,
                    r#"{"error":{"code":"1310","message":"Weekly/Monthly Limit Exhausted"}}"#,
                ),
                _ => escaped(out, rate_limit(provider)),
            },
            Self::RateLimit => escaped(out, rate_limit(provider)),
            Self::Unauthorized => escaped(out, unauthorized(provider)),
            Self::Server => escaped(
                out,
                r#"{"error":{"message":"upstream exploded","type":"server_error","code":500}}"#,
            ),
            Self::BadGateway => bad_gateway(out),
            Self::Overloaded => escaped(
                out,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            ),
            Self::Canceled => escaped(out, "context canceled"),
            Self::Cut => escaped(out, "unexpected EOF"),
        }
    }
}

fn rate_limit(provider: &str) -> &'static str {
    match provider {
        "claude" => {
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your account's rate limit. Please try again later."}}"#
        }
        "gemini" | "vertex" | "antigravity" | "gemini-cli" => {
            r#"{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17s"}]}}"#
        }
        _ => {
            r#"{"error":{"message":"Rate limit reached for requests","type":"requests","code":"rate_limit_exceeded"}}"#
        }
    }
}

fn unauthorized(provider: &str) -> &'static str {
    if provider == "kimi" {
        r#"{"error":{"message":"Invalid Authentication","type":"invalid_authentication_error"}}"#
    } else {
        r#"{"error":{"message":"Incorrect API key provided: sk-****","type":"invalid_request_error","code":"invalid_api_key"}}"#
    }
}

fn google(out: &mut Vec<u8>, reason: &str, reset: UnixNanos, now: UnixNanos) {
    escaped(
        out,
        r#"{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":""#,
    );
    escaped(out, reason);
    escaped(
        out,
        r#""},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":""#,
    );
    number(out, reset.since(now).as_secs());
    escaped(out, r#"s"}]}}"#);
}

fn usage_limit(out: &mut Vec<u8>, plan: &str, reset: UnixNanos, now: UnixNanos) {
    escaped(
        out,
        r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":""#,
    );
    escaped(out, plan);
    escaped(out, r#"","resets_at":"#);
    number(out, u64::try_from(reset.get() / 1_000_000_000).unwrap_or(0));
    escaped(out, r#","resets_in_seconds":"#);
    number(out, reset.since(now).as_secs());
    text(out, "}}");
}

fn bad_gateway(out: &mut Vec<u8>) {
    escaped(
        out,
        "<html><head><title>502 Bad gateway</title></head><body>",
    );
    for _ in 0..24 {
        escaped(
            out,
            "<p>\u{dc}nicode &amp; <b>markup</b> \u{2603} cf-error-details</p>\n",
        );
    }
    escaped(out, "</body></html>");
}
