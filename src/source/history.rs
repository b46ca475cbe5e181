//! Keeps the last contact with CPA and the last known loss in the database, for the next run.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::completeness::EarlierRun;
use super::context::Shared;
use crate::clock::Clock;
use crate::errors::Chain;
use crate::metrics::Losses;
use crate::store::{ContactHistory, Reader, Write, WriteQueue};

/// Interval of the writes.
const SAVE_INTERVAL: Duration = Duration::from_secs(10);
/// Losses at most this old make the records incomplete.
const LATELY: Duration = Duration::from_hours(1);

/// Access to the database.
#[derive(Clone)]
pub struct ContactLog {
    pub directory: PathBuf,
    /// Cancelled once the database is open and of this version.
    pub ready: CancellationToken,
    pub writes: WriteQueue,
}

/// Reads the state of the earlier run and writes that of this one.
#[derive(Clone)]
pub(super) struct Keeper {
    log: ContactLog,
    shared: Arc<Shared>,
    received: Arc<AtomicU64>,
    clock: Clock,
    losses: Losses,
    /// The state of the earlier run has been read; it must not be overwritten before.
    loaded: Arc<AtomicBool>,
    saved: Arc<Mutex<Option<Instant>>>,
}

impl Keeper {
    pub(super) fn new(
        log: ContactLog,
        shared: Arc<Shared>,
        received: Arc<AtomicU64>,
        clock: Clock,
        losses: Losses,
    ) -> Self {
        Self {
            log,
            shared,
            received,
            clock,
            losses,
            loaded: Arc::default(),
            saved: Arc::default(),
        }
    }

    /// Reads what the earlier run has left; restores its last loss.
    pub(super) async fn load(&self) -> Option<EarlierRun> {
        self.log.ready.cancelled().await;
        let directory = self.log.directory.clone();
        let read = move || Reader::open(&directory)?.contact_history();
        let history = match tokio::task::spawn_blocking(read).await {
            Ok(Ok(history)) => history,
            Ok(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "time of the last contact with CPA could not be read");
                ContactHistory::default()
            }
            Err(_stopping) => return None,
        };
        let now = self.clock.now();
        if let Some(age) = history
            .loss
            .map(|at| now.since(at))
            .filter(|age| *age <= LATELY)
        {
            self.losses.restore(age);
        }
        self.loaded.store(true, Ordering::Relaxed);
        history.contact.map(|at| EarlierRun {
            age: now.since(at),
            at: Instant::now(),
            counts: history.counts,
        })
    }

    /// Writes the state if some time has passed.
    pub(super) fn save_sometimes(&self) {
        let now = Instant::now();
        let mut saved = self.saved.lock();
        if saved.is_none_or(|at| now >= at + SAVE_INTERVAL) {
            *saved = Some(now);
            drop(saved);
            self.save();
        }
    }

    /// Writes the last contact and the last loss.
    pub(super) fn save(&self) {
        if !self.loaded.load(Ordering::Relaxed) {
            return;
        }
        let now = self.clock.now();
        let contact = self.shared.contact();
        let silence = contact.silence(Instant::now());
        let counts = contact.counts(self.received.load(Ordering::Relaxed));
        let known = contact.is_known();
        drop(contact);
        let contact = known.then(|| Write::Contact {
            at: now.saturating_sub(silence),
            counts,
        });
        let loss = self.losses.age().filter(|age| *age <= LATELY);
        let loss = loss.map(|age| Write::Loss(now.saturating_sub(age)));
        self.log.writes.push(contact.into_iter().chain(loss));
    }
}

impl fmt::Debug for ContactLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactLog").finish_non_exhaustive()
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}
