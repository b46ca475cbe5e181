use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::WakeUp;
use crate::model::{AccountSeen, QuotaPoint};
use crate::store::{Ingest, StoreError};

/// More than any directory of accounts; while the database fails, the oldest give way.
const MAX_NOTES: usize = 100_000;

/// Something besides records that the database shall keep.
#[derive(Clone, Debug)]
pub enum Write {
    Account(AccountSeen),
    Quota(QuotaPoint),
}

/// A box for notes to the only writer. Never blocks; nothing in it is worth holding a record up.
#[derive(Clone, Debug)]
pub struct WriteQueue {
    queue: Arc<Mutex<VecDeque<Write>>>,
    wake_up: WakeUp,
}

impl WriteQueue {
    pub fn new(wake_up: WakeUp) -> Self {
        Self {
            queue: Arc::default(),
            wake_up,
        }
    }

    pub fn leave(&self, writes: impl IntoIterator<Item = Write>) {
        let mut queue = self.lock();
        queue.extend(writes);
        bound(&mut queue);
        drop(queue);
        self.wake_up.wake();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn take(&self) -> VecDeque<Write> {
        std::mem::take(&mut *self.lock())
    }

    /// The transaction failed: they come before what has been left since.
    pub(super) fn put_back(&self, mut writes: VecDeque<Write>) {
        let mut queue = self.lock();
        writes.append(&mut queue);
        bound(&mut writes);
        *queue = writes;
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Write>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write {
    pub(super) fn write(&self, store: &mut Ingest<'_>) -> Result<(), StoreError> {
        match self {
            Self::Account(seen) => store.account_seen(seen),
            Self::Quota(point) => store.quota_point(point),
        }
    }
}

fn bound(writes: &mut VecDeque<Write>) {
    let excess = writes.len().saturating_sub(MAX_NOTES);
    writes.drain(..excess);
}
