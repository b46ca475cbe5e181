//! Why an attempt failed, from its status and the upstream's words.

use super::clean::cut;
use crate::model::FailureReason;

/// How much of a body is searched for words; error texts say what they mean early.
const LOOKED_AT: usize = 4096;

/// Words of a plan that is used up, as opposed to a rate that is too high.
const QUOTA: [&str; 3] = ["usage_limit", "usage limit", "quota"];
/// Google calls its rates quotas, too.
const RATE: [&str; 2] = ["per minute", "per second"];
const BILLING: [&str; 5] = [
    "billing",
    "payment",
    "credit balance",
    "insufficient balance",
    "past due",
];
/// Go's texts for a connection that failed before or during the answer.
const NETWORK: [&str; 14] = [
    "connection refused",
    "connection reset",
    "no such host",
    "dial tcp",
    "network is unreachable",
    "broken pipe",
    "tls:",
    "proxyconnect",
    "unexpected eof",
    "websocket: close",
    "goaway",
    "x509:",
    "stream disconnected",
    "stream closed",
];
const TIMEOUT: [&str; 3] = ["deadline exceeded", "timeout awaiting", "i/o timeout"];

pub(super) fn reason(status: u16, body: &str) -> FailureReason {
    let text = cut(body, LOOKED_AT).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let says_quota = || says(&QUOTA) && !says(&RATE);
    let says_network = || says(&NETWORK) || text.ends_with("eof");
    match status {
        429 if says_quota() => FailureReason::Quota,
        429 => FailureReason::RateLimit,
        402 => FailureReason::Billing,
        401 | 403 if says(&BILLING) => FailureReason::Billing,
        403 if says_quota() => FailureReason::Quota,
        401 | 403 => FailureReason::Auth,
        499 => FailureReason::Client,
        // How CPA reports a stream that ended early.
        408 if says_network() => FailureReason::Network,
        408 | 504 | 524 => FailureReason::Timeout,
        400..=498 if says_quota() => FailureReason::Quota,
        400 if says(&BILLING) => FailureReason::Billing,
        400..=498 => FailureReason::Invalid,
        529 => FailureReason::Overloaded,
        0 | 500..=599 if says(&TIMEOUT) => FailureReason::Timeout,
        0 | 500..=599 if says_network() => FailureReason::Network,
        503 => FailureReason::Overloaded,
        500..=599 if says(&["overloaded"]) => FailureReason::Overloaded,
        500..=599 => FailureReason::Upstream,
        // CPA had already sent its own 200 when it failed.
        200..=299 => FailureReason::Interrupted,
        _ => FailureReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::too_many_lines, reason = "a table")]
    #[test]
    fn captured_answers_have_the_right_reason() {
        use FailureReason as R;
        let table = [
            (
                429,
                r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached"}}"#,
                R::Quota,
            ),
            (
                429,
                r#"{"error":{"code":429,"message":"You exceeded your current quota."}}"#,
                R::Quota,
            ),
            (
                429,
                r#"{"error":{"message":"Rate limit reached for requests"}}"#,
                R::RateLimit,
            ),
            (
                429,
                r#"{"error":{"type":"rate_limit_error","message":"This request would exceed your account's rate limit."}}"#,
                R::RateLimit,
            ),
            (
                400,
                r#"{"error":{"message":"bad request: unknown field"}}"#,
                R::Invalid,
            ),
            (
                400,
                r#"{"error":{"message":"Your credit balance is too low"}}"#,
                R::Billing,
            ),
            (401, r#"{"error":{"message":"invalid x-api-key"}}"#, R::Auth),
            (403, r#"{"error":{"message":"upstream exploded"}}"#, R::Auth),
            (402, "", R::Billing),
            (
                404,
                r#"{"error":{"message":"model not found"}}"#,
                R::Invalid,
            ),
            (
                408,
                "stream error: stream disconnected before completion",
                R::Network,
            ),
            (499, "context canceled", R::Client),
            (
                500,
                r#"Post "https://example.com/responses": EOF"#,
                R::Network,
            ),
            (
                500,
                "read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer",
                R::Network,
            ),
            (500, "unexpected EOF", R::Network),
            (500, "context deadline exceeded", R::Timeout),
            (
                500,
                r#"{"error":{"message":"upstream exploded"}}"#,
                R::Upstream,
            ),
            (
                502,
                "<html><title>502 Bad gateway</title></html>",
                R::Upstream,
            ),
            (
                503,
                r#"{"error":{"message":"upstream exploded"}}"#,
                R::Overloaded,
            ),
            (
                529,
                r#"{"error":{"type":"overloaded_error"}}"#,
                R::Overloaded,
            ),
            (200, "unexpected EOF", R::Interrupted),
            (0, "", R::Other),
            (0, "dial tcp 127.0.0.1:1: connection refused", R::Network),
            (
                500,
                "websocket: close 1011 (internal server error)",
                R::Network,
            ),
            (524, "", R::Timeout),
            (206, "", R::Interrupted),
            (429, "Quota exceeded for requests per minute", R::RateLimit),
        ];
        for (status, body, expected) in table {
            assert_eq!(reason(status, body), expected, "{status} {body}");
        }
    }
}
