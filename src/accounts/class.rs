//! What a status message is about. It is CPA's word or the upstream's whole answer.

use serde::Deserialize;

use super::lenient::lenient;
use crate::model::FailureReason;

/// How much of a message is searched for words; error texts say what they mean early.
const LOOKED_AT: usize = 4096;

const QUOTA: &[&str] = &["usage_limit", "usage limit", "quota"];
/// Google calls its rates quotas, too.
const RATE: &[&str] = &["per minute", "per second"];

/// In the order of trust.
const WORDS: &[(FailureReason, &[&str])] = &[
    (
        FailureReason::Billing,
        &[
            "payment",
            "billing",
            "credit balance",
            "insufficient balance",
            "past due",
        ],
    ),
    (
        FailureReason::RateLimit,
        &["rate_limit", "rate limit", "too many requests"],
    ),
    (
        FailureReason::Auth,
        &[
            "unauthorized",
            "unauthenticated",
            "authentication",
            "invalid_grant",
            "permission",
            "forbidden",
            "token expired",
            "token_expired",
            "token is expired",
            "revoked",
            "deactivated",
            "invalid api key",
            "invalid x-api-key",
        ],
    ),
    (FailureReason::Overloaded, &["overloaded"]),
    (FailureReason::Timeout, &["timeout", "deadline exceeded"]),
    (
        FailureReason::Network,
        &[
            "connection re",
            "no such host",
            "dial tcp",
            "unexpected eof",
            "tls:",
        ],
    ),
    (
        FailureReason::Upstream,
        &[
            "server_error",
            "internal error",
            "transient",
            "bad gateway",
            "cloudflare",
        ],
    ),
    (
        FailureReason::Invalid,
        &[
            "not_found",
            "not found",
            "not supported",
            "model_not",
            "invalid_request",
        ],
    ),
];

/// The upstream's answer, as far as it tells a status.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    #[serde(deserialize_with = "lenient")]
    error: Option<Inner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner {
    #[serde(deserialize_with = "lenient")]
    code: Option<u16>,
    #[serde(deserialize_with = "lenient")]
    status: Option<u16>,
}

/// The class of a message; `None` when there is none.
pub(super) fn of_message(message: &str) -> Option<FailureReason> {
    let message = message.trim();
    if message.is_empty() {
        return None;
    }
    let inner = serde_json::from_str::<Answer>(message)
        .unwrap_or_default()
        .error;
    let status = inner.and_then(|inner| inner.code.or(inner.status));
    Some(classify(status.unwrap_or(0), message))
}

/// `status` is 0 where none is known.
pub(super) fn classify(status: u16, message: &str) -> FailureReason {
    let text = start(message).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(QUOTA) && !says(RATE) && matches!(status, 0 | 400..=499) {
        return FailureReason::Quota;
    }
    let by_words = WORDS
        .iter()
        .find(|(_, words)| says(words))
        .map(|(class, _)| *class);
    match status {
        402 => FailureReason::Billing,
        401 | 403 if by_words == Some(FailureReason::Billing) => FailureReason::Billing,
        401 | 403 => FailureReason::Auth,
        429 => FailureReason::RateLimit,
        408 | 504 | 524 => FailureReason::Timeout,
        503 | 529 => FailureReason::Overloaded,
        500..=599 => FailureReason::Upstream,
        0 if says(QUOTA) => FailureReason::RateLimit,
        0 | 400..=498 => by_words.unwrap_or(FailureReason::Other),
        _ => FailureReason::Other,
    }
}

fn start(text: &str) -> &str {
    let mut end = text.len().min(LOOKED_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_cpa_and_of_upstreams_are_told_apart() {
        use FailureReason as R;
        let table = [
            (
                r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"plus"}}"#,
                R::Quota,
            ),
            (
                r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your account's rate limit."}}"#,
                R::RateLimit,
            ),
            (
                r#"{"error":{"message":"Invalid Authentication","type":"invalid_authentication_error"}}"#,
                R::Auth,
            ),
            (
                r#"{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}"#,
                R::Auth,
            ),
            (
                r#"{"error":{"message":"upstream exploded","type":"server_error","code":500}}"#,
                R::Upstream,
            ),
            (
                r#"{"error":{"code":429,"message":"Quota exceeded for requests per minute"}}"#,
                R::RateLimit,
            ),
            (
                r#"{"error":{"message":"Your credit balance is too low"}}"#,
                R::Billing,
            ),
            ("unauthorized", R::Auth),
            ("payment_required", R::Billing),
            ("quota exhausted", R::Quota),
            ("transient upstream error", R::Upstream),
            ("<html><title>Bad gateway</title>", R::Upstream),
            ("what is this", R::Other),
            (r#"{"error":"a text"}"#, R::Other),
            (r#"{"error":{"code":"-1"}}"#, R::Other),
        ];
        for (message, class) in table {
            assert_eq!(of_message(message), Some(class), "{message}");
        }
        assert_eq!(of_message(" "), None);
        let long = "é".repeat(LOOKED_AT);
        assert_eq!(of_message(&long), Some(R::Other));
    }
}
