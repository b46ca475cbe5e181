//! A file of zeros that gives its space to a reply that is in memory when the disk is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Owned by the writer.
#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
    file: Option<File>,
    len: u64,
}

impl Ballast {
    /// Deletes the file of an earlier process.
    pub(super) fn new(path: PathBuf) -> Self {
        fs::remove_file(&path).ok();
        Self {
            path,
            file: None,
            len: 0,
        }
    }

    /// Grows to `bytes`. After an error, it keeps the bytes that fit.
    pub(super) fn ensure(&mut self, bytes: u64) -> io::Result<()> {
        while self.len < bytes {
            let file = match &mut self.file {
                Some(file) => file,
                none => {
                    let mut options = OpenOptions::new();
                    options.create(true).append(true);
                    none.insert(crate::platform::private(&mut options).open(&self.path)?)
                }
            };
            let missing = usize::try_from(bytes - self.len).unwrap_or(usize::MAX);
            let written = file.write(ZEROS.get(..missing).unwrap_or(&ZEROS))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.len += written as u64;
        }
        Ok(())
    }

    /// Frees the space on the disk; false if there was none.
    pub(super) fn release(&mut self) -> bool {
        let freed = self
            .file
            .as_ref()
            .is_some_and(|file| file.set_len(0).is_ok());
        let had_space = freed && self.len > 0;
        if freed {
            self.len = 0;
        }
        had_space
    }
}
