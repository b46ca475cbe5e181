//! Writes to the spool: wait for room, write the batch, wake the ingest thread.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::errors::{Chain, RepeatLimit};
use crate::model::Batch;
use crate::spool::{Room, SpoolError, Writer};

/// Interval at which a full spool is checked for room.
const ROOM_LOOK: Duration = Duration::from_millis(50);
/// Pause before a failed write is retried.
const WRITE_RETRY: Duration = Duration::from_millis(500);

/// Time after which a write counts as stalled.
const STALL: Duration = Duration::from_secs(5);

const SPOOL_FULL: &str = "the spool is full because the database does not accept writes: records \
                          stay in CPA, which drops them after its retention";
const DISK_FULL: &str = "the disk has no room for another reply: records stay in CPA, which drops \
                         them after its retention";

/// Called when the spool has grown.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The writer of the spool, which runs on threads that may block: a stalled disk must not stop
/// scrapes and signals.
pub struct Inlet {
    writer: Arc<Mutex<Writer>>,
    wake: Wake,
    received: Arc<AtomicU64>,
    /// Size of a reply for which there was room after the last write. Nobody else fills the spool.
    free_for: u64,
    /// Size of the reply that room was last asked for; the next one is as large.
    asked_for: u64,
    full: RepeatLimit,
    said_full: bool,
}

/// The batch could not be written before the program had to end.
#[derive(Debug, thiserror::Error)]
#[error("records popped from CPA could not be written to the spool")]
pub struct Lost;

impl Inlet {
    pub fn new(writer: Writer, wake: Wake) -> Self {
        Self {
            writer: Arc::new(Mutex::new(writer)),
            wake,
            received: Arc::default(),
            free_for: 0,
            asked_for: 0,
            full: RepeatLimit::default(),
            said_full: false,
        }
    }

    /// Counts received records; shared with the comparison against CPA's counters.
    pub fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Waits until spool and disk have room for a reply of `bytes`. False when `stop` came first.
    ///
    /// Cancel-safe: it holds no data.
    pub async fn wait_for_room(&mut self, bytes: u64, stop: &CancellationToken) -> bool {
        self.asked_for = bytes;
        let is_known = std::mem::take(&mut self.free_for) >= bytes && bytes > 0;
        if is_known && !self.said_full {
            return !stop.is_cancelled();
        }
        loop {
            let looked = self.blocking(move |writer| room(writer, bytes));
            let room = tokio::select! {
                biased;
                room = looked => room,
                () = stop.cancelled() => return false,
            };
            let why = match room {
                Some(Room::Free) => break,
                Some(Room::SpoolFull) => SPOOL_FULL,
                Some(Room::DiskFull) => DISK_FULL,
                // The runtime ends.
                None => return false,
            };
            if let Some(repeated) = self.full.log(why, Instant::now()) {
                self.said_full = true;
                tracing::error!(repeated, "{why}");
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                () = sleep(ROOM_LOOK) => {}
            }
        }
        self.full.forget_old(Instant::now());
        if std::mem::take(&mut self.said_full) {
            tracing::info!("spool has free space again; collection resumed");
        }
        true
    }

    /// Writes the batch and retries until it succeeds: CPA keeps no copy. Gives up at `hard`, when
    /// the process must end. Not cancel-safe.
    pub async fn put(&mut self, batch: Batch, hard: &CancellationToken) -> Result<(), Lost> {
        let batch = Arc::new(batch);
        let mut failed = false;
        let next = self.asked_for;
        let free = loop {
            let written = Arc::clone(&batch);
            // Looks for the room of the next reply at once: each change of threads costs more.
            let writing = self.blocking(move |writer| {
                writer.append(&written)?;
                Ok::<_, SpoolError>(room(writer, next) == Room::Free)
            });
            let outcome = tokio::select! {
                biased;
                outcome = log_stall(writing) => outcome.ok_or(Lost)?,
                () = hard.cancelled() => return Err(Lost),
            };
            let error = match outcome {
                Ok(free) => break free,
                Err(error) => error,
            };
            if !std::mem::replace(&mut failed, true) {
                tracing::error!(
                    error = %Chain(&error),
                    "spool cannot be written; retrying with the received records in memory"
                );
            }
            tokio::select! {
                biased;
                () = hard.cancelled() => return Err(Lost),
                () = sleep(WRITE_RETRY) => {}
            }
        };
        self.free_for = if free { next } else { 0 };
        if failed {
            tracing::info!("spool writes succeed again; no record was lost");
        }
        self.received
            .fetch_add(batch.records.len() as u64, Ordering::Relaxed);
        (self.wake)();
        Ok(())
    }

    /// Runs `call` on a thread that may block. `None` when the runtime ends.
    fn blocking<T, F>(&self, call: F) -> impl Future<Output = Option<T>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writer) -> T + Send + 'static,
    {
        let writer = Arc::clone(&self.writer);
        let running = tokio::task::spawn_blocking(move || {
            // The writer is consistent between statements.
            call(&mut writer.lock().unwrap_or_else(PoisonError::into_inner))
        });
        async move {
            match running.await {
                Ok(value) => Some(value),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_cancelled) => None,
                },
            }
        }
    }
}

/// Whether spool and disk have room for a reply of `bytes`. An empty spool must accept a batch, even
/// when it is small.
fn room(writer: &mut Writer, bytes: u64) -> Room {
    writer.room_for(bytes.min(writer.limit_bytes()))
}

/// Awaits a write, and logs when it takes long.
async fn log_stall<T>(writing: impl Future<Output = T>) -> T {
    let mut writing = pin!(writing);
    if let Ok(outcome) = timeout(STALL, &mut writing).await {
        return outcome;
    }
    tracing::error!("the disk does not respond; received records wait in memory");
    let outcome = writing.await;
    tracing::info!("the disk responds again");
    outcome
}

impl fmt::Debug for Inlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inlet").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::{IngestMode, UnixNanos};
    use crate::spool::{self, SegmentId};

    /// A write that blocks for as long as its lock is held, as on a stalled disk.
    #[tokio::test(start_paused = true)]
    async fn a_stalled_write_does_not_stop_other_tasks() {
        let dir = tempfile::tempdir().unwrap();
        let mut id = 0;
        let ids = Box::new(move || {
            id += 1;
            SegmentId(id)
        });
        let (writer, mut reader) = spool::open(dir.path().into(), 1 << 20, ids).unwrap();
        let mut inlet = Inlet::new(writer, Arc::new(|| ()));
        let writer = Arc::clone(&inlet.writer);
        let batch = Batch {
            mode: IngestMode::Pop,
            received: UnixNanos::new(1),
            records: vec![Bytes::from_static(b"{}")],
        };
        let (hard, soft) = (CancellationToken::new(), CancellationToken::new());
        let stalled = stall(&writer);
        {
            let mut putting = pin!(inlet.put(batch, &hard));
            // Other tasks of this only worker go on.
            for _ in 0..100 {
                assert!(futures_util::poll!(&mut putting).is_pending());
                tokio::task::yield_now().await;
            }
            assert!(!reader.has_frame().unwrap());
            stalled.end();
            putting.await.unwrap();
        }
        assert!(reader.has_frame().unwrap());
        let stalled = stall(&writer);
        let waiting = inlet.wait_for_room(1, &soft);
        soft.cancel();
        assert!(!waiting.await, "a stop ends the wait for a stalled disk");
        stalled.end();
    }

    /// A thread that holds the writer, as a stalled write does.
    struct Stall {
        end: std::sync::mpsc::Sender<()>,
        thread: std::thread::JoinHandle<()>,
    }

    impl Stall {
        fn end(self) {
            self.end.send(()).unwrap();
            self.thread.join().unwrap();
        }
    }

    fn stall(writer: &Arc<Mutex<Writer>>) -> Stall {
        let writer = Arc::clone(writer);
        let (end, ended) = std::sync::mpsc::channel();
        let (locked, is_locked) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let _held = writer.lock().unwrap();
            locked.send(()).unwrap();
            ended.recv().unwrap();
        });
        is_locked.recv().unwrap();
        Stall { end, thread }
    }
}
