use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Signal;
use crate::model::{AccountSeen, QuotaPoint};
use crate::store::{Ingest, StoreError};

/// More than any directory of accounts; while the database fails, the oldest give way.
const MAX_NOTES: usize = 100_000;

/// Something besides records that the database shall keep.
#[derive(Clone, Debug)]
pub enum Note {
    Account(AccountSeen),
    Quota(QuotaPoint),
}

/// A box for notes to the only writer. Never blocks; nothing in it is worth holding a record up.
#[derive(Clone, Debug)]
pub struct Notes {
    queue: Arc<Mutex<VecDeque<Note>>>,
    signal: Signal,
}

impl Notes {
    pub fn new(signal: Signal) -> Self {
        Self {
            queue: Arc::default(),
            signal,
        }
    }

    pub fn leave(&self, notes: impl IntoIterator<Item = Note>) {
        let mut queue = self.lock();
        queue.extend(notes);
        bound(&mut queue);
        drop(queue);
        self.signal.wake();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn take(&self) -> VecDeque<Note> {
        std::mem::take(&mut *self.lock())
    }

    /// The transaction failed: they come before what has been left since.
    pub(super) fn put_back(&self, mut notes: VecDeque<Note>) {
        let mut queue = self.lock();
        notes.append(&mut queue);
        bound(&mut notes);
        *queue = notes;
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Note>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Note {
    pub(super) fn write(&self, store: &mut Ingest<'_>) -> Result<(), StoreError> {
        match self {
            Self::Account(seen) => store.account_seen(seen),
            Self::Quota(point) => store.quota_point(point),
        }
    }
}

fn bound(notes: &mut VecDeque<Note>) {
    let excess = notes.len().saturating_sub(MAX_NOTES);
    notes.drain(..excess);
}
