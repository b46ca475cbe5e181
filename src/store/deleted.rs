//! A database file that another program deletes or replaces while it is open.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::open::{connect, file_id};
use super::{Store, StoreError};
use crate::platform::create_private_dir;

impl Store {
    /// Writes the open database to its path again if the file there has been deleted. True if it
    /// had. An error if another file is in its place.
    ///
    /// Until then, commits succeed on the deleted file, which ends with the process.
    pub fn restore_deleted_file(&mut self) -> Result<bool, StoreError> {
        let found = file_id(&self.path);
        if found == self.file_id {
            return Ok(false);
        }
        let rescue = self.path.with_extension("db.rescued");
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let failed = |error| StoreError::Create(rescue.clone(), error);
        create_private_dir(directory).map_err(failed)?;
        fs::remove_file(&rescue).ok();
        let name = rescue.to_string_lossy();
        self.conn.execute("VACUUM INTO ?1", [name])?;
        fs::File::open(&rescue)
            .and_then(|file| file.sync_all())
            .map_err(failed)?;
        if found.is_some() {
            return Err(StoreError::Replaced {
                path: self.path.clone(),
                rescue,
            });
        }
        // SQLite deletes the log of a closed database by its name, so the old one is closed first.
        drop(std::mem::replace(
            &mut self.conn,
            Connection::open_in_memory()?,
        ));
        for suffix in ["-wal", "-shm"] {
            let mut log = self.path.clone().into_os_string();
            log.push(suffix);
            fs::remove_file(log).ok();
        }
        fs::rename(&rescue, &self.path).map_err(failed)?;
        self.conn = connect(&self.path)?;
        self.file_id = file_id(&self.path);
        Ok(true)
    }
}
