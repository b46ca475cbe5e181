//! The schema: its versions, and refusing files of another.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;

/// Numbered by position: the schema version after it. Append only.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_initial.sql")];

#[expect(clippy::cast_possible_wrap, reason = "a handful")]
const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// "CPAX", so that `file` and the exporter itself recognize its databases.
const APPLICATION_ID: i64 = 0x4350_4158;
/// "CPAE": databases of the versions before the first release, whose schema numbers mean others.
const PRE_RELEASE_ID: i64 = 0x4350_4145;

/// Looks before anything is changed. Returns the schema version.
pub(super) fn refuse_strangers(conn: &Connection, path: &Path) -> Result<usize, StoreError> {
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

pub(super) fn migrate(conn: &mut Connection, done: usize) -> Result<(), StoreError> {
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let tx = conn.transaction()?;
        tx.execute_batch(migration)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", index + 1)?;
        tx.commit()?;
    }
    Ok(())
}
