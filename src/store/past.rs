//! What the counters would have been: events by series and step of time.
//!
//! SQLite sorts, and sorts on disk what is too much for its cache, so that memory does not grow
//! with the number of events.

use std::fmt::Write as _;

use rusqlite::{Row, params};

use super::flags::sql::{FAILURE, GENERATES, IMPORTED, LIVE, QUALITY, STREAM, SUCCEEDED, TIMED};
use super::{Reader, StoreError};
use crate::model::{Dimension, PastKey, PastQuery, PastRow, TOTAL_KEY_LEN, UnixNanos};

/// Which events are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastRange {
    pub from: UnixNanos,
    /// Exclusive.
    pub to: UnixNanos,
    /// Live counting begins here; imported events from here on are left out.
    pub live: UnixNanos,
    /// Length of a step.
    pub step_ms: i64,
}

/// First and last time of the stored events, and where live counting began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    pub first: Option<UnixNanos>,
    pub last: Option<UnixNanos>,
    /// Time of the first event that was not imported.
    pub live: Option<UnixNanos>,
}

impl Reader {
    pub fn extent(&self) -> Result<Extent, StoreError> {
        let one = |sql: &str| {
            let time: Option<i64> = self.conn.query_row(sql, [], |row| row.get(0))?;
            Ok::<_, StoreError>(time.map(UnixNanos::new))
        };
        let live = format!("SELECT (SELECT ts FROM event WHERE {LIVE} ORDER BY ts LIMIT 1)");
        Ok(Extent {
            first: one("SELECT min(ts) FROM event")?,
            last: one("SELECT max(ts) FROM event")?,
            live: one(&live)?,
        })
    }

    /// Imported events from `live` on, which no series can show.
    pub fn imported_since(&self, live: UnixNanos, to: UnixNanos) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM event WHERE ts >= ?1 AND ts < ?2 AND {IMPORTED}");
        let count = self
            .conn
            .query_row(&sql, params![live.get(), to.get()], |row| row.get(0))?;
        Ok(count)
    }

    /// Statuses of failures, in order.
    pub fn failure_statuses(&self) -> Result<Vec<u32>, StoreError> {
        let sql = "SELECT DISTINCT status FROM event WHERE status IS NOT NULL ORDER BY 1";
        let mut statement = self.conn.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Lets some ids be shown as others, in what [`Self::past`] gives from now on.
    pub fn show_as(&self, changes: &[(PastKey, u32, u32)]) -> Result<(), StoreError> {
        self.conn.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS shown (\
             kind INTEGER, id INTEGER, shown INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID",
        )?;
        let sql = "INSERT OR REPLACE INTO temp.shown VALUES (?1, ?2, ?3)";
        let mut insert = self.conn.prepare(sql)?;
        for (key, id, shown) in changes {
            insert.execute(params![kind(*key), id, shown])?;
        }
        Ok(())
    }

    /// Growth by series, then time.
    ///
    /// Call [`Self::show_as`] first.
    pub fn past<E: From<StoreError>>(
        &self,
        query: &PastQuery,
        range: PastRange,
        mut each: impl FnMut(PastRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let cells = cells(query);
        let sql = select(query, &cells);
        let failed = |error: rusqlite::Error| E::from(StoreError::from(error));
        let mut statement = self.conn.prepare(&sql).map_err(failed)?;
        let step = range.step_ms.saturating_mul(1_000_000);
        let (from, to, live) = (range.from.get(), range.to.get(), range.live.get());
        let mut rows = statement
            .query(params![from, to, live, step])
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(read(row, query.key.len(), cells.len()).map_err(failed)?)?;
        }
        Ok(())
    }
}

fn read(row: &Row<'_>, keys: usize, cells: usize) -> rusqlite::Result<PastRow> {
    let mut key = [0; TOTAL_KEY_LEN];
    for (at, part) in key.iter_mut().take(keys).enumerate() {
        *part = row.get(at)?;
    }
    Ok(PastRow {
        key,
        live: row.get(keys)?,
        step: row.get(keys + 1)?,
        cells: (0..cells)
            .map(|at| row.get(keys + 2 + at))
            .collect::<rusqlite::Result<_>>()?,
    })
}

/// The columns that [`PastQuery`] may use besides those of `event`.
fn events() -> String {
    let flags = [
        (LIVE, "live"),
        (GENERATES, "generates"),
        (SUCCEEDED, "succeeded"),
        (FAILURE, "failed"),
        (TIMED, "timed"),
        (STREAM, "stream"),
        (QUALITY, "quality"),
    ];
    let flags = flags.map(|(sql, name)| format!("{sql} AS {name}"));
    format!("SELECT *, {} FROM event", flags.join(", "))
}

fn select(query: &PastQuery, cells: &[String]) -> String {
    let key = &query.key;
    let mut sql = "SELECT ".to_owned();
    let mut joins = String::new();
    for (at, part) in key.iter().enumerate() {
        let (column, kind) = (column(*part), kind(*part));
        // Writing to a `String` cannot fail.
        let _infallible = write!(sql, "coalesce(s{at}.shown, {column}) AS k{at}, ");
        let _infallible = write!(
            joins,
            " LEFT JOIN temp.shown s{at} ON s{at}.kind = {kind} AND s{at}.id = {column}"
        );
    }
    let order: String = (1..=key.len() + 2)
        .map(|at| at.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let _infallible = write!(
        sql,
        "live, ts / ?4 AS step, {} FROM ({}) event{joins} \
         WHERE ts >= ?1 AND ts < ?2 AND (live OR ts < ?3) AND {} \
         GROUP BY {order} ORDER BY {order}",
        cells.join(", "),
        events(),
        query.filter
    );
    sql
}

/// The numbers of a row, in the order of the totals' cells.
fn cells(query: &PastQuery) -> Vec<String> {
    match (query.bounds, query.values) {
        ([], values) => values.iter().map(|value| format!("sum({value})")).collect(),
        (bounds, values) => values
            .iter()
            .flat_map(|value| buckets(value, bounds))
            .collect(),
    }
}

/// Observations per bucket (not cumulative), beyond the last bound, and their sum.
fn buckets(value: &str, bounds: &[u64]) -> Vec<String> {
    let mut cells = Vec::with_capacity(bounds.len() + 2);
    let mut above = String::new();
    for bound in bounds {
        cells.push(format!("sum({above}{value} <= {bound})"));
        above = format!("{value} > {bound} AND ");
    }
    cells.push(match bounds.last() {
        Some(last) => format!("sum({value} > {last})"),
        None => "count(*)".to_owned(),
    });
    cells.push(format!("sum({value})"));
    cells
}

pub(super) fn column(key: PastKey) -> &'static str {
    match key {
        PastKey::Status => "status",
        PastKey::Reason => "reason",
        PastKey::Interned(dimension) => match dimension {
            Dimension::Provider => "provider",
            Dimension::Executor => "executor",
            Dimension::Model => "model",
            Dimension::Alias => "alias",
            Dimension::Endpoint => "endpoint",
            Dimension::Account => "account",
            Dimension::Client => "client",
            Dimension::ServiceTier => "service_tier",
            Dimension::ReasoningEffort => "reasoning_effort",
            Dimension::Source => "source",
            Dimension::FailureText => "excerpt",
            Dimension::Status => "status",
            // Names of the configuration and of a gateway; no event has them.
            Dimension::Reference
            | Dimension::Combo
            | Dimension::GatewayChannel
            | Dimension::GatewayModel
            | Dimension::GatewayStatus
            | Dimension::GatewayErrorType
            | Dimension::GatewayLogType => "0",
        },
    }
}

/// Number of a kind of key in the temporary table.
fn kind(key: PastKey) -> u8 {
    match key {
        PastKey::Interned(dimension) => dimension.code(),
        PastKey::Status => 100,
        PastKey::Reason => 101,
    }
}
