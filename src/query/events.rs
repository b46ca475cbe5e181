//! Single events.

use std::fmt;
use std::str::FromStr;

use super::error::QueryError;
use super::figures::{float, token_counts, usage, usd};
use super::filter::Filters;
use super::group::Group;
use super::names::Names;
use super::period::Span;
use crate::api::{Event, EventPage, Usage};
use crate::model::UnixNanos;
use crate::store::{
    EventFilter, EventKey, EventOrder, EventPlace, EventQuery, EventRow, Reader, UsageQuery,
    UsageSums,
};

/// Selects events.
#[derive(Clone, Debug)]
pub struct EventQuestion {
    pub span: Span,
    pub filters: Filters,
    pub order: EventOrder,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// Most events of the page.
    pub limit: u32,
    /// Also sum up all selected events, whatever the page.
    pub sums: bool,
}

/// Place in the order of events, as text for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(EventPlace);

/// Text that is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of a page of events")]
pub struct InvalidCursor;

/// The value is left out where it is 0, as in the order of time.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EventPlace { value, key } = self.0;
        let digest = key.digest.cast_unsigned();
        write!(f, "{}-{digest:016x}", key.at.get())?;
        match value {
            0 => Ok(()),
            value => write!(f, "-{}", value.cast_unsigned()),
        }
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut parts = text.split('-');
        let (Some(at), Some(digest), value, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidCursor);
        };
        let at = at.parse().map_err(|_no_number| InvalidCursor)?;
        let digest = u64::from_str_radix(digest, 16).map_err(|_no_number| InvalidCursor)?;
        let value = value.map_or(Ok(0), str::parse);
        let value: u64 = value.map_err(|_no_number| InvalidCursor)?;
        Ok(Self(EventPlace {
            value: value.cast_signed(),
            key: EventKey {
                at: UnixNanos::new(at),
                digest: digest.cast_signed(),
            },
        }))
    }
}

/// A page of the selected events.
pub fn events(
    reader: &Reader,
    names: &Names,
    question: &EventQuestion,
) -> Result<EventPage, QueryError> {
    let EventQuestion { span, .. } = question;
    let filter = question.filters.resolve(names)?;
    let rows = reader.events(&EventQuery {
        from: span.from,
        to: span.to,
        after: question.cursor.map(|cursor| cursor.0),
        filter: filter.clone(),
        order: question.order,
        // One more tells whether there is another page.
        limit: question.limit.saturating_add(1),
    })?;
    let limit = usize::try_from(question.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    let last = rows.iter().take(limit).next_back().filter(|_| has_more);
    Ok(EventPage {
        cursor: last.map(|(place, _)| Cursor(*place).to_string()),
        total: if question.sums {
            Some(total(reader, *span, filter)?)
        } else {
            None
        },
        events: rows
            .iter()
            .take(limit)
            .map(|(_, row)| event(row, names))
            .collect(),
    })
}

/// Sums of all selected events.
pub(super) fn total(reader: &Reader, span: Span, filter: EventFilter) -> Result<Usage, QueryError> {
    let rows = reader.usage(&UsageQuery {
        from: span.from,
        to: span.to,
        keys: Vec::new(),
        by_time: false,
        filter,
    })?;
    let mut sums = UsageSums::default();
    for row in &rows {
        sums.add(&row.sums);
    }
    Ok(usage(&sums))
}

/// The event with this id.
pub fn event_of(reader: &Reader, names: &Names, id: Cursor) -> Result<Option<Event>, QueryError> {
    let row = reader.event(id.0.key)?;
    Ok(row.map(|row| event(&row, names)))
}

fn event(row: &EventRow, names: &Names) -> Event {
    let name = |group: Group, id: u32| {
        let key = group.key();
        key.map_or_else(String::new, |key| names.of(key, id).to_string())
    };
    let seconds = |millis: u64| float(millis) / 1000.0;
    Event {
        id: Cursor(EventPlace {
            value: 0,
            key: row.key,
        })
        .to_string(),
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
        for (at, digest, value) in [
            (0, 0, 0),
            (i64::MAX, i64::MIN, -1),
            (1_796_083_200_000_000_000, -1, 1200),
        ] {
            let at = UnixNanos::new(at);
            let key = EventKey { at, digest };
            let cursor = Cursor(EventPlace { value, key });
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "1", "1-", "x-0", "1-g", "1-0-", "1-0-x", "1-0-1-1"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
