//! Imports records from JSON lines into the database.

use std::fmt;
use std::io::{self, BufRead, Read as _};

use crate::decode::{Decoded, Decoder, Reject};
use crate::ingest::ImportSink;
use crate::model::{Event, Money, Route, UnixNanos};
use crate::store::{NewName, Store, StoreError};

/// Records per commit: large enough for few commits, small enough for a small machine.
const CHUNK_RECORDS: usize = 5_000;
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Maximum length of a line in memory. The decoder rejects payloads above 8 MiB.
const MAX_LINE: usize = 8 * 1024 * 1024 + 1;

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("database")]
    Store(#[from] StoreError),
    #[error("cannot read the records")]
    Read(#[from] io::Error),
}

/// Imports without prices; `reprice` adds them.
#[derive(Debug)]
pub struct Unpriced;

impl ImportSink for Unpriced {
    fn names(&mut self, _names: Vec<NewName>) {}

    fn money(&mut self, _event: &Event<'_>, _route: &Route) -> Money {
        Money::default()
    }

    fn entered(&mut self, _event: &Event<'_>, _route: &Route, _money: &Money) {}
}

/// A running import. Records are committed in chunks.
pub struct Import<'a> {
    store: &'a mut Store,
    decoder: &'a Decoder,
    sink: &'a mut dyn ImportSink,
    now: UnixNanos,
    chunk: Chunk,
}

/// Records waiting for a commit, and the result of the earlier ones.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    waiting: Vec<Box<[u8]>>,
    bytes: usize,
    pub(super) summary: Summary,
}

/// Result of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub stored: u64,
    pub known: u64,
    pub rejected: u64,
    /// CPA's own messages to subscribers, which are not records.
    pub messages: u64,
    /// First and last time of the stored records.
    pub span: Option<(UnixNanos, UnixNanos)>,
}

impl<'a> Import<'a> {
    /// `now` becomes the records' time of receipt.
    pub fn new(
        store: &'a mut Store,
        decoder: &'a Decoder,
        sink: &'a mut dyn ImportSink,
        now: UnixNanos,
    ) -> Self {
        Self {
            store,
            decoder,
            sink,
            now,
            chunk: Chunk::default(),
        }
    }

    /// Adds one record.
    pub fn take(&mut self, payload: &[u8]) -> Result<(), ImportError> {
        self.chunk.take(payload);
        if self.chunk.has(CHUNK_RECORDS) {
            self.commit()?;
        }
        Ok(())
    }

    /// Adds all lines; empty ones are skipped.
    pub fn take_lines(&mut self, mut lines: Lines<impl BufRead>) -> Result<(), ImportError> {
        while let Some(line) = lines.next_record()? {
            self.take(line)?;
        }
        Ok(())
    }

    /// Commits the rest and returns the result.
    pub fn finish(mut self) -> Result<Summary, ImportError> {
        self.commit()?;
        Ok(self.chunk.summary)
    }

    fn commit(&mut self) -> Result<(), ImportError> {
        let Self {
            store,
            decoder,
            sink,
            now,
            chunk,
        } = self;
        Ok(chunk.commit(store, decoder, *sink, *now)?)
    }
}

impl Chunk {
    pub(super) fn take(&mut self, payload: &[u8]) {
        self.bytes += payload.len();
        self.waiting.push(payload.into());
    }

    /// Whether a commit is due.
    pub(super) fn has(&self, records: usize) -> bool {
        self.waiting.len() >= records || self.bytes >= CHUNK_BYTES
    }

    /// Atomic: after an error the records still wait.
    pub(super) fn commit(
        &mut self,
        store: &mut Store,
        decoder: &Decoder,
        sink: &mut dyn ImportSink,
        now: UnixNanos,
    ) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mark = store.spool_mark();
        let mut summary = self.summary;
        let mut open = store.begin()?;
        for payload in &self.waiting {
            match decoder.decode(payload) {
                Decoded::Event(event) => {
                    let route = open.intern(&event);
                    if open.has_new_names() {
                        sink.names(open.take_new_names());
                    }
                    let money = sink.money(&event, &route);
                    if open.imported_event(&event, &route, &money)? {
                        sink.entered(&event, &route, &money);
                        summary.stored(event.timestamp);
                    } else {
                        summary.known += 1;
                    }
                }
                Decoded::Control(_) => summary.messages += 1,
                Decoded::Reject(Reject {
                    reason,
                    detail,
                    payload,
                }) => {
                    open.imported_reject(now, reason, &detail, &payload)?;
                    summary.rejected += 1;
                }
            }
        }
        open.commit(std::iter::empty(), mark)?;
        self.summary = summary;
        self.waiting.clear();
        self.bytes = 0;
        Ok(())
    }
}

impl fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("summary", &self.chunk.summary)
            .finish_non_exhaustive()
    }
}

impl Summary {
    pub fn read(&self) -> u64 {
        self.stored + self.known + self.rejected + self.messages
    }

    /// Whether no line was a record.
    pub fn is_nothing_read(&self) -> bool {
        self.rejected > 0 && self.rejected == self.read()
    }

    fn stored(&mut self, at: UnixNanos) {
        self.stored += 1;
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} read: {} stored, {} already there, {} rejected",
            self.read(),
            self.stored,
            self.known,
            self.rejected
        )?;
        if self.messages > 0 {
            write!(f, ", {} messages that are no records", self.messages)?;
        }
        if let Some((first, last)) = self.span {
            let time = |at: UnixNanos| {
                jiff::Timestamp::from_millisecond(at.as_millis()).map_err(|_beyond| fmt::Error)
            };
            write!(f, "; from {} to {}", time(first)?, time(last)?)?;
        }
        Ok(())
    }
}

/// Lines of a file, each in bounded memory.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
        }
    }

    /// The next line that is not empty.
    pub(super) fn next_record(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let end = self.read_line()?;
            if end || !self.line.iter().all(u8::is_ascii_whitespace) {
                return Ok((!end).then_some(&self.line));
            }
        }
    }

    /// Reads the next line without its end. A line that is too long is cut after the length at
    /// which the decoder rejects it; the rest is skipped. True at the end of the file.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        let read = (&mut self.input)
            .take(limit)
            .read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(true);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read == MAX_LINE {
            self.skip_line()?;
        }
        Ok(false)
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::HashKey;
    use crate::store::Reader;

    fn record(time: &str, model: &str) -> String {
        format!(
            r#"{{"timestamp":"{time}","provider":"codex","model":"{model}","auth_index":"37e10dbe","api_key":"sk-client-secret-1234567890","tokens":{{"input_tokens":3,"output_tokens":2,"total_tokens":5}}}}"#
        )
    }

    fn import(store: &mut Store, text: &str) -> Summary {
        let decoder = Decoder::new(HashKey([7; 16]));
        let mut sink = Unpriced;
        let mut import = Import::new(store, &decoder, &mut sink, UnixNanos::from_millis(1));
        import.take_lines(Lines::new(text.as_bytes())).unwrap();
        import.finish().unwrap()
    }

    #[test]
    fn every_line_is_counted_and_a_second_import_adds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let text = format!(
            "{}\n\n  \n{}\r\n{{\"no\":\"record\"}}\n{{\"refresh\":true}}\n{}",
            record("2026-11-01T00:00:00Z", "a"),
            record("2026-11-03T00:00:00Z", "b"),
            record("2026-11-02T00:00:00Z", "a"),
        );
        let summary = import(&mut store, &text);
        assert_eq!(
            summary.to_string(),
            "5 read: 3 stored, 0 already there, 1 rejected, 1 messages that are no records; from \
             2026-11-01T00:00:00Z to 2026-11-03T00:00:00Z"
        );
        let again = import(&mut store, &text);
        assert_eq!((again.stored, again.known, again.span), (0, 3, None));
        assert_eq!(store.load_totals().unwrap(), []);
        assert_eq!(store.stats().unwrap().events, 3);
        let rejects = Reader::open(dir.path()).unwrap().rejects(9).unwrap();
        assert_eq!(rejects.len(), 2, "one of each import");
        assert!(rejects.iter().all(|reject| reject.imported));
    }

    #[test]
    fn an_endless_line_uses_bounded_memory() {
        let mut text = vec![b'x'; 3 * MAX_LINE];
        text.extend_from_slice(b"\nshort\nlast");
        let mut lines = Lines::new(text.as_slice());
        assert_eq!(
            lines.next_record().unwrap().map(<[u8]>::len),
            Some(MAX_LINE)
        );
        assert!(lines.line.capacity() < 3 * MAX_LINE);
        assert_eq!(lines.next_record().unwrap(), Some(&b"short"[..]));
        assert_eq!(lines.next_record().unwrap(), Some(&b"last"[..]));
        assert_eq!(lines.next_record().unwrap(), None);
    }

    #[test]
    fn client_keys_are_not_stored() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let broken = record("2026-11-01T00:00:00Z", "a").replace("2026", "never");
        let text = format!("{}\n{broken}\n", record("2026-11-01T00:00:00Z", "a"));
        let summary = import(&mut store, &text);
        assert_eq!((summary.stored, summary.rejected), (1, 1));
        store.checkpoint().unwrap();
        let file = std::fs::read(dir.path().join(crate::store::DATABASE_FILE)).unwrap();
        let secret = b"client-secret";
        assert!(!file.windows(secret.len()).any(|part| part == secret));
    }
}
