//! Reads the lines of a file in chunks of bounded size.

use std::io::{self, BufRead, Read as _};

use bytes::Bytes;

/// Maximum number of lines in a chunk: large enough for few commits, small enough for a small
/// machine.
const CHUNK_RECORDS: usize = 5_000;
/// Length of a chunk without its last line.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Maximum length of a line in memory. The decoder rejects payloads above 8 MiB.
const MAX_LINE: usize = 8 * 1024 * 1024 + 1;

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

    /// The next lines, as many as one request takes. Empty at the end.
    pub fn next_chunk(&mut self) -> io::Result<Vec<Bytes>> {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while chunk.len() < CHUNK_RECORDS
            && bytes < CHUNK_BYTES
            && let Some(line) = self.next_record()?
        {
            bytes += line.len();
            chunk.push(Bytes::copy_from_slice(line));
        }
        Ok(chunk)
    }

    /// The next line that is not empty.
    fn next_record(&mut self) -> io::Result<Option<&[u8]>> {
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
    fn chunks_have_a_maximum_size_and_skip_blank_lines() {
        let text = "a\n\n  \nb\r\n".repeat(CHUNK_RECORDS);
        let mut lines = Lines::new(text.as_bytes());
        let chunk = lines.next_chunk().unwrap();
        assert_eq!((&*chunk[0], &*chunk[1]), (&b"a"[..], &b"b\r"[..]));
        let lengths = [chunk.len(), lines.next_chunk().unwrap().len()];
        assert_eq!(lengths, [CHUNK_RECORDS; 2]);
        assert!(lines.next_chunk().unwrap().is_empty());
        let long = format!("{}\nb\n", "x".repeat(CHUNK_BYTES));
        let mut lines = Lines::new(long.as_bytes());
        assert_eq!(lines.next_chunk().unwrap().len(), 1);
        assert_eq!(lines.next_chunk().unwrap(), [&b"b"[..]]);
    }
}
