//! Stored events, one by one.

use std::fmt::Write as _;

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Row, params};

use super::filter::{ERROR_TEXT, EventFilter};
use super::flags::EventFlags;
use super::{Reader, StoreError};
use crate::model::{Tokens, UnixNanos};

/// Place of an event in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey {
    pub at: UnixNanos,
    pub digest: i64,
}

/// Selects events.
#[derive(Clone, Debug)]
pub struct EventQuery {
    pub from: UnixNanos,
    /// Exclusive.
    pub to: UnixNanos,
    /// Only events that come after this place in the order.
    pub after: Option<EventPlace>,
    pub filter: EventFilter,
    pub order: EventOrder,
    pub limit: u32,
}

/// What events are sorted by, largest first. Equal ones are sorted by time, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventOrder {
    #[default]
    Time,
    Latency,
    Tokens,
    /// Nano-dollars paid; events without a price come last, here and in the next.
    Cost,
    /// Nano-dollars at list price.
    Value,
}

impl EventOrder {
    const fn sql(self) -> &'static str {
        match self {
            Self::Time => "0",
            Self::Latency => "latency_ms",
            Self::Tokens => {
                "(input + cache_read + cache_write + output + reasoning + unclassified)"
            }
            Self::Cost => "coalesce(cost_nano, -1)",
            Self::Value => "coalesce(value_nano, -1)",
        }
    }
}

/// Place of an event in an [`EventOrder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPlace {
    /// 0 in the order of time.
    pub value: i64,
    pub key: EventKey,
}

/// A stored event. Interned values are numbers, 0 where absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    pub key: EventKey,
    pub provider: u32,
    pub model: u32,
    pub alias: u32,
    pub endpoint: u32,
    pub account: u32,
    pub client: u32,
    pub service_tier: u32,
    pub reasoning_effort: u32,
    pub failed: bool,
    /// False for a prewarm.
    pub generate: bool,
    pub imported: bool,
    pub latency_ms: u64,
    /// Unknown where the response was not streamed.
    pub ttft_ms: Option<u64>,
    pub tokens: Tokens,
    pub request_id: Option<String>,
    /// Status and reason of failures. A reason is its code + 1, as in [`super::UsageRow`].
    pub status: Option<u32>,
    pub reason: Option<u32>,
    /// Start of the error text, secrets masked.
    pub error: Option<String>,
    /// Nano-dollars; `None` = no price known.
    pub value: Option<u64>,
    pub cost: Option<u64>,
}

impl Reader {
    /// The first of the selected events in their order, and their places.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<(EventPlace, EventRow)>, StoreError> {
        let mut statement = self.conn.prepare(&select(query))?;
        let key = EventKey {
            at: query.to,
            digest: i64::MIN,
        };
        let value = match query.order {
            EventOrder::Time => 0,
            EventOrder::Latency | EventOrder::Tokens | EventOrder::Cost | EventOrder::Value => {
                i64::MAX
            }
        };
        let after = query.after.unwrap_or(EventPlace { value, key });
        let bounds = params![
            query.from.get(),
            query.to.get(),
            after.value,
            after.key.at.get(),
            after.key.digest,
            query.limit,
        ];
        let rows = statement.query_map(bounds, |row| {
            let event = read(row)?;
            let (value, key) = (row.get(26)?, event.key);
            Ok((EventPlace { value, key }, event))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The event with this key.
    pub fn event(&self, key: EventKey) -> Result<Option<EventRow>, StoreError> {
        let sql = format!(
            "SELECT {} FROM event WHERE ts = ?1 AND digest = ?2",
            columns()
        );
        let key = params![key.at.get(), key.digest];
        Ok(self.conn.query_row(&sql, key, read).optional()?)
    }
}

fn columns() -> String {
    format!(
        "ts, digest, provider, model, alias, endpoint, account, client, service_tier, \
         reasoning_effort, flags, latency_ms, ttft_ms, input, cache_read, cache_write, output, \
         reasoning, unclassified, cache_write_1h, request_id, status, reason + 1, {ERROR_TEXT}, \
         value_nano, cost_nano"
    )
}

fn select(query: &EventQuery) -> String {
    let (columns, order) = (columns(), query.order.sql());
    let filter = query.filter.sql();
    // The key alone, which is an index, where the order is that of time.
    let (place, sort) = match query.order {
        EventOrder::Time => (
            "(ts, digest) < (?4, ?5) AND ?3 = 0".to_owned(),
            String::new(),
        ),
        EventOrder::Latency | EventOrder::Tokens | EventOrder::Cost | EventOrder::Value => (
            format!("({order}, ts, digest) < (?3, ?4, ?5)"),
            format!("{order} DESC, "),
        ),
    };
    format!(
        "SELECT {columns}, {order} FROM event WHERE ts >= ?1 AND ts < ?2 AND {place}{filter} \
         ORDER BY {sort}ts DESC, digest DESC LIMIT ?6"
    )
}

fn read(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let flags = EventFlags::stored(row.get(10)?);
    let ttft_ms: u64 = row.get(12)?;
    Ok(EventRow {
        key: EventKey {
            at: UnixNanos::new(row.get(0)?),
            digest: row.get(1)?,
        },
        provider: row.get(2)?,
        model: row.get(3)?,
        alias: row.get(4)?,
        endpoint: row.get(5)?,
        account: row.get(6)?,
        client: row.get(7)?,
        service_tier: row.get(8)?,
        reasoning_effort: row.get(9)?,
        failed: flags.failed(),
        generate: flags.generates(),
        imported: flags.is_imported(),
        latency_ms: row.get(11)?,
        ttft_ms: (ttft_ms > 0).then_some(ttft_ms),
        tokens: Tokens {
            input: row.get(13)?,
            cache_read: row.get(14)?,
            cache_write: row.get(15)?,
            output: row.get(16)?,
            reasoning: row.get(17)?,
            unclassified: row.get(18)?,
            cache_write_1h: row.get(19)?,
        },
        request_id: request_id(row.get_ref(20)?),
        status: row.get(21)?,
        reason: row.get(22)?,
        error: row.get(23)?,
        value: row.get(24)?,
        cost: row.get(25)?,
    })
}

/// The id as CPA wrote it; `columns` stores the two forms of hex digits as bytes.
fn request_id(stored: ValueRef<'_>) -> Option<String> {
    match stored {
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => {
            let mut text = String::with_capacity(36);
            let is_uuid = bytes.len() == 16;
            for (at, byte) in bytes.iter().enumerate() {
                if is_uuid && matches!(at, 4 | 6 | 8 | 10) {
                    text.push('-');
                }
                let _infallible = write!(text, "{byte:02x}");
            }
            Some(text)
        }
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns;
    use super::*;

    #[test]
    fn request_ids_are_read_as_written() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let texts = [
            "0a1b2c3d",
            "123e4567-e89b-12d3-a456-426614174000",
            "req_0A1B",
            "",
        ];
        for text in texts {
            let id = columns::request_id(text);
            let read = conn.query_row("SELECT ?1", [id], |row| Ok(request_id(row.get_ref(0)?)));
            let expected = (!text.is_empty()).then(|| text.to_owned());
            assert_eq!(read.unwrap(), expected);
        }
    }
}
