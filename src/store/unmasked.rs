//! Databases before version 5 held e-mails and projects in clear: as sources of records, and in
//! rejects. This masks them and leaves no trace of them in the files.
//!
//! Changed rows alone would not do: SQLite leaves old bytes in the unused parts of its pages. So both
//! tables are copied, and what they were goes out of the file. Numbers of rows stay, because events
//! refer to them.

use rusqlite::{Connection, Row, Transaction, ffi, params};

use super::{FailureClass, StoreError};
use crate::errors::Chain;
use crate::model::{Dimension, Mask};

/// Rows of a transaction: few enough to be held in memory.
const NAMES: u32 = 10_000;
/// A reject has up to 256 KiB.
const REJECTS: u32 = 64;
/// Unused pages that one transaction takes out of the file.
const PAGES: u32 = 2_000;

/// Of the pragma `auto_vacuum`: unused pages can be taken out of the file.
const INCREMENTAL: i64 = 2;

/// What 0001 and 0004 say, by another name.
const COPIES: &str = "
DROP TABLE IF EXISTS masked_dimension;
DROP TABLE IF EXISTS masked_reject;
CREATE TABLE masked_dimension (
    dimension INTEGER NOT NULL,
    id        INTEGER NOT NULL,
    value     TEXT    NOT NULL,
    -- Name in labels where it is not the value: accounts and clients. Chosen once, never reused.
    label     TEXT,
    PRIMARY KEY (dimension, id),
    UNIQUE (dimension, value),
    UNIQUE (dimension, label)
) STRICT, WITHOUT ROWID;
CREATE TABLE masked_reject (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    received INTEGER NOT NULL, -- ns since the epoch
    reason   INTEGER NOT NULL,
    detail   TEXT    NOT NULL,
    payload  BLOB    NOT NULL,
    imported INTEGER NOT NULL DEFAULT 0
) STRICT;
";

/// Rejects keep counting where they were: a number means one reject only.
const SWAP: &str = "
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'reject')
    WHERE name = 'masked_reject';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'masked_reject', seq FROM sqlite_sequence WHERE name = 'reject'
    AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'masked_reject');
DROP TABLE dimension;
DROP TABLE reject;
ALTER TABLE masked_dimension RENAME TO dimension;
ALTER TABLE masked_reject RENAME TO reject;
";

/// Can be broken off anywhere and begins anew then; what is masked already stays as it is.
pub(super) fn mask(conn: &mut Connection, mask: &dyn Mask) -> Result<(), StoreError> {
    let last_reject = last_reject(conn)?;
    if last_reject == 0 && !has_sources(conn)? {
        return Ok(());
    }
    tracing::info!("masking the e-mails and projects that the database holds in clear");
    // Pages that are used again are emptied before. This alone would spare the pages that are not.
    conn.pragma_update(None, "secure_delete", "fast")?;
    conn.execute_batch(COPIES)?;
    copy_names(conn, mask)?;
    copy_rejects(conn, mask)?;
    let tx = conn.transaction()?;
    tx.execute_batch(SWAP)?;
    tx.commit()?;
    clear_unused(conn, last_reject)?;
    conn.pragma_update(None, "secure_delete", false)?;
    empty_log(conn)
}

/// The highest number a reject ever had.
fn last_reject(conn: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'reject'";
    Ok(conn.query_row(sql, [], |row| row.get(0))?)
}

fn has_sources(conn: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM dimension WHERE dimension = ?1)";
    Ok(conn.query_row(sql, [Dimension::Source.code()], |row| row.get(0))?)
}

struct Name {
    dimension: u8,
    id: u32,
    value: String,
    label: Option<String>,
}

impl Name {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            dimension: row.get(0)?,
            id: row.get(1)?,
            value: row.get(2)?,
            label: row.get(3)?,
        })
    }
}

fn copy_names(conn: &mut Connection, mask: &dyn Mask) -> Result<(), StoreError> {
    let sql = "SELECT dimension, id, value, label FROM dimension WHERE (dimension, id) > (?1, ?2) \
               ORDER BY dimension, id LIMIT ?3";
    let mut after = (0, 0);
    loop {
        let tx = conn.transaction()?;
        let names = {
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map(params![after.0, after.1, NAMES], Name::read)?;
            rows.collect::<Result<Vec<_>, _>>()?
        };
        for name in &names {
            copy_name(&tx, name, mask)?;
        }
        tx.commit()?;
        match names.last() {
            Some(last) => after = (last.dimension, last.id),
            None => return Ok(()),
        }
    }
}

fn copy_name(tx: &Transaction<'_>, name: &Name, mask: &dyn Mask) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO masked_dimension (dimension, id, value, label) \
               VALUES (?1, ?2, ?3, ?4)";
    let mut statement = tx.prepare_cached(sql)?;
    let mut insert =
        |value: &str| statement.execute(params![name.dimension, name.id, value, name.label]);
    if name.dimension != Dimension::Source.code() || name.value == super::dimensions::OVERFLOW {
        insert(&name.value)?;
        return Ok(());
    }
    // The same text may be there in clear and masked, under two numbers that events refer to.
    let twin = format!("+{}", name.id);
    let value = name.value.strip_suffix(&twin).unwrap_or(&name.value);
    let masked = mask.source(value).to_string();
    if insert(&masked)? == 0 {
        insert(&format!("{masked}{twin}"))?;
    }
    Ok(())
}

fn copy_rejects(conn: &mut Connection, mask: &dyn Mask) -> Result<(), StoreError> {
    let read = "SELECT id, payload FROM reject WHERE id > ?1 ORDER BY id LIMIT ?2";
    let write = "INSERT INTO masked_reject (id, received, reason, detail, payload, imported) \
                 SELECT id, received, reason, detail, ?2, imported FROM reject WHERE id = ?1";
    let mut after = 0;
    loop {
        let tx = conn.transaction()?;
        let rejects: Vec<(i64, Vec<u8>)> = {
            let mut statement = tx.prepare_cached(read)?;
            let rows = statement.query_map(params![after, REJECTS], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            rows.collect::<Result<_, _>>()?
        };
        for (id, payload) in &rejects {
            tx.prepare_cached(write)?
                .execute(params![id, mask.payload(payload)])?;
        }
        tx.commit()?;
        match rejects.last() {
            Some((id, _)) => after = *id,
            None => return Ok(()),
        }
    }
}

/// Takes the old tables' pages out of the file.
///
/// Pages of rejects that were deleted earlier may have been used again since and hold old bytes
/// anywhere. Only then is the whole file written anew, which needs room for two more of it.
fn clear_unused(conn: &Connection, last_reject: i64) -> Result<(), StoreError> {
    let rejects: i64 = conn.query_row("SELECT count(*) FROM reject", [], |row| row.get(0))?;
    let auto_vacuum: i64 = conn.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if rejects < last_reject || auto_vacuum != INCREMENTAL {
        return write_anew(conn);
    }
    let unused = || conn.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
    let mut left = unused()?;
    while left > 0 {
        let mut statement = conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        let now = unused()?;
        if now >= left {
            return write_anew(conn);
        }
        left = now;
    }
    Ok(())
}

/// Records must be taken even where there is no room for this.
fn write_anew(conn: &Connection) -> Result<(), StoreError> {
    match conn.execute_batch("VACUUM").map_err(StoreError::from) {
        Err(error) if error.class() == FailureClass::Full => {
            tracing::warn!(
                error = %Chain(&error),
                "unused parts of the database may still hold e-mails and projects in clear, because \
                 the disk has no room to write it anew; stop the exporter and run SQLite's VACUUM \
                 on it when there is"
            );
            Ok(())
        }
        done => done,
    }
}

/// The log holds pages as they were.
fn empty_log(conn: &Connection) -> Result<(), StoreError> {
    let busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        // Somebody reads the old pages; the next try begins anew.
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None).into());
    }
    Ok(())
}
