//! The last failure of an account. Its reason comes from the table of [`decode`](crate::decode), as
//! does the reason of a cool-down if CPA states none.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::cooldown_reason::CooldownReason;
use crate::decode::failure_reason;
use crate::model::FailureReason;

/// CPA's own texts for a status, which replace the upstream's text.
const CPA_MESSAGES: [&str; 8] = [
    "unauthorized",
    "payment_required",
    "not_found",
    "quota exhausted",
    "transient upstream error",
    "cloudflare challenge",
    "invalid_grant",
    "request failed",
];
/// CPA's markers of a model that the upstream does not support.
const MODEL_NOT_SUPPORTED: [&str; 8] = [
    "model_not_supported",
    "model is not supported",
    "model is unsupported",
    "model is unavailable",
    "model not supported",
    "unsupported model",
    "model unavailable",
    "not available for your ",
];
/// Maximum length of text to search; error texts state the reason early.
const MAX_SEARCHED: usize = 4096;

/// Classification of the last failure, without its text, which may contain secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastFailure {
    pub(crate) reason: FailureReason,
    pub(crate) cooldown: CooldownReason,
    /// Hash of CPA's status message; `None` if it is empty.
    message: Option<u64>,
}

/// A failure from CPA's errors channel. Its texts may contain secrets, so it has no `Debug`.
#[derive(Clone, Copy)]
pub(crate) struct ChannelEvent<'a> {
    pub(crate) provider: &'a str,
    /// 0 if CPA reports none.
    pub(crate) status: u16,
    /// The upstream's text.
    pub(crate) body: &'a str,
    /// Whether the failure changed the account's state. A failure caused by a client does not: the
    /// account's status message then belongs to an earlier failure.
    pub(crate) changed_state: bool,
}

impl LastFailure {
    /// Classifies a message of CPA's list, which has no HTTP status. `None` without a message.
    pub(crate) fn from_message(provider: &str, message: &str) -> Option<Self> {
        let message = message.trim();
        (!message.is_empty()).then(|| Self::new(provider, 0, message, message))
    }

    /// Classifies an event of the errors channel; `message` is the status message of the account or
    /// model.
    pub(crate) fn from_event(failure: ChannelEvent<'_>, message: &str) -> Option<Self> {
        let message = message.trim();
        if !failure.changed_state {
            return Self::from_message(failure.provider, message);
        }
        let in_place_of_body = message.is_empty() || CPA_MESSAGES.contains(&message);
        let text = if in_place_of_body {
            failure.body
        } else {
            message
        };
        let known = failure.status != 0 || !text.trim().is_empty();
        known.then(|| Self::new(failure.provider, failure.status, text, message))
    }

    fn new(provider: &str, status: u16, text: &str, message: &str) -> Self {
        let reason = failure_reason(provider, status, text);
        Self {
            reason,
            cooldown: cooldown(reason, status, text),
            message: fingerprint(message),
        }
    }

    /// Whether both have the same message from CPA. `None` is a failure without a message.
    pub(crate) fn is_same(one: Option<Self>, other: Option<Self>) -> bool {
        let message = |failure: Option<Self>| failure.and_then(|failure| failure.message);
        message(one) == message(other)
    }
}

fn fingerprint(message: &str) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    (!message.is_empty()).then(|| hasher.finish())
}

/// Like CPA's choice of a cool-down: by certain texts, then by status.
fn cooldown(reason: FailureReason, status: u16, text: &str) -> CooldownReason {
    let text = text
        .get(..text.floor_char_boundary(MAX_SEARCHED))
        .unwrap_or(text)
        .to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let invalid = reason == FailureReason::Invalid;
    if reason == FailureReason::Auth && says(&["invalid_grant"]) {
        CooldownReason::InvalidGrant
    } else if reason == FailureReason::Upstream && is_challenge(status, &text) {
        CooldownReason::CloudflareChallenge
    } else if invalid && says(&MODEL_NOT_SUPPORTED) {
        CooldownReason::ModelNotSupported
    } else if invalid && (status == 404 || says(&["not_found", "not found"])) {
        CooldownReason::NotFound
    } else {
        CooldownReason::from_failure(reason)
    }
}

/// The table classifies a Cloudflare challenge as an upstream failure; a real upstream failure has
/// a 5xx.
fn is_challenge(status: u16, text: &str) -> bool {
    let refused = matches!(status, 400..=499);
    refused || text.contains("cloudflare challenge") || text.contains("challenge-platform")
}
