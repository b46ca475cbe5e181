//! Parses quota data that arrives without a poll: quota headers in usage records and in CPA's list
//! of credentials, and refusals with a reset time.

mod anthropic;
mod codex;

use std::borrow::Cow;

use crate::model::{
    AuthType, Event, Exhaustion, Limit, QuotaAnswer, Reading, Scope, UnixNanos, Window,
};

/// Parses the readings in a set of headers. Names are case-insensitive: records have lower case,
/// CPA's `quota.signals` canonical form.
pub fn headers<'a>(
    provider: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    observed: UnixNanos,
) -> QuotaAnswer {
    read(provider, &Headers::new(headers), observed)
}

fn read(provider: &str, headers: &Headers<'_>, observed: UnixNanos) -> QuotaAnswer {
    match provider {
        "codex" => codex::read(headers, observed),
        "claude" => anthropic::read(headers, observed),
        _ => QuotaAnswer::default(),
    }
}

/// Quota data in a usage record.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    pub at: UnixNanos,
    pub headers: QuotaAnswer,
    /// The used-up limit, if the upstream refused because of it. Its window is known only if the
    /// headers contain one with the same reset time; else it is `unknown`.
    pub refusal: Option<Reading>,
}

/// An observation with the account that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaSign {
    /// CPA's index of the credential.
    pub auth_index: Box<str>,
    /// The executor's identity, which is the credential's provider where headers show quotas.
    pub provider: Box<str>,
    pub observed: Observed,
}

/// Reads a request's record.
///
/// CPA stores the headers per client request, not per attempt: an attempt without a response has
/// those of the previous attempt, from another account. So headers are used on success, and on a
/// refusal by the upstream because of a quota.
pub fn event(event: &Event<'_>) -> Option<Observed> {
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
    let at = seen_at(event);
    let pairs = event.quota_headers.iter();
    let found = Headers::new(pairs.map(|(name, value)| (name.as_ref(), value.as_ref())));
    let headers = read(&event.provider, &found, at);
    let refusal = event.exhaustion.as_ref().and_then(|exhaustion| {
        let row = refusal(&event.provider, &event.model, &found, exhaustion)?;
        Some(row.resolve_window(&headers.readings))
    });
    let is_informative = headers != QuotaAnswer::default() || refusal.is_some();
    is_informative.then_some(Observed {
        at,
        headers,
        refusal,
    })
}

/// Arrival time of a request's headers: with the first byte of the response.
pub fn seen_at(event: &Event<'_>) -> UnixNanos {
    let wait = std::time::Duration::from_millis(event.ttft_ms);
    event.timestamp.saturating_add(wait)
}

/// Parses the refusal itself; the headers name Codex's active limit.
fn refusal(
    provider: &str,
    model: &str,
    headers: &Headers<'_>,
    exhaustion: &Exhaustion,
) -> Option<Reading> {
    let (limit, scope) = match provider {
        "codex" => codex::active_limit(headers),
        // Google's pools are per model.
        _ => (Limit::new(model)?, Scope::Model),
    };
    let row = Reading::new(limit, Window::UNKNOWN, scope)
        .with_reset(exhaustion.resets_at)
        .with_exhausted(Some(true));
    Some(row)
}

/// Headers with names in lower case; of duplicates, the first non-empty one.
struct Headers<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Headers<'a> {
    fn new(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let lower = |name: &'a str| {
            if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                Cow::Owned(name.to_ascii_lowercase())
            } else {
                Cow::Borrowed(name)
            }
        };
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name, value.trim()));
        let headers = headers.filter(|(_, value)| !value.is_empty());
        Self(headers.map(|(name, value)| (lower(name), value)).collect())
    }

    /// The value of the header whose name these parts make up. Every record asks for several, so no
    /// name is put together.
    fn get(&self, parts: &[&str]) -> Option<&'a str> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let is_it = |name: &str| {
            let mut parts = parts.iter();
            let mut rest = || parts.try_fold(name, |rest, part| rest.strip_prefix(part));
            name.len() == length && rest() == Some("")
        };
        let found = self.0.iter().find(|(name, _)| is_it(name));
        found.map(|(_, value)| *value)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }
}
