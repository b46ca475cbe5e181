//! The reading side: a connection of its own that can change nothing.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, InterruptHandle, OpenFlags, params};

use super::schema::refuse_other_schema;
use super::{DATABASE_FILE, StoreError};
use crate::model::{Dimension, RejectReason, UnixNanos};

/// Reads the database, beside a running exporter if need be.
#[derive(Debug)]
pub struct Reader {
    pub(super) conn: Connection,
}

/// A payload that was no record when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReject {
    pub id: i64,
    pub received: UnixNanos,
    pub reason: RejectReason,
    pub detail: String,
    /// Secrets masked.
    pub payload: Vec<u8>,
    /// It came from an import and not from CPA.
    pub imported: bool,
}

/// The database of a directory in which the exporter has run.
pub(super) fn existing(directory: &Path) -> Result<PathBuf, StoreError> {
    let path = directory.join(DATABASE_FILE);
    match path.try_exists() {
        Ok(false) => Err(StoreError::Absent(path)),
        // What cannot be looked at is what `SQLite` has words for.
        Ok(true) | Err(_) => Ok(path),
    }
}

/// Reads the whole database and compares its parts. `Ok` means that nothing is damaged.
pub fn check(directory: &Path) -> Result<(), StoreError> {
    let reader = Reader::open(directory)?;
    let found: String = reader
        .conn
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(StoreError::Damaged(found))
    }
}

impl Reader {
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let path = existing(directory)?;
        let conn = Connection::open_with_flags(&path, flags)?;
        refuse_other_schema(&conn, &path)?;
        Ok(Self { conn })
    }

    /// From now on reads what is committed now, whatever is written meanwhile. Not to be kept for
    /// long: the write-ahead log grows.
    pub fn hold(&self) -> Result<(), StoreError> {
        self.conn.execute_batch("BEGIN")?;
        // A transaction begins with its first look.
        self.conn
            .query_row("SELECT events FROM state", [], |_row| Ok(()))?;
        Ok(())
    }

    /// Lets another thread end the running query.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.conn.get_interrupt_handle()
    }

    /// Whether a client has been stored, whose name depends on the hash key.
    pub fn has_clients(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM dimension WHERE dimension = ?1 AND value != '')";
        let client = [Dimension::Client as u8];
        Ok(self.conn.query_row(sql, client, |row| row.get(0))?)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.conn
    }

    /// The newest rejects, newest first.
    pub fn rejects(&self, limit: u32) -> Result<Vec<StoredReject>, StoreError> {
        let sql = "SELECT id, received, reason, detail, payload, imported FROM reject \
                   ORDER BY id DESC LIMIT ?1";
        let mut statement = self.conn.prepare(sql)?;
        let rows = statement.query_and_then(params![limit], |row| {
            let reason: u8 = row.get(2)?;
            Ok(StoredReject {
                id: row.get(0)?,
                received: UnixNanos::new(row.get(1)?),
                reason: RejectReason::ALL
                    .get(usize::from(reason))
                    .copied()
                    .ok_or(StoreError::Content("reason of a reject"))?,
                detail: row.get(3)?,
                payload: row.get(4)?,
                imported: row.get(5)?,
            })
        })?;
        rows.collect()
    }
}
