//! Payloads that are no records, kept until a later version or a human understands them.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};
use crate::model::{RejectReason, UnixNanos};

/// Most rejects that are kept; a source gone mad shall not fill the disk.
const MAX_REJECTS: i64 = 10_000;

impl Store {
    /// Call once the payload is safe elsewhere.
    pub fn delete_reject(&mut self, id: i64) -> Result<(), StoreError> {
        self.conn
            .execute("DELETE FROM reject WHERE id = ?1", [id])?;
        Ok(())
    }
}

pub(super) fn insert(
    conn: &Connection,
    received: UnixNanos,
    reason: RejectReason,
    detail: &str,
    payload: &[u8],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO reject (received, reason, detail, payload) VALUES (?1, ?2, ?3, ?4)";
    conn.prepare_cached(sql)?
        .execute(params![received.get(), reason as u8, detail, payload])?;
    let newest = conn.last_insert_rowid();
    let oldest: Option<i64> = conn
        .prepare_cached("SELECT min(id) FROM reject")?
        .query_row([], |row| row.get(0))
        .optional()?
        .flatten();
    if oldest.is_some_and(|oldest| newest - oldest >= MAX_REJECTS) {
        conn.prepare_cached("DELETE FROM reject WHERE id <= ?1")?
            .execute([newest - MAX_REJECTS])?;
    }
    Ok(())
}
