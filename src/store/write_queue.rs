//! Writes that other threads ask of the only writer.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::{Ingest, StoreError};
use crate::model::{AccountSeen, QuotaPoint, UnixNanos};

/// More than any directory of accounts; while the database fails, the oldest writes are dropped.
const MAX_WRITES: usize = 100_000;

/// A write that is not a record.
#[derive(Clone, Debug)]
pub enum Write {
    Account(AccountSeen),
    Quota(QuotaPoint),
    /// CPA's queue was read; CPA's request count at its last read, and the records since.
    Contact {
        at: UnixNanos,
        counts: Option<(u64, u64)>,
    },
    /// Records are known to be missing.
    Loss(UnixNanos),
}

/// Writes for the next transaction of the ingest thread. Never blocks: nothing in it is worth
/// delaying a record. Cheap to clone.
#[derive(Clone)]
pub struct WriteQueue {
    queue: Arc<Mutex<VecDeque<Write>>>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl WriteQueue {
    /// `wake` wakes the thread that writes.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            queue: Arc::default(),
            wake: Arc::new(wake),
        }
    }

    pub fn push(&self, writes: impl IntoIterator<Item = Write>) {
        let mut queue = self.lock();
        queue.extend(writes);
        bound(&mut queue);
        drop(queue);
        (self.wake)();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn take(&self) -> VecDeque<Write> {
        std::mem::take(&mut *self.lock())
    }

    /// The transaction failed: these writes come before those pushed since.
    pub(crate) fn put_back(&self, mut writes: VecDeque<Write>) {
        let mut queue = self.lock();
        writes.append(&mut queue);
        bound(&mut writes);
        *queue = writes;
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Write>> {
        self.queue.lock()
    }
}

impl fmt::Debug for WriteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteQueue")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

impl Ingest<'_> {
    pub fn write(&mut self, write: &Write) -> Result<(), StoreError> {
        match write {
            Write::Account(seen) => self.account_seen(seen),
            Write::Quota(point) => self.quota_point(point),
            Write::Contact { at, counts } => self.contact(*at, *counts),
            Write::Loss(at) => self.loss(*at),
        }
    }
}

fn bound(writes: &mut VecDeque<Write>) {
    let excess = writes.len().saturating_sub(MAX_WRITES);
    writes.drain(..excess);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn write(index: &str) -> Write {
        Write::Account(AccountSeen {
            auth_index: index.into(),
            provider: "codex".into(),
            at: UnixNanos::from_millis(1),
        })
    }

    fn indexes(writes: &VecDeque<Write>) -> Vec<&str> {
        let indexes = writes.iter().filter_map(|write| match write {
            Write::Account(seen) => Some(&*seen.auth_index),
            Write::Quota(_) | Write::Contact { .. } | Write::Loss(_) => None,
        });
        indexes.collect()
    }

    #[test]
    fn a_push_wakes_the_writer() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&wakes);
        let queue = WriteQueue::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        queue.push([write("a"), write("b")]);
        queue.clone().push([write("c")]);
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
        assert_eq!(indexes(&queue.take()), ["a", "b", "c"]);
        assert!(queue.is_empty());
    }

    #[test]
    fn writes_of_a_failed_transaction_come_first_and_the_oldest_are_dropped() {
        let queue = WriteQueue::new(|| ());
        queue.push([write("old"), write("kept")]);
        let taken = queue.take();
        queue.push((0..MAX_WRITES - 1).map(|_| write("new")));
        queue.put_back(taken);
        let writes = queue.take();
        assert_eq!(writes.len(), MAX_WRITES);
        assert_eq!(indexes(&writes)[..2], ["kept", "new"]);
    }
}
