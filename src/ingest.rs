//! The one thread through which every record passes: spool → decode → store → counters.
//!
//! It reads what the source has spooled, and for each round commits events, rejects, totals and
//! spool position in one transaction. Only what is committed is counted in public, so a crash at
//! any point neither loses nor doubles a record. When the database fails, everything of the round
//! is taken back, and the round is read from the spool again later.

mod figures;
mod imports;
mod limits;
mod money;
mod observations;
mod round;
mod wake_up;
mod worker;

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::decode::Decoder;
use crate::metrics::{Counters, Losses, StoreMetrics};
use crate::model::LocalQuota;
use crate::quota::passive::QuotaSign;
use crate::spool::Reader;
use crate::store::{StoreError, WriteQueue};

pub use imports::{ImportQueue, ImportSink};
pub use limits::{LimitParts, SharedRules};
pub use money::{EventPricer, MoneyParts, SharedPrices};
pub use wake_up::WakeUp;

use limits::LimitTracker;
use worker::Worker;

/// What the thread works with.
pub struct Parts {
    /// Directory of the database.
    pub directory: PathBuf,
    pub reader: Reader,
    pub decoder: Decoder,
    pub counters: Counters,
    pub metrics: StoreMetrics,
    /// Told of payloads that are no records.
    pub losses: Losses,
    pub clock: Clock,
    /// Longest time from the first uncommitted record to its commit.
    pub commit_interval: Duration,
    /// Told when the database has been restored and the spool's rest replayed.
    pub ready: Box<dyn FnOnce() + Send>,
    /// Writes of other threads, for the next transaction.
    pub writes: WriteQueue,
    /// Records to import while no live record waits.
    pub imports: Box<dyn ImportQueue>,
    pub listener: Box<dyn Listener>,
}

/// Who wants to know what committed records say besides what is counted. Must not block.
pub trait Listener: Send {
    /// What the records of a round say about quotas: the latest for each account and model.
    fn quota_signs(&self, observations: Vec<QuotaSign>);

    /// How the quotas stand that we count ourselves, about once a second.
    fn local_quotas(&self, quotas: Vec<LocalQuota>);

    /// CPA has told that an account was added, changed or removed.
    fn accounts_changed(&self);
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// Why the thread cannot go on at all.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("database cannot be used")]
    Store(#[from] StoreError),
    #[error("thread could not be started")]
    Spawn(#[source] std::io::Error),
    #[error("thread ended by a bug")]
    Panicked,
}

/// Owner's side of the thread.
#[derive(Debug)]
pub struct Ingest {
    wake_up: WakeUp,
    thread: JoinHandle<Result<(), StoreError>>,
}

impl Ingest {
    /// Starts the thread. `ended` is cancelled when it ends, for whatever reason.
    pub fn start(
        parts: Parts,
        money: MoneyParts,
        limits: LimitParts,
        wake_up: WakeUp,
        ended: CancellationToken,
    ) -> Result<Self, IngestError> {
        let worker_signal = wake_up.clone();
        let pricer = EventPricer::new(money);
        let limits = LimitTracker::new(limits, parts.clock.now(), wake_up.clone());
        Self::spawn(wake_up, ended, move || {
            Worker::new(parts, pricer, limits, worker_signal).run()
        })
    }

    pub(crate) fn spawn(
        wake_up: WakeUp,
        ended: CancellationToken,
        work: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Self, IngestError> {
        let thread = std::thread::Builder::new()
            .name("ingest".to_owned())
            .spawn(move || {
                let _tell = ended.drop_guard();
                work()
            })
            .map_err(IngestError::Spawn)?;
        Ok(Self { wake_up, thread })
    }

    /// Lets the thread commit what the spool holds and waits for its end. Blocks.
    pub fn finish(self) -> Result<(), IngestError> {
        self.wake_up.stop();
        match self.thread.join() {
            Ok(result) => Ok(result?),
            Err(_panic) => Err(IngestError::Panicked),
        }
    }
}
