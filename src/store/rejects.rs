//! Payloads that are no records, kept until a later version or a human understands them.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::flags::Origin;
use super::{Store, StoreError};
use crate::model::{RejectReason, UnixNanos};

/// Most rejects of each origin that are kept; a source gone mad shall not fill the disk, and a bad
/// import shall not push out what came from CPA.
const MAX_REJECTS: u64 = 10_000;

/// How many rejects of each origin there are: known without reading payloads, which fill many
/// pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RejectCounts {
    live: u64,
    imported: u64,
}

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
        let sql = "DELETE FROM reject WHERE id = ?1 RETURNING imported";
        let deleted = self
            .conn
            .query_row(sql, [id], |row| row.get(0))
            .optional()?;
        if let Some(imported) = deleted {
            let count = self.rejects.of(Origin::imported(imported));
            *count = count.saturating_sub(1);
        }
        Ok(())
    }
}

impl RejectCounts {
    pub(super) fn load(conn: &Connection) -> Result<Self, StoreError> {
        let mut this = Self::default();
        let sql = "SELECT imported, count(*) FROM reject GROUP BY imported";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            *this.of(Origin::imported(row.get(0)?)) = row.get(1)?;
        }
        Ok(this)
    }

    pub(super) const fn total(&self) -> u64 {
        self.live + self.imported
    }

    pub(super) fn add(&mut self, origin: Origin) {
        *self.of(origin) += 1;
    }

    /// Lets the oldest beyond the bound go.
    pub(super) fn prune(&mut self, conn: &Connection) -> Result<(), StoreError> {
        for origin in [Origin::Live, Origin::Imported] {
            let count = self.of(origin);
            let excess = count.saturating_sub(MAX_REJECTS);
            if excess > 0 {
                let sql = "DELETE FROM reject WHERE id IN \
                           (SELECT id FROM reject WHERE imported = ?1 ORDER BY id LIMIT ?2)";
                let imported = origin == Origin::Imported;
                conn.prepare_cached(sql)?
                    .execute(params![imported, excess])?;
                *count -= excess;
            }
        }
        Ok(())
    }

    const fn of(&mut self, origin: Origin) -> &mut u64 {
        match origin {
            Origin::Live => &mut self.live,
            Origin::Imported => &mut self.imported,
        }
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
