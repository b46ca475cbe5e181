//! The position in a gateway's log: the tables `gateway_tail`, `gateway_gap` and `gateway_anchor`.

use cpa_exporter_gateway::{Gap, TailChange, TailState};
use rusqlite::{OptionalExtension as _, params};

use super::{Ingest, Reader, StoreError};

impl Reader {
    /// The log that was read, and how far; `None` if none was.
    pub fn gateway_tail(&self) -> Result<Option<(String, TailState)>, StoreError> {
        let sql = "SELECT location, cursor, cursor_time FROM gateway_tail";
        let row = self
            .conn
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let Some((location, cursor, cursor_time)) = row.optional()? else {
            return Ok(None);
        };
        let mut gaps = self
            .conn
            .prepare("SELECT first, last FROM gateway_gap ORDER BY first")?;
        let gaps = gaps.query_map([], |row| {
            Ok(Gap {
                first: row.get(0)?,
                last: row.get(1)?,
            })
        })?;
        let mut anchors = self
            .conn
            .prepare("SELECT id, time FROM gateway_anchor ORDER BY id")?;
        let anchors = anchors.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let state = TailState {
            cursor,
            cursor_time,
            gaps: gaps.collect::<Result<_, _>>()?,
            anchors: anchors.collect::<Result<_, _>>()?,
        };
        Ok(Some((location, state)))
    }
}

impl Ingest<'_> {
    /// Moves the position in the log at `location`.
    pub fn gateway_tail(&mut self, location: &str, change: &TailChange) -> Result<(), StoreError> {
        let sql = "INSERT INTO gateway_tail VALUES (1, ?1, ?2, ?3) ON CONFLICT DO UPDATE SET \
                   location = excluded.location, cursor = excluded.cursor, \
                   cursor_time = excluded.cursor_time";
        self.conn.prepare_cached(sql)?.execute(params![
            location,
            change.cursor,
            change.cursor_time
        ])?;
        if change.reset {
            self.conn
                .execute_batch("DELETE FROM gateway_gap; DELETE FROM gateway_anchor")?;
        }
        let mut close = self
            .conn
            .prepare_cached("DELETE FROM gateway_gap WHERE first = ?1")?;
        for first in &change.closed {
            close.execute([first])?;
        }
        let mut open = self
            .conn
            .prepare_cached("INSERT OR REPLACE INTO gateway_gap VALUES (?1, ?2)")?;
        for gap in &change.opened {
            open.execute([gap.first, gap.last])?;
        }
        if let Some(anchors) = &change.anchors {
            self.conn.execute("DELETE FROM gateway_anchor", [])?;
            let mut insert = self
                .conn
                .prepare_cached("INSERT OR REPLACE INTO gateway_anchor VALUES (?1, ?2)")?;
            for (id, time) in anchors {
                insert.execute([id, time])?;
            }
        }
        Ok(())
    }
}
