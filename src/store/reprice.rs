//! Rewrites the amounts of stored events, with the corrections that this means for the counters.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use rusqlite::{Row, TransactionBehavior, params};

use super::flags::EventFlags;
use super::{Store, StoreError};
use crate::model::{AuthType, Correction, DimId, Tokens, UnixNanos};

/// An event's amounts, and the values that they depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PricedEvent {
    pub at: UnixNanos,
    digest: i64,
    pub provider: DimId,
    pub model: DimId,
    pub account: DimId,
    pub service_tier: DimId,
    pub response_service_tier: DimId,
    pub login: AuthType,
    /// No counter has counted it.
    imported: bool,
    pub tokens: Tokens,
    /// Nano-dollars; `None` = no price was known.
    pub value: Option<i64>,
    pub cost: Option<i64>,
}

/// New amounts of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub event: PricedEvent,
    pub value: Option<i64>,
    pub cost: Option<i64>,
}

/// Selects events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub from: UnixNanos,
    /// Not included.
    pub until: UnixNanos,
    pub model: Option<DimId>,
}

/// Position in the order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    at: i64,
    digest: i64,
}

impl Cursor {
    pub fn before(at: UnixNanos) -> Self {
        Self {
            at: at.get().saturating_sub(1),
            digest: i64::MAX,
        }
    }

    pub fn after(event: &PricedEvent) -> Self {
        Self {
            at: event.at.get(),
            digest: event.digest,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.at, self.digest)
    }
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (at, digest) = text.split_once(':').ok_or(NotACursor)?;
        Ok(Self {
            at: at.parse().map_err(|_no_number| NotACursor)?,
            digest: digest.parse().map_err(|_no_number| NotACursor)?,
        })
    }
}

impl Store {
    /// Reads the next events in order, at most `limit`.
    pub fn priced_events(
        &self,
        range: &Range,
        after: Cursor,
        limit: usize,
        buffer: &mut Vec<PricedEvent>,
    ) -> Result<(), StoreError> {
        buffer.clear();
        let mut statement = self.conn.prepare_cached(
            "SELECT ts, digest, provider, model, account, service_tier, response_tier, flags, \
             input, cache_read, cache_write, output, reasoning, unclassified, value_nano, cost_nano, \
             cache_write_1h FROM event WHERE (ts, digest) > (?1, ?2) AND ts < ?3 AND (?4 IS NULL OR model = ?4) \
             ORDER BY ts, digest LIMIT ?5",
        )?;
        let model = range.model.map(|id| id.0);
        let parameters = params![after.at, after.digest, range.until.get(), model, limit];
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            buffer.push(priced_event(row)?);
        }
        Ok(())
    }

    /// Writes changes and the corrections that they mean, all or nothing.
    pub fn change_amounts(&mut self, changes: &[Change], version: u32) -> Result<(), StoreError> {
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut corrections: HashMap<[DimId; 3], Correction> = HashMap::new();
        {
            let mut update = tx.prepare_cached(
                "UPDATE event SET value_nano = ?1, cost_nano = ?2, price_version = ?3 \
                 WHERE ts = ?4 AND digest = ?5",
            )?;
            for change in changes {
                let event = &change.event;
                update.execute(params![
                    change.value,
                    change.cost,
                    version,
                    event.at.get(),
                    event.digest,
                ])?;
                if !event.imported {
                    correct(&mut corrections, change);
                }
            }
            let mut add = tx.prepare_cached(
                "INSERT INTO correction VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET \
                 value_nano = value_nano + excluded.value_nano, \
                 cost_nano = cost_nano + excluded.cost_nano",
            )?;
            for correction in corrections.values() {
                add.execute(params![
                    correction.provider.0,
                    correction.model.0,
                    correction.account.0,
                    correction.value,
                    correction.cost
                ])?;
            }
        }
        tx.commit()?;
        Ok(())
    }
}

/// An event without an amount added nothing to a counter.
fn correct(corrections: &mut HashMap<[DimId; 3], Correction>, change: &Change) {
    let event = &change.event;
    let key = [event.provider, event.model, event.account];
    let correction = corrections.entry(key).or_insert(Correction {
        provider: event.provider,
        model: event.model,
        account: event.account,
        value: 0,
        cost: 0,
    });
    let grown = |new: Option<i64>, old: Option<i64>| new.unwrap_or(0) - old.unwrap_or(0);
    correction.value = correction
        .value
        .saturating_add(grown(change.value, event.value));
    correction.cost = correction
        .cost
        .saturating_add(grown(change.cost, event.cost));
}

fn priced_event(row: &Row<'_>) -> Result<PricedEvent, StoreError> {
    let id = |at: usize| Ok::<_, StoreError>(DimId(row.get(at)?));
    let flags = EventFlags::stored(row.get(7)?);
    Ok(PricedEvent {
        at: UnixNanos::new(row.get(0)?),
        digest: row.get(1)?,
        provider: id(2)?,
        model: id(3)?,
        account: id(4)?,
        service_tier: id(5)?,
        response_service_tier: id(6)?,
        login: flags.auth_type(),
        imported: flags.is_imported(),
        tokens: Tokens {
            input: row.get(8)?,
            cache_read: row.get(9)?,
            cache_write: row.get(10)?,
            cache_write_1h: row.get(16)?,
            output: row.get(11)?,
            reasoning: row.get(12)?,
            unclassified: row.get(13)?,
        },
        value: row.get(14)?,
        cost: row.get(15)?,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A database with `n` events of 10 nano-dollars, one a second.
    fn database(directory: &Path, n: u32) -> Store {
        let store = Store::open(directory).unwrap();
        let sql = "INSERT INTO event (ts, digest, provider, executor, model, alias, endpoint, \
                   account, source, client, service_tier, response_tier, reasoning_effort, flags, \
                   latency_ms, ttft_ms, input, cache_read, cache_write, output, reasoning, \
                   unclassified, value_nano, cost_nano) \
                   VALUES (?1, ?2, 1, 0, ?3, 0, 0, 5, 0, 0, 0, 0, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, ?4, ?4)";
        for at in 0..n {
            let value = (at != 0).then_some(10);
            let parameters = params![at / 2, at, at % 2 + 1, value];
            store.conn.execute(sql, parameters).unwrap();
        }
        store
    }

    const ALL: Range = Range {
        from: UnixNanos::new(0),
        until: UnixNanos::new(i64::MAX),
        model: None,
    };

    fn read(store: &Store, range: &Range, limit: usize) -> Vec<PricedEvent> {
        let (mut all, mut chunk) = (Vec::new(), Vec::new());
        let mut cursor = Cursor::before(range.from);
        loop {
            store
                .priced_events(range, cursor, limit, &mut chunk)
                .unwrap();
            let Some(last) = chunk.last() else {
                return all;
            };
            cursor = Cursor::after(last);
            all.append(&mut chunk);
        }
    }

    #[test]
    fn every_event_of_a_range_is_read_once_for_any_chunk_size() {
        let dir = tempfile::tempdir().unwrap();
        let store = database(dir.path(), 11);
        let all = read(&store, &ALL, 100);
        let digests: Vec<i64> = all.iter().map(|event| event.digest).collect();
        assert_eq!(digests, (0..11).collect::<Vec<i64>>());
        // Two events share each moment.
        for limit in 1..5 {
            assert_eq!(read(&store, &ALL, limit), all);
        }
        let part = Range {
            from: UnixNanos::new(1),
            until: UnixNanos::new(3),
            model: Some(DimId(2)),
        };
        let part: Vec<i64> = read(&store, &part, 2).iter().map(|e| e.digest).collect();
        assert_eq!(part, [3, 5]);
        assert_eq!(all[0].login, AuthType::ApiKey);
        assert_eq!(all[0].tokens.by_kind(), [1, 2, 3, 4, 5, 6]);
        assert_eq!((all[0].value, all[1].value), (None, Some(10)));
    }

    #[test]
    fn changed_amounts_move_the_correction() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = database(dir.path(), 4);
        let version = store
            .price_version("v", "built-in", UnixNanos::new(1))
            .unwrap();
        let change = |event: &PricedEvent, value| Change {
            event: *event,
            value,
            cost: value.map(|_| 0),
        };
        let events = read(&store, &ALL, 100);
        // The first had no value; the second becomes cheaper; the third loses its price.
        let changes = [
            change(&events[0], Some(100)),
            change(&events[1], Some(3)),
            change(&events[2], None),
        ];
        store.change_amounts(&changes, version).unwrap();
        let correction = |model, value, cost| Correction {
            provider: DimId(1),
            model: DimId(model),
            account: DimId(5),
            value,
            cost,
        };
        let expected = [correction(1, 90, -10), correction(2, -7, -10)];
        assert_eq!(store.corrections().unwrap(), expected);
        let after: Vec<Option<i64>> = read(&store, &ALL, 9).iter().map(|e| e.value).collect();
        assert_eq!(after, [Some(100), Some(3), None, Some(10)]);
    }

    #[test]
    fn versions_have_one_number_each() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = database(dir.path(), 0);
        let at = UnixNanos::new(1);
        let first = store.price_version("a", "built-in", at).unwrap();
        assert_eq!(store.price_version("a", "built-in", at).unwrap(), first);
        assert_ne!(store.price_version("b", "built-in", at).unwrap(), first);
    }

    #[test]
    fn a_cursor_is_read_back_from_its_text() {
        let cursor = Cursor {
            at: -3,
            digest: i64::MIN,
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "1", "1:", ":1", "1:2:3"] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text}");
        }
    }
}
