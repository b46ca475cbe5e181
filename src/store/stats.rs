use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::OptionalExtension;

use super::{Store, StoreError};
use crate::model::UnixNanos;

/// What the gauges say about the database. Cheap whatever it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    pub events: u64,
    pub rejects: u64,
    pub oldest_event: Option<UnixNanos>,
    pub database_bytes: u64,
    pub wal_bytes: u64,
}

impl Store {
    pub fn stats(&self) -> Result<StoreStats, StoreError> {
        let oldest: Option<i64> = self
            .conn
            .prepare_cached("SELECT ts FROM event ORDER BY ts LIMIT 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(StoreStats {
            events: self.state.events,
            rejects: self.rejects.total(),
            oldest_event: oldest.map(UnixNanos::new),
            database_bytes: file_bytes(&self.path),
            wal_bytes: file_bytes(&wal_path(&self.path)),
        })
    }
}

fn wal_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// A file that is not there has no bytes.
fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}
