//! How far each source was read: the table `cursor`.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::StoreError;

/// The spool's row.
const SPOOL: &str = "spool";

/// A spool position as the database keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolMark {
    pub segment: u64,
    pub offset: u64,
}

/// Everything before this position of the spool is committed.
pub(super) fn spool(conn: &Connection) -> Result<SpoolMark, StoreError> {
    let sql = "SELECT major, minor FROM cursor WHERE name = ?1";
    let mark = conn.query_row(sql, [SPOOL], |row| {
        Ok(SpoolMark {
            segment: row.get::<_, i64>(0)?.cast_unsigned(),
            offset: row.get(1)?,
        })
    });
    Ok(mark.optional()?.unwrap_or_default())
}

pub(super) fn save_spool(conn: &Connection, mark: SpoolMark) -> Result<(), StoreError> {
    save(conn, SPOOL, mark.segment.cast_signed(), mark.offset)
}

pub(super) fn remove(conn: &Connection, name: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM cursor WHERE name = ?1";
    conn.prepare_cached(sql)?.execute([name])?;
    Ok(())
}

pub(super) fn save(
    conn: &Connection,
    name: &str,
    major: i64,
    minor: u64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO cursor VALUES (?1, ?2, ?3) \
               ON CONFLICT DO UPDATE SET major = excluded.major, minor = excluded.minor";
    conn.prepare_cached(sql)?
        .execute(params![name, major, minor])?;
    Ok(())
}
