//! What arrives without asking: quota headers in records of requests and in CPA's list of
//! credentials, and refusals that say until when.

mod anthropic;
mod codex;

use crate::model::{
    AuthType, Event, Exhaustion, Limit, QuotaAnswer, Reading, Scope, UnixNanos, Window,
};

/// The rows in a set of headers. Names may be in any case: records have them lowered, CPA's
/// `quota.signals` canonical.
pub fn headers<'a>(
    provider: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    observed: UnixNanos,
) -> QuotaAnswer {
    match provider {
        "codex" => codex::read(&Found::new(headers), observed),
        "claude" => anthropic::read(&Found::new(headers), observed),
        _ => QuotaAnswer::default(),
    }
}

/// What a request's record tells about its account, and when that was so.
///
/// CPA keeps the headers per client request, not per attempt: an attempt that got no answer
/// carries those of the attempt before, of another account. So they count on success, and with
/// the one failure that is the upstream's own word on quotas.
pub fn event(event: &Event<'_>) -> Option<(UnixNanos, QuotaAnswer)> {
    if event.auth_type != AuthType::Oauth || event.auth_index.is_empty() {
        return None;
    }
    let is_refused = event
        .failure
        .as_ref()
        .is_some_and(|failure| failure.status == 429);
    if !event.is_success() && !is_refused {
        return None;
    }
    let wait = std::time::Duration::from_millis(event.ttft_ms);
    let observed = event.timestamp.saturating_add(wait);
    let pairs = event.quota_headers.iter();
    let pairs = pairs.map(|(name, value)| (name.as_ref(), value.as_ref()));
    let answer = headers(&event.provider, pairs, observed);
    (answer != QuotaAnswer::default()).then_some((observed, answer))
}

/// A refusal says that a limit is used up and until when, but not which of the windows it is:
/// whoever knows the windows finds it by the time of the reset.
pub fn exhausted(exhaustion: &Exhaustion) -> Reading {
    Reading::new(Limit::main(), Window::UNKNOWN, Scope::Account)
        .with_reset(exhaustion.resets_at)
        .with_exhausted(Some(true))
}

/// Headers by lower-cased name; of two with one name the first that says something.
struct Found<'a>(std::collections::BTreeMap<String, &'a str>);

impl<'a> Found<'a> {
    fn new(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut found = std::collections::BTreeMap::new();
        for (name, value) in headers {
            let value = value.trim();
            if !value.is_empty() {
                found.entry(name.to_ascii_lowercase()).or_insert(value);
            }
        }
        Self(found)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
