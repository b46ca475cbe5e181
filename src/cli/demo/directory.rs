//! The demo's temporary directory.

use std::path::{Path, PathBuf};
use std::{fs, io, process};

use anyhow::Context as _;

use super::super::note;
use crate::platform::{DirLock, create_private_dir};

const PREFIX: &str = "cpa-exporter-demo-";

/// Removed on drop, with its content. Its lock tells other demos that it is in use.
pub(super) struct TemporaryDirectory(PathBuf, #[expect(dead_code, reason = "held")] DirLock);

impl TemporaryDirectory {
    pub(super) fn create(parent: &Path) -> anyhow::Result<Self> {
        remove_leftovers(parent);
        let path = parent.join(format!("{PREFIX}{}", process::id()));
        remove(&path)?;
        create_private_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let lock = DirLock::acquire(&path)?;
        Ok(Self(path, lock))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// Removes the directories of killed demos.
fn remove_leftovers(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_demo = name.is_some_and(|name| name.starts_with(PREFIX));
        let is_directory = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        if is_demo && is_directory && is_abandoned(&path) {
            match remove(&path) {
                Ok(()) => note(&format!(
                    "removed {}, left by a killed demo",
                    path.display()
                )),
                Err(error) => {
                    note(&format!("cannot remove {}: {error}", path.display()));
                }
            }
        }
    }
}

/// Whether a demo locked the directory and no process holds the lock. A directory without a lock is
/// being created; one that cannot be opened belongs to another user.
fn is_abandoned(path: &Path) -> bool {
    // Older versions locked only `data`.
    let locked = [path.to_owned(), path.join("data")];
    let mut locked = locked
        .iter()
        .filter(|path| DirLock::exists(path))
        .peekable();
    locked.peek().is_some() && locked.all(|path| DirLock::acquire(path).is_ok())
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            note(&format!("cannot remove {}: {error}", self.0.display()));
        }
    }
}

/// A missing directory is not an error.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _removed => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_of_a_killed_demo_is_removed_and_a_running_one_is_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let make = |name: &str, locked: &str| {
            let path = temporary.path().join(name);
            fs::create_dir_all(path.join("data")).unwrap();
            fs::write(path.join("data/cpa-exporter.db"), "x").unwrap();
            (path.clone(), DirLock::acquire(&path.join(locked)).unwrap())
        };
        let (killed, lock) = make("cpa-exporter-demo-1", "");
        drop(lock);
        let (killed_before, lock) = make("cpa-exporter-demo-2", "data");
        drop(lock);
        let (running, _lock) = make("cpa-exporter-demo-3", "");
        let (running_before, _lock) = make("cpa-exporter-demo-4", "data");
        let (other, lock) = make("cpa-exporter-3", "");
        drop(lock);
        let starting = temporary.path().join("cpa-exporter-demo-5");
        fs::create_dir(&starting).unwrap();

        let directory = TemporaryDirectory::create(temporary.path()).unwrap();
        assert!(directory.path().is_dir());
        drop(directory);
        let mut left: Vec<PathBuf> = fs::read_dir(temporary.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        left.sort();
        assert_eq!(left, [other, running, running_before, starting]);
        assert!(!killed.exists() && !killed_before.exists());
    }
}
