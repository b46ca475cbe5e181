//! Payloads that are no records, kept until a later version or a human understands them.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::flags::Origin;
use super::{Store, StoreError};
use crate::model::{RejectReason, UnixNanos};

/// Maximum number and bytes of stored rejects of each origin: a faulty source must not fill the
/// disk, and a bad import must not displace rejects of CPA.
const MAX_REJECTS: u64 = 10_000;
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Number and bytes of the rejects of each origin. Kept in memory, because payloads fill many pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RejectCounts {
    live: Size,
    imported: Size,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    count: u64,
    bytes: u64,
}

impl Size {
    const fn is_too_large(self) -> bool {
        self.count > MAX_REJECTS || self.bytes > MAX_BYTES
    }

    const fn remove(&mut self, bytes: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
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
        let sql = "DELETE FROM reject WHERE id = ?1 RETURNING imported, length(payload)";
        let deleted = self
            .conn
            .query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((imported, bytes)) = deleted {
            self.rejects.of(Origin::imported(imported)).remove(bytes);
        }
        Ok(())
    }
}

impl RejectCounts {
    pub(super) fn load(conn: &Connection) -> Result<Self, StoreError> {
        let mut this = Self::default();
        let sql = "SELECT imported, count(*), sum(length(payload)) FROM reject GROUP BY imported";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            *this.of(Origin::imported(row.get(0)?)) = Size {
                count: row.get(1)?,
                bytes: row.get(2)?,
            };
        }
        Ok(this)
    }

    pub(super) const fn total(&self) -> u64 {
        self.live.count + self.imported.count
    }

    pub(super) fn add(&mut self, origin: Origin, bytes: usize) {
        let size = self.of(origin);
        size.count += 1;
        size.bytes += bytes as u64;
    }

    /// Deletes the oldest rejects above the limits. Returns how many of CPA were deleted.
    pub(super) fn prune(&mut self, conn: &Connection) -> Result<u64, StoreError> {
        let before = self.live.count;
        for origin in [Origin::Live, Origin::Imported] {
            while self.of(origin).is_too_large() {
                let sql = "DELETE FROM reject WHERE id = \
                           (SELECT min(id) FROM reject WHERE imported = ?1) \
                           RETURNING length(payload)";
                let bytes = conn
                    .prepare_cached(sql)?
                    .query_row([origin == Origin::Imported], |row| row.get(0))?;
                self.of(origin).remove(bytes);
            }
        }
        Ok(before - self.live.count)
    }

    const fn of(&mut self, origin: Origin) -> &mut Size {
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
