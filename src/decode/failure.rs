//! Why an attempt failed, from its status and the upstream's words.

use crate::model::FailureReason;

/// How much of a body is searched for words; error texts say what they mean early.
const LOOKED_AT: usize = 4096;

/// Words of a plan that is used up, as opposed to a rate that is too high.
const QUOTA: [&str; 7] = [
    "usage_limit_reached",
    "usage limit",
    "insufficient_quota",
    "exceeded your current quota",
    "credential_quota",
    "quota exceeded",
    "quota_exceeded",
];
const BILLING: [&str; 5] = [
    "billing",
    "payment",
    "credit balance",
    "insufficient balance",
    "past due",
];
/// Go's texts for a connection that failed before or during the answer.
const NETWORK: [&str; 9] = [
    "connection refused",
    "connection reset",
    "no such host",
    "dial tcp",
    "network is unreachable",
    "broken pipe",
    "tls:",
    "proxyconnect",
    "unexpected eof",
];
const TIMEOUT: [&str; 3] = ["deadline exceeded", "timeout awaiting", "i/o timeout"];

pub(super) fn reason(status: u16, body: &str) -> FailureReason {
    let start = body
        .char_indices()
        .take_while(|(at, _)| *at < LOOKED_AT)
        .map(|(_, c)| c);
    let text: String = start.map(|c| c.to_ascii_lowercase()).collect();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match status {
        429 if says(&QUOTA) => FailureReason::Quota,
        429 => FailureReason::RateLimit,
        402 => FailureReason::Billing,
        401 | 403 if says(&BILLING) => FailureReason::Billing,
        403 if says(&QUOTA) => FailureReason::Quota,
        401 | 403 => FailureReason::Auth,
        499 => FailureReason::Client,
        408 | 504 => FailureReason::Timeout,
        400..=428 | 430..=498 if says(&QUOTA) => FailureReason::Quota,
        400 if says(&BILLING) => FailureReason::Billing,
        400..=428 | 430..=498 => FailureReason::Invalid,
        529 => FailureReason::Overloaded,
        500..=599 if says(&TIMEOUT) => FailureReason::Timeout,
        500..=599 if says(&NETWORK) || text.ends_with("eof") => FailureReason::Network,
        503 => FailureReason::Overloaded,
        500..=599 if says(&["overloaded"]) => FailureReason::Overloaded,
        500..=599 => FailureReason::Upstream,
        // CPA had already sent its own 200 when it failed.
        200 => FailureReason::Interrupted,
        _ => FailureReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                R::Timeout,
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
        ];
        for (status, body, expected) in table {
            assert_eq!(reason(status, body), expected, "{status} {body}");
        }
    }
}
