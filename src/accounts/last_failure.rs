//! The last failure of an account: its reason by the table of [`decode`](crate::decode), and the
//! reason of a cool-down where CPA itself gives none.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::cooldown_reason::CooldownReason;
use crate::decode::failure_reason;
use crate::model::FailureReason;

/// CPA's own words for a status; they stand in place of the upstream's text.
const WORDS_OF_CPA: [&str; 8] = [
    "unauthorized",
    "payment_required",
    "not_found",
    "quota exhausted",
    "transient upstream error",
    "cloudflare challenge",
    "invalid_grant",
    "request failed",
];
/// By these CPA tells a model that the upstream does not serve.
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
/// How much of a text is searched; error texts say what they mean early.
const LOOKED_AT: usize = 4096;

/// What CPA says of the last failure, without the text itself, which may hold secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastFailure {
    pub(super) reason: FailureReason,
    pub(super) cooldown: CooldownReason,
    /// Hash of CPA's status message; `None` when it is empty.
    message: Option<u64>,
}

/// A failure as CPA's errors channel describes it. Its texts may hold secrets, so that it has no `Debug`.
#[derive(Clone, Copy)]
pub(super) struct ChannelEvent<'a> {
    pub(super) provider: &'a str,
    /// 0 where CPA gives none.
    pub(super) status: u16,
    /// The upstream's text.
    pub(super) body: &'a str,
    /// Whether the failure changed the account's state. One that a client caused does not: the
    /// account's status message is then of an earlier failure.
    pub(super) changed_state: bool,
}

impl LastFailure {
    /// From CPA's list, which tells no status. `None` without a message.
    pub(super) fn listed(provider: &str, message: &str) -> Option<Self> {
        let message = message.trim();
        (!message.is_empty()).then(|| Self::new(provider, 0, message, message))
    }

    /// From the errors channel, beside this status message of the account or of a model.
    pub(super) fn heard(failure: ChannelEvent<'_>, message: &str) -> Option<Self> {
        let message = message.trim();
        if !failure.changed_state {
            return Self::listed(failure.provider, message);
        }
        let in_place_of_body = message.is_empty() || WORDS_OF_CPA.contains(&message);
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

    /// Whether CPA described both with the same message. `None` is a failure without any message.
    pub(super) fn is_same(one: Option<Self>, other: Option<Self>) -> bool {
        let message = |failure: Option<Self>| failure.and_then(|failure| failure.message);
        message(one) == message(other)
    }
}

fn fingerprint(message: &str) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    (!message.is_empty()).then(|| hasher.finish())
}

/// As CPA chooses the cool-down: by a few texts, then by status.
fn cooldown(reason: FailureReason, status: u16, text: &str) -> CooldownReason {
    let text = text
        .get(..text.floor_char_boundary(LOOKED_AT))
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
        CooldownReason::of_failure(reason)
    }
}

/// The table takes a refusal by Cloudflare for an upstream in trouble; a real one has a 5xx.
fn is_challenge(status: u16, text: &str) -> bool {
    let refused = matches!(status, 400..=499);
    refused || text.contains("cloudflare challenge") || text.contains("challenge-platform")
}
