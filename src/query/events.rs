//! Single events.

use std::fmt;
use std::str::FromStr;

use super::error::QueryError;
use super::figures::{float, token_counts, usd};
use super::filter::{Filter, resolve};
use super::group::Group;
use super::names::Names;
use super::period::Span;
use crate::api::{Event, EventPage};
use crate::model::UnixNanos;
use crate::store::{EventKey, EventQuery, EventRow, Reader};

/// Selects events.
#[derive(Clone, Debug)]
pub struct EventQuestion {
    pub span: Span,
    pub filters: Vec<Filter>,
    /// Only failures, or only successes.
    pub failed: Option<bool>,
    pub min_latency_ms: u64,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// Most events of the page.
    pub limit: u32,
}

/// Place in the order of events, as text for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(EventKey);

/// Text that is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of a page of events")]
pub struct InvalidCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{:016x}",
            self.0.at.get(),
            self.0.digest.cast_unsigned()
        )
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (at, digest) = text.split_once('-').ok_or(InvalidCursor)?;
        let at = at.parse().map_err(|_no_number| InvalidCursor)?;
        let digest = u64::from_str_radix(digest, 16).map_err(|_no_number| InvalidCursor)?;
        Ok(Self(EventKey {
            at: UnixNanos::new(at),
            digest: digest.cast_signed(),
        }))
    }
}

/// The newest of the selected events.
pub fn events(
    reader: &Reader,
    names: &Names,
    question: &EventQuestion,
) -> Result<EventPage, QueryError> {
    let rows = reader.events(&EventQuery {
        from: question.span.from,
        to: question.span.to,
        before: question.cursor.map(|cursor| cursor.0),
        filters: resolve(&question.filters, names)?,
        failed: question.failed,
        min_latency_ms: question.min_latency_ms,
        // One more tells whether there is another page.
        limit: question.limit.saturating_add(1),
    })?;
    let limit = usize::try_from(question.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    let last = rows.iter().take(limit).next_back().filter(|_| has_more);
    Ok(EventPage {
        cursor: last.map(|row| Cursor(row.key).to_string()),
        events: rows
            .iter()
            .take(limit)
            .map(|row| event(row, names))
            .collect(),
    })
}

fn event(row: &EventRow, names: &Names) -> Event {
    let name = |group: Group, id: u32| {
        let key = group.key();
        key.map_or_else(String::new, |key| names.of(key, id).to_string())
    };
    let seconds = |millis: u64| float(millis) / 1000.0;
    Event {
        id: Cursor(row.key).to_string(),
        time: row.key.at.as_seconds(),
        provider: name(Group::Provider, row.provider),
        model: name(Group::Model, row.model),
        alias: name(Group::Alias, row.alias),
        endpoint: name(Group::Endpoint, row.endpoint),
        account: name(Group::Account, row.account),
        client: name(Group::Client, row.client),
        service_tier: name(Group::ServiceTier, row.service_tier),
        reasoning_effort: name(Group::ReasoningEffort, row.reasoning_effort),
        failed: row.failed,
        generate: row.generate,
        imported: row.imported,
        latency: seconds(row.latency_ms),
        time_to_first_token: row.ttft_ms.map(seconds),
        tokens: token_counts(row.tokens.by_kind()),
        request_id: row.request_id.clone(),
        code: row.status,
        reason: row.reason.map(|reason| name(Group::Reason, reason)),
        error: row.error.clone(),
        cost_usd: row.cost.map(usd),
        value_usd: row.value.map(usd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back() {
        for (at, digest) in [
            (0, 0),
            (i64::MAX, i64::MIN),
            (1_796_083_200_000_000_000, -1),
        ] {
            let at = UnixNanos::new(at);
            let cursor = Cursor(EventKey { at, digest });
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "1", "1-", "x-0", "1-g"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
