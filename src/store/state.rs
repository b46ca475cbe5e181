//! The state that each commit updates: the table `state` and the spool's row of `cursor`.

use rusqlite::{Connection, params};

use super::{SpoolMark, StoreError, cursors, outbox};

/// What the tables `state` and `cursor` hold, kept in memory because this is their only writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) epoch: i64,
    pub(super) commits: u64,
    pub(super) events: u64,
    pub(super) mark: SpoolMark,
    /// Whether a forwarder wants the order of events.
    pub(super) forwarding: bool,
}

impl State {
    pub(super) fn load(conn: &Connection) -> Result<Self, StoreError> {
        let mark = cursors::spool(conn)?;
        let forwarding = outbox::is_wanted(conn)?;
        let sql = "SELECT epoch, commits, events FROM state";
        Ok(conn.query_row(sql, [], |row| {
            Ok(Self {
                epoch: row.get(0)?,
                commits: row.get(1)?,
                events: row.get(2)?,
                mark,
                forwarding,
            })
        })?)
    }

    pub(super) fn save(self, conn: &Connection) -> Result<(), StoreError> {
        let sql = "UPDATE state SET epoch = ?1, commits = ?2, events = ?3";
        conn.prepare_cached(sql)?
            .execute(params![self.epoch, self.commits, self.events])?;
        cursors::save_spool(conn, self.mark)
    }
}
