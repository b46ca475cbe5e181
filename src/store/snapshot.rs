//! Stored events once more, for what is added up anew after a start.

use std::ops::ControlFlow;

use rusqlite::{Connection, Row};

use super::flags::EventFlags;
use super::{Reader, Store, StoreError};
use crate::model::{DimId, Route, Tokens, UnixNanos};

/// The events as they were at one moment, whatever is written meanwhile.
#[derive(Debug)]
pub struct Snapshot {
    conn: Connection,
}

/// A stored event, as far as limits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastEvent {
    pub at: UnixNanos,
    /// Provider, model, account and client only.
    pub route: Route,
    pub latency_ms: u64,
    pub tokens: Tokens,
    pub failed: bool,
    pub generate: bool,
    /// Nano-dollars; nothing where no price is known.
    pub cost: u64,
    pub value: u64,
}

impl Store {
    /// Takes hold of what is committed now. Not to be kept for long: the write-ahead log grows.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let directory = self.path.parent().unwrap_or(&self.path);
        let reader = Reader::open(directory)?;
        reader.hold()?;
        Ok(Snapshot { conn: reader.conn })
    }
}

impl Snapshot {
    /// Reads the events from `from` on, in the order of time, as long as `each` wants more.
    pub fn read(
        &self,
        from: UnixNanos,
        mut each: impl FnMut(PastEvent) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let sql = "SELECT ts, provider, model, account, client, flags, latency_ms, input, \
                   cache_read, cache_write, output, reasoning, unclassified, cost_nano, value_nano \
                   FROM event WHERE ts >= ?1 ORDER BY ts";
        let mut statement = self.conn.prepare(sql)?;
        let mut rows = statement.query([from.get()])?;
        while let Some(row) = rows.next()? {
            if each(event(row)?).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn event(row: &Row<'_>) -> Result<PastEvent, StoreError> {
    let flags = EventFlags::stored(row.get(5)?);
    let amount = |at| -> Result<u64, StoreError> {
        let nanos: Option<i64> = row.get(at)?;
        Ok(nanos
            .and_then(|nanos| u64::try_from(nanos).ok())
            .unwrap_or(0))
    };
    Ok(PastEvent {
        at: UnixNanos::new(row.get(0)?),
        route: Route {
            provider: DimId(row.get(1)?),
            model: DimId(row.get(2)?),
            account: DimId(row.get(3)?),
            client: DimId(row.get(4)?),
            ..Route::default()
        },
        failed: flags.failed(),
        generate: flags.generates(),
        latency_ms: row.get(6)?,
        tokens: Tokens {
            input: row.get(7)?,
            cache_read: row.get(8)?,
            cache_write: row.get(9)?,
            // Amounts are stored; nothing else depends on it.
            cache_write_1h: None,
            output: row.get(10)?,
            reasoning: row.get(11)?,
            unclassified: row.get(12)?,
        },
        cost: amount(13)?,
        value: amount(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_sees_what_was_committed_before_and_nothing_after() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let insert = |ts: i64, flags: u8, cost: Option<i64>| {
            let sql = "INSERT INTO event (ts, digest, provider, executor, model, alias, endpoint, \
                       account, source, client, service_tier, response_tier, reasoning_effort, \
                       flags, latency_ms, ttft_ms, input, cache_read, cache_write, output, \
                       reasoning, unclassified, value_nano, cost_nano) \
                       VALUES (?1, ?1, 1, 0, 2, 0, 0, 3, 0, 4, 0, 0, 0, ?2, 9, 0, 1, 2, 3, 4, 5, 6, 7, ?3)";
            store
                .conn
                .execute(sql, rusqlite::params![ts, flags, cost])
                .unwrap();
        };
        insert(1, 0, Some(5));
        insert(3, 1, None);
        insert(2, 2, Some(5));
        let snapshot = store.snapshot().unwrap();
        insert(4, 0, Some(5));
        let read = |snapshot: &Snapshot, from, most: usize| {
            let mut all = Vec::new();
            let each = |event| {
                all.push(event);
                if all.len() < most {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            snapshot.read(UnixNanos::new(from), each).unwrap();
            all
        };
        let all = read(&snapshot, 0, 9);
        let times: Vec<i64> = all.iter().map(|event| event.at.get()).collect();
        assert_eq!(times, [1, 2, 3]);
        assert_eq!(read(&snapshot, 2, 9).len(), 2);
        assert_eq!(read(&snapshot, 0, 1).len(), 1);
        let route = all[0].route;
        let ids = [route.provider, route.model, route.account, route.client];
        assert_eq!(ids.map(|id| id.0), [1, 2, 3, 4]);
        assert_eq!(all[0].tokens.by_kind(), [1, 2, 3, 4, 5, 6]);
        let signs = all.iter().map(|e| (e.failed, e.generate, e.cost, e.value));
        let expected = [
            (false, true, 5, 7),
            (false, false, 5, 7),
            (true, true, 0, 7),
        ];
        assert!(signs.eq(expected));
        assert_eq!(read(&store.snapshot().unwrap(), 0, 9).len(), 4);
    }
}
