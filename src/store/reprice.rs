//! Another hand on the database beside a running exporter: it rewrites what events are worth.
//!
//! The ingest thread keeps in memory what it owns: totals, interned texts, the row of `state`.
//! None of that is touched here, so the two need no lock but `SQLite`'s own, which a transaction of
//! ours holds for some hundredths of a second. Each change is tied to the amounts it was computed
//! from: an event that somebody else changed or removed meanwhile is left alone.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior, params};

use super::flags::EventFlags;
use super::schema::refuse_other_schema;
use super::{StoreError, money};
use crate::model::{AuthType, Correction, DimId, Dimension, Tokens, UnixNanos};

/// The other side commits within this time many times over.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Rewrites amounts of stored events.
#[derive(Debug)]
pub struct Repricer {
    conn: Connection,
}

/// What an event's amounts depend on, and what they are now.
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

/// Which events are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub from: UnixNanos,
    /// Not included.
    pub until: UnixNanos,
    pub model: Option<DimId>,
}

/// Where to go on in the events' order.
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

impl Repricer {
    /// Opens a database that exists and has this program's schema; changes neither.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = super::read::existing(directory)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&path, flags)?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        // The next commit of the ingest thread makes ours durable, and until then a lost change
        // is lost together with its correction.
        conn.pragma_update(None, "synchronous", "normal")?;
        // As the other side has it: fewer checkpoints, which write pages a second time.
        conn.pragma_update(None, "wal_autocheckpoint", 4096)?;
        refuse_other_schema(&conn, &path)?;
        Ok(Self { conn })
    }

    /// Stored value and name in labels of all interned texts of a dimension.
    pub fn texts(
        &self,
        dimension: Dimension,
    ) -> Result<HashMap<DimId, (String, String)>, StoreError> {
        let sql = "SELECT id, value, coalesce(label, value) FROM dimension WHERE dimension = ?1";
        let mut statement = self.conn.prepare(sql)?;
        let rows = statement.query_and_then([dimension.code()], |row| {
            Ok((DimId(row.get(0)?), (row.get(1)?, row.get(2)?)))
        })?;
        rows.collect()
    }

    /// The number of a state of the price list.
    pub fn price_version(
        &mut self,
        name: &str,
        source: &str,
        now: UnixNanos,
    ) -> Result<u32, StoreError> {
        money::price_version(&mut self.conn, name, source, now)
    }

    /// The next events in order, `buffer`'s room full at most.
    pub fn read(
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

    /// Writes changes and the corrections that they mean, all or nothing. Returns how many events
    /// were still what they were computed from.
    pub fn apply(&mut self, changes: &[Change], version: u32) -> Result<usize, StoreError> {
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut corrections: HashMap<[DimId; 3], Correction> = HashMap::new();
        let mut applied = 0;
        {
            let mut update = tx.prepare_cached(
                "UPDATE event SET value_nano = ?1, cost_nano = ?2, price_version = ?3 \
                 WHERE ts = ?4 AND digest = ?5 AND value_nano IS ?6 AND cost_nano IS ?7",
            )?;
            for change in changes {
                let event = &change.event;
                let rows = update.execute(params![
                    change.value,
                    change.cost,
                    version,
                    event.at.get(),
                    event.digest,
                    event.value,
                    event.cost
                ])?;
                if rows == 1 {
                    applied += 1;
                    if !event.imported {
                        correct(&mut corrections, change);
                    }
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
        Ok(applied)
    }
}

/// What has no amount has added nothing to a counter.
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
    use super::super::Store;
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

    fn read(store: &Repricer, range: &Range, limit: usize) -> Vec<PricedEvent> {
        let (mut all, mut chunk) = (Vec::new(), Vec::new());
        let mut cursor = Cursor::before(range.from);
        loop {
            store.read(range, cursor, limit, &mut chunk).unwrap();
            let Some(last) = chunk.last() else {
                return all;
            };
            cursor = Cursor::after(last);
            all.append(&mut chunk);
        }
    }

    #[test]
    fn every_event_of_a_range_is_read_once_whatever_the_size_of_a_chunk() {
        let dir = tempfile::tempdir().unwrap();
        let _store = database(dir.path(), 11);
        let store = Repricer::open(dir.path()).unwrap();
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
    fn a_change_moves_the_correction_and_one_that_was_overtaken_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let owner = database(dir.path(), 4);
        let mut store = Repricer::open(dir.path()).unwrap();
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
            change(&events[3], Some(77)),
        ];
        owner
            .conn
            .execute("DELETE FROM event WHERE digest = 3", [])
            .unwrap();
        let before = owner.foreign_changes().unwrap();
        assert_eq!(store.apply(&changes, version).unwrap(), 3);
        assert_ne!(owner.foreign_changes().unwrap(), before);
        let correction = |model, value, cost| Correction {
            provider: DimId(1),
            model: DimId(model),
            account: DimId(5),
            value,
            cost,
        };
        let expected = [correction(1, 90, -10), correction(2, -7, -10)];
        assert_eq!(owner.corrections().unwrap(), expected);
        // The same changes again are computed from amounts that are no more.
        assert_eq!(store.apply(&changes, version).unwrap(), 0);
        assert_eq!(owner.corrections().unwrap(), expected);
        let after: Vec<Option<i64>> = read(&store, &ALL, 9).iter().map(|e| e.value).collect();
        assert_eq!(after, [Some(100), Some(3), None]);
    }

    #[test]
    fn versions_have_one_number_each() {
        let dir = tempfile::tempdir().unwrap();
        let mut owner = database(dir.path(), 0);
        let mut store = Repricer::open(dir.path()).unwrap();
        let at = UnixNanos::new(1);
        let first = owner.price_version("a", "built-in", at).unwrap();
        assert_eq!(store.price_version("a", "built-in", at).unwrap(), first);
        assert_ne!(store.price_version("b", "built-in", at).unwrap(), first);
    }

    #[test]
    fn a_database_of_another_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Repricer::open(dir.path()).is_err());
        let owner = database(dir.path(), 0);
        owner.conn.pragma_update(None, "user_version", 2).unwrap();
        let error = Repricer::open(dir.path()).unwrap_err();
        assert!(
            matches!(error, StoreError::OtherSchema { found: 2, .. }),
            "{error}"
        );
    }
}
