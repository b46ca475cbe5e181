//! Reads RESP2 with bounded memory: CPA sends any number of records of any length.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use redis::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::time::timeout;

use super::{Message, RespFailure};
use crate::cpa::RespError;
use crate::decode::MAX_PAYLOAD;

/// Replies are a few hundred KiB; a large buffer saves system calls.
const READ_BUFFER: usize = 64 * 1024;
/// Maximum length of the first line of a reply; an error line is the longest.
const MAX_LINE: usize = 64 * 1024;
/// Maximum number of elements of an array that is not a list of records.
const MAX_ELEMENTS: u64 = 16;
/// Bytes kept of a longer bulk string: enough to reject it as too long.
const MAX_KEPT: usize = MAX_PAYLOAD + 1;

/// One reply or message of CPA's protocol.
#[derive(Debug)]
pub(crate) enum Reply {
    Ok,
    Nil,
    Bulk(Bytes),
    Array(Vec<Reply>),
    Other,
}

/// The first line of a reply.
enum Head {
    Ok,
    Nil,
    Bulk(u64),
    Array(u64),
    Other,
}

/// Reads replies from a stream.
pub(crate) struct Reader<R> {
    stream: BufReader<R>,
    /// Longest wait for further bytes.
    idle: Option<Duration>,
    /// Number of received bytes.
    received: Arc<AtomicU64>,
    line: Vec<u8>,
    /// A part of a reply was read.
    is_inside: bool,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(stream: R, idle: Duration) -> Self {
        Self {
            stream: BufReader::with_capacity(READ_BUFFER, stream),
            idle: Some(idle),
            received: Arc::default(),
            line: Vec::new(),
            is_inside: false,
        }
    }

    /// From now on, waits for bytes without a limit, as a subscription does.
    pub(crate) fn wait_forever(&mut self) {
        self.idle = None;
    }

    /// Counts the received bytes, so that a slow message is told from a dead connection.
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Reads one complete reply or message. Must not be cancelled: a partly read reply is lost, and
    /// CPA keeps no copy.
    pub(crate) async fn next(&mut self) -> Result<Reply, RespFailure> {
        self.is_inside = false;
        let reply = match self.head().await? {
            Head::Array(length) if length > MAX_ELEMENTS => {
                return Err(protocol("an array with too many elements"));
            }
            Head::Array(length) => {
                let mut elements = Vec::new();
                for _ in 0..length {
                    let head = self.head().await?;
                    elements.push(self.value(head).await?);
                }
                Reply::Array(elements)
            }
            head @ (Head::Ok | Head::Nil | Head::Other | Head::Bulk(_)) => self.value(head).await?,
        };
        self.is_inside = false;
        Ok(reply)
    }

    /// Reads one complete message of a subscription. Must not be cancelled either.
    pub(crate) async fn message(&mut self) -> Result<Message, RespFailure> {
        let message = match self.next().await {
            Err(RespFailure::Ended(error)) if self.is_inside => {
                return Err(RespFailure::Cut(error));
            }
            message => message?,
        };
        let Reply::Array(items) = message else {
            return Err(message.unexpected());
        };
        let mut items = items.into_iter();
        let kind = items
            .next()
            .map(Reply::into_bytes)
            .transpose()?
            .unwrap_or_default();
        match (kind.as_ref(), items.nth(1)) {
            (b"message", Some(payload)) => payload.into_bytes().map(Message::Payload),
            (b"pong", _) => Ok(Message::Alive),
            // CPA closes the connection then.
            (b"unsubscribe", _) => Ok(Message::Unsubscribed),
            _ => Err(protocol("unexpected message")),
        }
    }

    /// Reads the start of the reply to a counted pop: the number of its records, which
    /// [`Self::record`] reads.
    pub(crate) async fn records(&mut self) -> Result<u64, RespFailure> {
        match self.head().await? {
            Head::Array(length) => Ok(length),
            Head::Nil => Ok(0),
            head @ (Head::Ok | Head::Other | Head::Bulk(_)) => {
                Err(self.value(head).await?.unexpected())
            }
        }
    }

    /// Reads a record of a pop. Must not be cancelled.
    pub(crate) async fn record(&mut self) -> Result<Bytes, RespFailure> {
        match self.head().await? {
            Head::Bulk(length) => self.bulk(length).await,
            head @ (Head::Ok | Head::Nil | Head::Other | Head::Array(_)) => {
                Err(self.value(head).await?.unexpected())
            }
        }
    }

    /// Like [`Self::next`] with a time-out, after which the connection is unusable.
    pub(crate) async fn next_within(&mut self, limit: Duration) -> Result<Reply, RespFailure> {
        match timeout(limit, self.next()).await {
            Ok(reply) => reply,
            Err(_elapsed) => Err(RespFailure::Timeout(limit)),
        }
    }

    async fn value(&mut self, head: Head) -> Result<Reply, RespFailure> {
        match head {
            Head::Ok => Ok(Reply::Ok),
            Head::Nil => Ok(Reply::Nil),
            Head::Other => Ok(Reply::Other),
            Head::Bulk(length) => self.bulk(length).await.map(Reply::Bulk),
            Head::Array(_) => Err(protocol("an array in an array")),
        }
    }

    async fn head(&mut self) -> Result<Head, RespFailure> {
        self.read_line().await?;
        let Some((kind, text)) = self
            .line
            .strip_suffix(b"\r\n")
            .and_then(<[u8]>::split_first)
        else {
            return Err(protocol("a line without an end or a type"));
        };
        match kind {
            b'$' | b'*' => match length(text)? {
                None => Ok(Head::Nil),
                Some(length) if *kind == b'$' => Ok(Head::Bulk(length)),
                Some(length) => Ok(Head::Array(length)),
            },
            _ => status(&self.line),
        }
    }

    async fn read_line(&mut self) -> Result<(), RespFailure> {
        self.line.clear();
        while self.line.last() != Some(&b'\n') {
            self.fill().await?;
            let buffer = self.stream.buffer();
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(buffer.len(), |end| end + 1);
            self.line
                .extend_from_slice(buffer.get(..length).unwrap_or_default());
            self.consume(length);
            if self.line.len() > MAX_LINE {
                return Err(protocol("a line that is too long"));
            }
        }
        Ok(())
    }

    /// Reads a bulk string and its end. Of a longer one than [`MAX_KEPT`], the rest is dropped.
    async fn bulk(&mut self, length: u64) -> Result<Bytes, RespFailure> {
        let kept = usize::try_from(length).map_or(MAX_KEPT, |length| length.min(MAX_KEPT));
        let mut bytes = Vec::with_capacity(kept.min(READ_BUFFER));
        let mut left = length;
        while left > 0 {
            self.fill().await?;
            let buffer = self.stream.buffer();
            let part = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let missing = kept - bytes.len();
            if missing > 0 {
                let spare = bytes.capacity() - bytes.len();
                if spare < part.min(missing) {
                    // Doubles at most, and never beyond what is kept.
                    bytes.reserve_exact(bytes.len().max(part).min(missing));
                }
                bytes.extend_from_slice(buffer.get(..part.min(missing)).unwrap_or_default());
            }
            self.consume(part);
            left -= part as u64;
        }
        for expected in *b"\r\n" {
            self.fill().await?;
            if self.stream.buffer().first() != Some(&expected) {
                return Err(protocol("a bulk string without an end"));
            }
            self.consume(1);
        }
        Ok(bytes.into())
    }

    /// Waits until the buffer holds a byte.
    async fn fill(&mut self) -> Result<(), RespFailure> {
        if !self.stream.buffer().is_empty() {
            return Ok(());
        }
        let filling = self.stream.fill_buf();
        let filled = match self.idle {
            Some(limit) => timeout(limit, filling)
                .await
                .map_err(|_elapsed| RespFailure::Timeout(limit))?,
            None => filling.await,
        };
        match filled {
            Ok([]) => Err(RespFailure::Ended(None)),
            Ok(bytes) => {
                self.received
                    .fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(RespFailure::Ended(Some(error))),
        }
    }

    fn consume(&mut self, length: usize) {
        self.is_inside = true;
        self.stream.consume(length);
    }
}

impl Reply {
    /// Error for a reply of the wrong kind. Contains the kind only: the content may be a record.
    pub(crate) fn unexpected(&self) -> RespFailure {
        let kind = match self {
            Self::Ok => "OK",
            Self::Nil => "nil",
            Self::Bulk(_) => "bulk string",
            Self::Array(_) => "array",
            Self::Other => "status or integer",
        };
        RespFailure::Protocol(format!("unexpected {kind}"))
    }

    /// The content of a bulk string.
    pub(crate) fn into_bytes(self) -> Result<Bytes, RespFailure> {
        if let Self::Bulk(bytes) = self {
            Ok(bytes)
        } else {
            Err(self.unexpected())
        }
    }
}

/// Parses a reply that is a single line.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "other kinds of RESP2 are read elsewhere, and those of RESP3 are unexpected"
)]
fn status(line: &[u8]) -> Result<Head, RespFailure> {
    // The text of a parse error can quote received bytes.
    match redis::parse_redis_value(line).map_err(|_error| protocol("an unknown type"))? {
        Value::Okay => Ok(Head::Ok),
        Value::SimpleString(_) | Value::Int(_) => Ok(Head::Other),
        Value::ServerError(error) => {
            let line = match error.details() {
                Some(details) => format!("{} {details}", error.code()),
                None => error.code().to_owned(),
            };
            Err(RespFailure::Answer(RespError::from_line(&line)))
        }
        _ => Err(protocol("a RESP3 value")),
    }
}

/// A length, or -1 for nil.
fn length(text: &[u8]) -> Result<Option<u64>, RespFailure> {
    if text == b"-1" {
        return Ok(None);
    }
    let length = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    length.map_or_else(
        || Err(protocol("a length that is no number")),
        |n| Ok(Some(n)),
    )
}

fn protocol(why: &str) -> RespFailure {
    RespFailure::Protocol(why.to_owned())
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
