//! Opening the database file for writing.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::dimensions::Interner;
use super::rejects::RejectCounts;
use super::schema::{migrate, refuse_strangers};
use super::state::State;
use super::{DATABASE_FILE, Store, StoreError};
use crate::platform;

/// How long one statement waits for a lock. Short, because the ingest thread has scrapes to
/// serve and its own back-off.
const BUSY_TIMEOUT: Duration = Duration::from_millis(200);

impl Store {
    /// Opens the database in `directory`, creating or migrating it if need be.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(DATABASE_FILE);
        create_private(&path)?;
        let conn = connect(&path)?;
        let state = State::load(&conn)?;
        let interner = Interner::load(&conn)?;
        let rejects = RejectCounts::load(&conn)?;
        Ok(Self {
            conn,
            file_id: file_id(&path),
            path,
            interner,
            state,
            rejects,
        })
    }
}

/// Opens, configures and migrates the database.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    let version = refuse_strangers(&conn, path)?;
    configure(&conn, version)?;
    migrate(&mut conn, version)?;
    Ok(conn)
}

/// Names the file at `path`; `None` if there is none.
pub(super) fn file_id(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    platform::file_id(&metadata)
}

/// Makes an empty file that only its owner can read; SQLite gives its side files the same mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).append(true);
    platform::private(&mut options)
        .open(path)
        .map(drop)
        .map_err(|e| StoreError::Create(path.into(), e))
}

fn configure(conn: &Connection, version: usize) -> Result<(), StoreError> {
    if version == 0 {
        // Only an empty database can take it; later retention gives pages back with it.
        conn.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    conn.pragma_update(None, "journal_mode", "wal")?;
    // What was popped from a queue exists nowhere else, so a commit must survive power loss.
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // 16 MiB: fewer checkpoints in a backlog; an idle exporter's log stays far below it.
    conn.pragma_update(None, "wal_autocheckpoint", 4096)?;
    // 8 MiB: the pages of the last seconds, among which the next records fall. With less, SQLite
    // writes pages to the log before the commit, over and over.
    conn.pragma_update(None, "cache_size", -8 * 1024)?;
    conn.pragma_update(None, "journal_size_limit", 32 * 1024 * 1024)?;
    conn.set_prepared_statement_cache_capacity(32);
    Ok(())
}
