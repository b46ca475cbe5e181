//! Passes files of records to a running exporter.
//!
//! One process writes a database. An import beside it writes the records to a directory that the
//! exporter reads, and reads the result there.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::import::{Chunk, Lines, Summary};
use crate::decode::Decoder;
use crate::errors::Chain;
use crate::ingest::{ImportQueue, ImportSink};
use crate::model::UnixNanos;
use crate::platform::{create_private_dir, create_private_file};
use crate::store::{Store, StoreError};

const DIRECTORY: &str = "import";
/// File name endings: being written, complete, and result.
const PART: &str = "part";
const RECORDS: &str = "jsonl";
const ANSWER: &str = "done";
/// Maximum records per step, which delays live records.
const STEP_RECORDS: usize = 1000;
/// Interval between reads of the directory.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Age after which a result is removed: no import waits so long.
const RESULT_LIFETIME: Duration = Duration::from_hours(24);
const BUFFER: usize = 256 * 1024;

/// Records for a running exporter to import.
#[derive(Debug)]
pub struct PendingImport {
    records: PathBuf,
}

/// The exporter's result of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub text: String,
    pub failed: bool,
}

impl PendingImport {
    /// Copies the records to the exporter's directory, atomically.
    pub fn write(storage: &Path, mut input: impl BufRead, now: UnixNanos) -> io::Result<Self> {
        let directory = storage.join(DIRECTORY);
        create_private_dir(&directory)?;
        let name = format!("{}-{}", now.get(), std::process::id());
        let part = directory.join(&name).with_extension(PART);
        let mut file = BufWriter::with_capacity(BUFFER, create_private_file(&part)?);
        io::copy(&mut input, &mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        let records = part.with_extension(RECORDS);
        fs::rename(&part, &records)?;
        Ok(Self { records })
    }

    /// The result, once it exists.
    pub fn answer(&self) -> io::Result<Option<Answer>> {
        let path = self.records.with_extension(ANSWER);
        match fs::read(&path) {
            Ok(text) => {
                fs::remove_file(&path)?;
                Ok(Some(serde_json::from_slice(&text)?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The exporter's side: one file at a time, a chunk at a time.
#[derive(Debug)]
pub struct Inbox {
    directory: PathBuf,
    looked: Option<Instant>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    chunk: Chunk,
}

impl ImportQueue for Inbox {
    fn wants_a_step(&self) -> bool {
        let recently = |at: Instant| at.elapsed() < POLL_INTERVAL;
        self.current.is_some() || !self.looked.is_some_and(recently)
    }

    fn step(
        &mut self,
        store: &mut Store,
        decoder: &Decoder,
        sink: &mut dyn ImportSink,
        now: UnixNanos,
    ) -> Result<bool, StoreError> {
        if self.current.is_none() {
            self.looked = Some(Instant::now());
            self.current = self.next();
        }
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        let read = current.fill();
        current.chunk.commit(store, decoder, sink, now)?;
        match read {
            Ok(true) => Ok(true),
            Ok(false) => {
                let summary = current.chunk.summary;
                self.finish(&Answer::of(&summary));
                Ok(true)
            }
            Err(error) => {
                let text = format!(
                    "{}, then it could not be read: {error}",
                    current.chunk.summary
                );
                self.finish(&Answer { text, failed: true });
                Ok(true)
            }
        }
    }
}

impl Inbox {
    pub fn new(storage: &Path, now: UnixNanos) -> Self {
        let directory = storage.join(DIRECTORY);
        remove_expired(&directory, now);
        Self {
            directory,
            looked: None,
            current: None,
        }
    }

    /// The oldest complete file.
    fn next(&self) -> Option<Current> {
        let mut found: Vec<PathBuf> = files(&self.directory)
            .filter(|path| path.extension().is_some_and(|e| e == RECORDS))
            .collect();
        found.sort();
        found.into_iter().find_map(|path| match File::open(&path) {
            Ok(file) => {
                let lines = Lines::new(BufReader::with_capacity(BUFFER, file));
                let chunk = Chunk::default();
                tracing::info!("import started");
                Some(Current { path, lines, chunk })
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "import file cannot be opened");
                None
            }
        })
    }

    /// Writes the result first: a crash before the removal imports again, which changes nothing.
    fn finish(&mut self, answer: &Answer) {
        let Some(Current { path, .. }) = self.current.take() else {
            return;
        };
        tracing::info!(result = answer.text, "import finished");
        let written = answer.write(&path.with_extension(ANSWER));
        if let Err(error) = written.and_then(|()| fs::remove_file(&path)) {
            tracing::warn!(error = %Chain(&error), "imported file could not be deleted");
        }
        self.looked = None;
    }
}

impl Current {
    /// Reads the records of a step. False at the end.
    fn fill(&mut self) -> io::Result<bool> {
        while !self.chunk.has(STEP_RECORDS) {
            match self.lines.next_record()? {
                Some(record) => self.chunk.take(record),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl Answer {
    fn of(summary: &Summary) -> Self {
        Self {
            text: summary.to_string(),
            failed: summary.is_nothing_read(),
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let part = path.with_extension(PART);
        let mut file = create_private_file(&part)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(&part, path)
    }
}

/// Removes expired results.
fn remove_expired(directory: &Path, now: UnixNanos) {
    let old = |path: &PathBuf| {
        let modified = fs::metadata(path).and_then(|about| about.modified());
        let since = modified.map(|at| at.duration_since(SystemTime::UNIX_EPOCH));
        since.is_ok_and(|since| {
            let nanos = i64::try_from(since.unwrap_or_default().as_nanos());
            now.since(UnixNanos::new(nanos.unwrap_or(i64::MAX))) >= RESULT_LIFETIME
        })
    };
    let ours = |path: &PathBuf| path.extension().is_some_and(|e| e == PART || e == ANSWER);
    for path in files(directory).filter(ours).filter(old) {
        if let Err(error) = fs::remove_file(&path) {
            tracing::debug!(error = %Chain(&error), "cannot remove an old import result");
        }
    }
}

/// Empty without the directory.
fn files(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(test)]
mod tests {
    use super::super::Unpriced;
    use super::*;
    use crate::decode::HashKey;

    const NOW: UnixNanos = UnixNanos::from_millis(1_794_960_000_000);

    fn record(second: u32) -> String {
        format!(
            r#"{{"timestamp":"2026-11-01T00:{:02}:{:02}Z","provider":"codex","model":"m","auth_index":"37e10dbe","tokens":{{"input_tokens":3,"output_tokens":2,"total_tokens":5}}}}"#,
            second / 60,
            second % 60
        )
    }

    /// Steps until no file is left and returns the number of steps.
    fn drain(inbox: &mut Inbox, store: &mut Store) -> usize {
        let decoder = Decoder::new(HashKey([7; 16]));
        let mut steps = 0;
        while inbox.step(store, &decoder, &mut Unpriced, NOW).unwrap() {
            steps += 1;
        }
        steps
    }

    #[test]
    fn files_are_imported_in_steps_and_get_a_result() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mut inbox = Inbox::new(dir.path(), NOW);
        assert_eq!(drain(&mut inbox, &mut store), 0);
        let text: String = (0..2500).map(|at| record(at) + "\n").collect();
        let first = PendingImport::write(dir.path(), text.as_bytes(), NOW).unwrap();
        let later = NOW.saturating_add(POLL_INTERVAL);
        let second = PendingImport::write(dir.path(), "a,b,c\n".as_bytes(), later).unwrap();
        assert_eq!(first.answer().unwrap(), None);
        assert_eq!(drain(&mut inbox, &mut store), 4);
        let answer = first.answer().unwrap().unwrap();
        assert!(
            answer.text.starts_with("2500 read: 2500 stored"),
            "{answer:?}"
        );
        assert!(!answer.failed);
        assert!(second.answer().unwrap().unwrap().failed);
        assert_eq!(store.stats().unwrap().events, 2500);
        assert_eq!(files(&dir.path().join(DIRECTORY)).count(), 0);
    }

    #[test]
    fn an_import_interrupted_by_a_crash_starts_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let text: String = (0..1500).map(|at| record(at) + "\n").collect();
        let handed = PendingImport::write(dir.path(), text.as_bytes(), NOW).unwrap();
        let decoder = Decoder::new(HashKey([7; 16]));
        let mut crashed = Inbox::new(dir.path(), NOW);
        crashed
            .step(&mut store, &decoder, &mut Unpriced, NOW)
            .unwrap();
        drop(crashed);
        assert_eq!(store.stats().unwrap().events, 1000);
        drain(&mut Inbox::new(dir.path(), NOW), &mut store);
        let answer = handed.answer().unwrap().unwrap();
        assert!(
            answer
                .text
                .starts_with("1500 read: 500 stored, 1000 already there"),
            "{answer:?}"
        );
    }
}
