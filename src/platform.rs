//! Functions with an implementation per platform: signals, file modes, the directory lock, the
//! service manager's socket, free disk space.
//!
//! Where a platform lacks a feature, the function returns `None` or an empty value.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    process,
};

#[cfg(not(unix))]
#[path = "platform/other.rs"]
mod imp;
#[cfg(unix)]
#[path = "platform/unix.rs"]
mod imp;

pub use imp::{
    Notifier, Signals, access_remedy, file_id, free_space, is_world_readable, storage_remedy,
};

/// Name of the lock file of a directory.
const LOCK_FILE: &str = "lock";

/// A signal to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT, ctrl-c.
    Stop,
    /// SIGHUP; never on Windows.
    Reload,
    /// SIGUSR1: poll all quotas now; never on Windows.
    Refresh,
}

/// A state for the service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ready,
    Reloading,
    Stopping,
}

/// Creates `path` and its missing parents with mode 0700.
///
/// An existing directory keeps its mode, which its owner has chosen.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    imp::make_dir_private(&mut builder);
    builder.create(path)
}

/// Sets mode 0600 for files created with `options`.
pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    imp::make_file_private(options);
    options
}

/// Creates a file of mode 0600 that must not exist yet.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().read(true).write(true).create_new(true)).open(path)
}

/// Replaces a file of mode 0600 atomically: readers, and a start after a crash, find the old
/// content or the new one.
pub fn replace_private_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let next = path.with_added_extension("new");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create_private_file(&next)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&next, path)
}

/// An exclusive lock of a directory, released on drop and when the process ends for any reason.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// Why a directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has the lock.
    #[error(
        "{} is in use by another process{}; one directory serves one exporter: stop the other \
         one or choose another --storage.path",
        dir.display(),
        holder(*pid)
    )]
    InUse { dir: PathBuf, pid: Option<u32> },
    #[error("cannot lock {}{}", file.display(), storage_remedy(file, source))]
    Io { file: PathBuf, source: io::Error },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

impl DirLock {
    /// Whether `dir` was ever locked.
    pub fn exists(dir: &Path) -> bool {
        dir.join(LOCK_FILE).exists()
    }

    /// Locks `dir`, which must exist.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join(LOCK_FILE);
        let failed = |source| LockError::Io {
            file: path.clone(),
            source,
        };
        // Not truncated here: until the lock is ours, the content is the other process's.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = private(&mut options).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read_pid(&mut file);
                let dir = dir.to_path_buf();
                return Err(LockError::InUse { dir, pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        write_pid(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// The pid is only for the message; the lock itself decides.
fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_with_the_pid_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirLock::acquire(dir.path()).unwrap();
        let error = DirLock::acquire(dir.path()).unwrap_err();
        let expected = format!(
            "{} is in use by another process (pid {}); one directory serves one exporter: stop \
             the other one or choose another --storage.path",
            dir.path().display(),
            process::id()
        );
        assert_eq!(error.to_string(), expected);
        drop(lock);
        DirLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = DirLock::acquire(&dir.path().join("absent")).unwrap_err();
        assert!(matches!(error, LockError::Io { .. }), "{error:?}");
        assert!(error.to_string().ends_with("absent/lock"), "{error}");
    }

    #[test]
    fn a_private_file_is_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create_private_file(&path).unwrap();
        let again = create_private_file(&path).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_file_is_replaced_despite_the_leftovers_of_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for content in ["first", "second"] {
            fs::write(dir.path().join("key.new"), "half of someth").unwrap();
            replace_private_file(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
