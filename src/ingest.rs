//! The thread that processes every record: spool → decode → accounting → store.
//!
//! It reads frames from the spool, and each round commits events, rejects, totals and the spool
//! position in one transaction. Only committed records are published, so a crash at any point
//! neither loses nor doubles a record. If the database fails, the round is discarded and read from
//! the spool again. Between two rounds it works on [`jobs`]: imports and reprices.

mod accounting;
mod gateway;
mod import;
mod jobs;
mod limit_gauges;
mod limits;
mod money;
mod observations;
mod reprice;
mod round;
mod stored_read;
#[cfg(test)]
mod testing;
mod usage_entry;
mod wake_up;
mod window_usage;
mod worker;

use std::collections::HashMap;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::decode::Decoder;
use crate::metrics::{Losses, StoreMetrics};
use crate::model::{LocalQuota, WindowSpan, WindowUsage};
use crate::quota::passive::QuotaSign;
use crate::spool::Reader;
use crate::store::{StoreError, WriteQueue};

pub use accounting::{Accounting, AccountingParts};
pub use gateway::GatewayBatch;
pub use import::import;
pub use jobs::{JobError, JobHandle, Jobs, job_channel};
pub use limits::{LimitParts, SharedRules};
pub use money::{MoneyParts, SharedPrices};
pub use reprice::{Reprice, RepriceError};
pub use wake_up::WakeUp;
pub use window_usage::WindowSpans;

use worker::Worker;

/// Dependencies of the thread.
pub struct Parts {
    /// Directory of the database.
    pub directory: PathBuf,
    pub reader: Reader,
    pub decoder: Decoder,
    pub metrics: StoreMetrics,
    /// Counts payloads that are no records.
    pub losses: Losses,
    pub clock: Clock,
    /// Longest time from the first uncommitted record to its commit.
    pub commit_interval: Duration,
    /// Called once the counters are restored and the rest of the spool is replayed.
    pub ready: Box<dyn FnOnce() + Send>,
    /// Writes of other threads, for the next transaction.
    pub writes: WriteQueue,
    /// Work for the time in which no live record waits.
    pub jobs: Jobs,
    pub listener: Box<dyn Listener>,
}

/// Receives the events of the thread. Must not block.
pub trait Listener: Send {
    /// Quota observations of a round's records: the latest for each account and model.
    fn quota_signs(&self, observations: Vec<QuotaSign>);

    /// State of the locally counted quotas, about once a second.
    fn local_quotas(&self, quotas: Vec<LocalQuota>);

    /// Usage of the quota windows that are counted, every few seconds.
    fn window_usage(&self, usage: HashMap<WindowSpan, WindowUsage>);

    /// CPA has added, changed or removed an account.
    fn accounts_changed(&self);
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// Reason why the thread has ended.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("database cannot be used")]
    Store(#[from] StoreError),
    #[error("thread could not be started")]
    Spawn(#[source] std::io::Error),
    #[error("thread ended by a bug")]
    Panicked,
}

/// Handle of the thread.
#[derive(Debug)]
pub struct Ingest {
    wake_up: WakeUp,
    thread: JoinHandle<Result<(), StoreError>>,
}

impl Ingest {
    /// Starts the thread. `ended` is cancelled when it ends, for any reason.
    pub fn start(
        parts: Parts,
        accounting: AccountingParts,
        wake_up: WakeUp,
        ended: CancellationToken,
    ) -> Result<Self, IngestError> {
        let signal = wake_up.clone();
        let accounting = Accounting::new(accounting, parts.clock.now(), wake_up.clone());
        Self::spawn(wake_up, ended, move || {
            Worker::new(parts, accounting, signal).run()
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

    /// Stops the thread after it has committed the records in the spool. Blocks.
    pub fn finish(self) -> Result<(), IngestError> {
        self.wake_up.stop();
        match self.thread.join() {
            Ok(result) => Ok(result?),
            Err(_panic) => Err(IngestError::Panicked),
        }
    }
}
