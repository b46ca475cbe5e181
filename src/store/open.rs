//! Opening, refusing and migrating a database file.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::dimensions::Interner;
use super::rejects::RejectCounts;
use super::{DATABASE_FILE, State, Store, StoreError, cursors, outbox};
use crate::platform;

/// Numbered by position: the schema version after it. Append only.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_initial.sql")];

#[expect(clippy::cast_possible_wrap, reason = "a handful")]
const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// "CPAX", so that `file` and the exporter itself recognize its databases.
const APPLICATION_ID: i64 = 0x4350_4158;
/// "CPAE": databases of the versions before the first release, whose schema numbers mean others.
const PRE_RELEASE_ID: i64 = 0x4350_4145;

/// How long one statement waits for a lock. Short, because the ingest thread has scrapes to
/// serve and its own back-off.
const BUSY_TIMEOUT: Duration = Duration::from_millis(200);

impl Store {
    /// Opens the database in `directory`, creating or migrating it if need be.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(DATABASE_FILE);
        create_private(&path)?;
        let mut conn = Connection::open_with_flags(
            &path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        let version = refuse_strangers(&conn, &path)?;
        configure(&conn, version)?;
        migrate(&mut conn, version)?;
        let state = load_state(&conn)?;
        let interner = Interner::load(&conn)?;
        let rejects = RejectCounts::load(&conn)?;
        Ok(Self {
            conn,
            path,
            interner,
            state,
            rejects,
        })
    }
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

/// Looks before anything is changed. Returns the schema version.
fn refuse_strangers(conn: &Connection, path: &Path) -> Result<usize, StoreError> {
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == PRE_RELEASE_ID {
        return Err(StoreError::PreRelease(path.into()));
    }
    if application != APPLICATION_ID && (tables > 0 || application != 0) {
        return Err(StoreError::Foreign(path.into()));
    }
    match usize::try_from(version) {
        Ok(done) if done <= MIGRATIONS.len() => Ok(done),
        _ => Err(StoreError::Newer {
            path: path.into(),
            found: version,
            known: SCHEMA_VERSION,
        }),
    }
}

/// For whoever comes beside the exporter, which alone brings a database up to date.
pub(super) fn refuse_other_schema(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application == PRE_RELEASE_ID {
        return Err(StoreError::PreRelease(path.into()));
    }
    if found != SCHEMA_VERSION {
        let path = path.into();
        return Err(StoreError::OtherSchema { path, found });
    }
    Ok(())
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

fn migrate(conn: &mut Connection, done: usize) -> Result<(), StoreError> {
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let tx = conn.transaction()?;
        tx.execute_batch(migration)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", index + 1)?;
        tx.commit()?;
    }
    Ok(())
}

fn load_state(conn: &Connection) -> Result<State, StoreError> {
    let mark = cursors::spool(conn)?;
    let forwarding = outbox::is_wanted(conn)?;
    let sql = "SELECT epoch, commits, events FROM state";
    Ok(conn.query_row(sql, [], |row| {
        Ok(State {
            epoch: row.get(0)?,
            commits: row.get(1)?,
            events: row.get(2)?,
            mark,
            forwarding,
        })
    })?)
}
