//! Moves the records of a reply to the spool while it is received, with bounded memory.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::context::{Context, LAST_REPLY, SessionEnd};
use crate::cpa::QueueReply;
use crate::cpa::resp::{Replies, RespFailure};
use crate::model::IngestMode;

/// Bytes of records that are written at once. A usual reply is smaller.
const PIECE_BYTES: usize = 2 * 1024 * 1024;
/// Longest time that a record of a slow reply waits in memory.
const PIECE_TIME: Duration = Duration::from_secs(1);

/// A reply with records.
pub(super) trait Records {
    /// The next record; `None` after the last one. Must not be cancelled.
    async fn record(&mut self) -> Result<Option<Bytes>, SessionEnd>;

    /// Least number of records that have not been received.
    fn missing(&self) -> u64;
}

/// Number and bytes of received records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// The reply to a pop over RESP.
pub(super) struct Popped<'a> {
    pub(super) replies: &'a mut Replies,
    pub(super) left: u64,
}

/// Reads a reply to its end and stores its records. When it ends early, its complete records are
/// stored and the others counted as lost. Not cancel-safe.
pub(super) async fn store(
    context: &mut Context,
    mode: IngestMode,
    reply: &mut impl Records,
) -> Result<Received, SessionEnd> {
    let mut received = Received::default();
    let mut piece = Piece::default();
    let mut late = pin!(context.late());
    let end = loop {
        let mut reading = pin!(reply.record());
        let record = loop {
            tokio::select! {
                biased;
                record = &mut reading => break record,
                () = sleep_until(piece.due), if !piece.records.is_empty() => {
                    piece.put(context, mode).await?;
                }
                () = &mut late => break Err(RespFailure::Timeout(LAST_REPLY).into()),
            }
        };
        match record {
            Ok(Some(record)) => {
                received.records += 1;
                received.bytes += record.len() as u64;
                piece.add(record);
            }
            Ok(None) => break Ok(received),
            Err(end) => break Err(end),
        }
        if piece.bytes >= PIECE_BYTES {
            piece.put(context, mode).await?;
        }
    };
    piece.put(context, mode).await?;
    end.inspect_err(|_| context.reply_cut(reply.missing()))
}

/// Records that are about to be written.
struct Piece {
    records: Vec<Bytes>,
    bytes: usize,
    due: Instant,
}

impl Default for Piece {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            bytes: 0,
            due: Instant::now(),
        }
    }
}

impl Piece {
    fn add(&mut self, record: Bytes) {
        if self.records.is_empty() {
            self.due = Instant::now() + PIECE_TIME;
        }
        self.bytes += record.len();
        self.records.push(record);
    }

    async fn put(&mut self, context: &mut Context, mode: IngestMode) -> Result<(), SessionEnd> {
        let records = std::mem::take(&mut self.records);
        self.bytes = 0;
        if records.is_empty() {
            return Ok(());
        }
        context.put(mode, records).await
    }
}

impl Records for Popped<'_> {
    async fn record(&mut self) -> Result<Option<Bytes>, SessionEnd> {
        if self.left == 0 {
            return Ok(None);
        }
        let record = self.replies.record().await?;
        self.left -= 1;
        Ok(Some(record))
    }

    fn missing(&self) -> u64 {
        self.left
    }
}

impl Records for QueueReply {
    async fn record(&mut self) -> Result<Option<Bytes>, SessionEnd> {
        Ok(Self::record(self).await?)
    }

    /// The array has no length.
    fn missing(&self) -> u64 {
        1
    }
}
