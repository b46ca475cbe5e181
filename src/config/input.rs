//! Reads the files that a user gives. A FIFO without a writer and a file system that hangs stop
//! neither the start nor a reload for ever: a thread of its own reads, in bounded time, a bounded
//! number of bytes.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// No list of prices, rules or certificates is longer.
const MAX_LEN: u64 = 16 << 20;
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Maximum number of threads that wait for a file.
const MAX_THREADS: usize = 16;

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Reads a file of UTF-8 text.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read(path, MAX_LEN)?);
    text.map_err(|_quotes_bytes| {
        let text = "the file is not valid UTF-8";
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

/// Reads a file; a longer one than `limit` is an error.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if THREADS.fetch_add(1, Ordering::Relaxed) >= MAX_THREADS {
        THREADS.fetch_sub(1, Ordering::Relaxed);
        return Err(io::Error::other(
            "too many earlier reads of files still wait",
        ));
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let owned = path.to_owned();
    let started = thread::Builder::new()
        .name("read file".to_owned())
        .spawn(move || {
            let read = read_bounded(&owned, limit);
            THREADS.fetch_sub(1, Ordering::Relaxed);
            // Nobody waits any more after the time-out.
            sender.send(read).ok();
        });
    if let Err(error) = started {
        THREADS.fetch_sub(1, Ordering::Relaxed);
        return Err(error);
    }
    receiver.recv_timeout(MAX_WAIT).unwrap_or_else(|_| {
        let text = format!(
            "it was not read to its end within {} s; is it a FIFO without a writer, or on a file \
             system that hangs?",
            MAX_WAIT.as_secs()
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = format!("the file is longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "hello").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"hello");
        let error = read(&path, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_endless_file_and_a_silent_fifo_are_errors() {
        let error = read(Path::new("/dev/zero"), MAX_LEN).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let start = Instant::now();
        let error = read(&path, 5).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert!(start.elapsed() >= MAX_WAIT);
    }
}
