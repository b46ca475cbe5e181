//! Payloads that are no records, kept until a later version or a human understands them.

use rusqlite::{Connection, params};

use super::ingest::Origin;
use super::{Store, StoreError};
use crate::model::{RejectReason, UnixNanos};

/// Most rejects of each origin that are kept; a source gone mad shall not fill the disk, and a bad
/// import shall not push out what came from CPA.
const MAX_REJECTS: i64 = 10_000;

/// A payload that is no record.
pub(super) struct NewReject<'a> {
    pub(super) received: UnixNanos,
    pub(super) reason: RejectReason,
    pub(super) detail: &'a str,
    pub(super) payload: &'a [u8],
}

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
    reject: &NewReject<'_>,
    origin: Origin,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO reject (received, reason, detail, payload, imported) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    conn.prepare_cached(sql)?.execute(params![
        reject.received.get(),
        reject.reason as u8,
        reject.detail,
        reject.payload,
        origin == Origin::Imported,
    ])?;
    Ok(())
}

/// Lets the oldest rejects beyond the bound go.
pub(super) fn prune(conn: &Connection) -> Result<(), StoreError> {
    let sql = "DELETE FROM reject WHERE imported = ?1 AND id <= \
               (SELECT id FROM reject WHERE imported = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    let mut statement = conn.prepare_cached(sql)?;
    for imported in [false, true] {
        statement.execute(params![imported, MAX_REJECTS])?;
    }
    Ok(())
}
