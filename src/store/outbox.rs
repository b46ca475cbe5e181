//! The order in which events were stored, for whoever forwards them.
//!
//! The key of `event` orders by time and cannot tell what is new since the last look: a late record
//! lies before events that were stored long ago. The outbox does, and costs nothing while no
//! forwarder has a cursor.

use rusqlite::{Connection, params};

use super::{Store, StoreError, cursors};

/// Cursors of forwarders begin with it.
const FORWARDER: &str = "forward/";

/// The key of a stored event, by its place in the order of insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    pub seq: u64,
    pub ts: i64,
    pub digest: i64,
}

impl Store {
    /// From the next commit on, keeps the order of events for the forwarder `sink`. Events of before
    /// are not in it. Does nothing when the forwarder is known.
    pub fn start_forwarding(&mut self, sink: &str) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT OR IGNORE INTO cursor SELECT ?1, 0, \
             coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)",
            [cursor_name(sink)],
        )?;
        self.state.forwarding = true;
        Ok(())
    }

    /// What was stored after the forwarder's cursor, at most `limit` events, oldest first.
    pub fn outbox(&self, sink: &str, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = "SELECT seq, ts, digest FROM outbox \
                   WHERE seq > (SELECT minor FROM cursor WHERE name = ?1) ORDER BY seq LIMIT ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_and_then(params![cursor_name(sink), limit], |row| {
            Ok(OutboxRow {
                seq: row.get(0)?,
                ts: row.get(1)?,
                digest: row.get(2)?,
            })
        })?;
        rows.collect()
    }

    /// Moves the forwarder's cursor to `seq` and lets go of what every forwarder has passed.
    pub fn forwarded(&mut self, sink: &str, seq: u64) -> Result<(), StoreError> {
        let tx = self.conn.transaction()?;
        cursors::save(&tx, &cursor_name(sink), 0, seq)?;
        prune(&tx)?;
        Ok(tx.commit()?)
    }

    /// Forgets the forwarder. The last one takes the outbox along.
    pub fn stop_forwarding(&mut self, sink: &str) -> Result<(), StoreError> {
        let tx = self.conn.transaction()?;
        tx.execute("DELETE FROM cursor WHERE name = ?1", [cursor_name(sink)])?;
        prune(&tx)?;
        let forwarding = is_wanted(&tx)?;
        tx.commit()?;
        self.state.forwarding = forwarding;
        Ok(())
    }
}

/// Whether any forwarder has a cursor.
pub(super) fn is_wanted(conn: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM cursor WHERE name GLOB ?1)";
    Ok(conn.query_row(sql, [forwarders()], |row| row.get(0))?)
}

/// Adds a new event, in the transaction that stores it.
pub(super) fn add(conn: &Connection, ts: i64, digest: i64) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT INTO outbox (ts, digest) VALUES (?1, ?2)")?
        .execute([ts, digest])?;
    Ok(())
}

fn prune(conn: &Connection) -> Result<(), StoreError> {
    // Without a forwarder the minimum is NULL, and everything goes.
    let sql = "DELETE FROM outbox WHERE seq <= coalesce(\
               (SELECT min(minor) FROM cursor WHERE name GLOB ?1), 9223372036854775807)";
    conn.execute(sql, [forwarders()])?;
    Ok(())
}

fn cursor_name(sink: &str) -> String {
    format!("{FORWARDER}{sink}")
}

fn forwarders() -> String {
    format!("{FORWARDER}*")
}
