//! Imports, reprices and a gateway's rows that other threads request from the ingest thread, which owns the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::WakeUp;
use super::accounting::Accounting;
use super::gateway::{GatewayBatch, commit_gateway};
use super::import::import;
use super::reprice::{Reprice, RepriceError};
use crate::api::{ImportSummary, RepriceRequest, RepriceStep};
use crate::decode::Decoder;
use crate::errors::Chain;
use crate::model::UnixNanos;
use crate::pricing::PriceTable;
use crate::store::{Store, StoreError};

/// Requests that wait for the thread.
const WAITING: usize = 4;
/// Records per transaction, which delays live records.
const STEP_RECORDS: usize = 1000;
/// Time that one request to reprice may take; its sender requests the rest.
const REQUEST_TIME: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("the exporter is stopping")]
    Stopping,
    #[error("database")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Invalid(RepriceError),
}

impl From<RepriceError> for JobError {
    fn from(error: RepriceError) -> Self {
        match error {
            RepriceError::Store(error) => Self::Store(error),
            RepriceError::Time(_)
            | RepriceError::Empty
            | RepriceError::Model(_)
            | RepriceError::Cursor => Self::Invalid(error),
        }
    }
}

type Reply<T> = oneshot::Sender<Result<T, JobError>>;

#[derive(Debug)]
enum Job {
    Import {
        records: Vec<Bytes>,
        summary: ImportSummary,
        reply: Reply<ImportSummary>,
    },
    Reprice {
        request: RepriceRequest,
        table: Arc<PriceTable>,
        reply: Reply<RepriceStep>,
    },
    Gateway {
        batch: Arc<GatewayBatch>,
        reply: Reply<()>,
    },
    /// A reprice under way.
    Repricing {
        reprice: Box<Reprice>,
        began: Instant,
        reply: Reply<RepriceStep>,
    },
}

/// Sends jobs to the ingest thread.
#[derive(Clone, Debug)]
pub struct JobHandle {
    jobs: mpsc::Sender<Job>,
    wake_up: WakeUp,
}

/// The ingest thread's end.
#[derive(Debug)]
pub struct Jobs {
    jobs: mpsc::Receiver<Job>,
    current: Option<Job>,
}

pub fn job_channel(wake_up: WakeUp) -> (JobHandle, Jobs) {
    let (sender, jobs) = mpsc::channel(WAITING);
    let handle = JobHandle {
        jobs: sender,
        wake_up,
    };
    let current = None;
    (handle, Jobs { jobs, current })
}

impl JobHandle {
    /// Imports records as history. Records of earlier transactions stay stored after an error.
    pub async fn import(&self, records: Vec<Bytes>) -> Result<ImportSummary, JobError> {
        let summary = ImportSummary::default();
        self.run(|reply| Job::Import {
            records,
            summary,
            reply,
        })
        .await
    }

    /// Reprices stored events with `table`, for about a second.
    pub async fn reprice(
        &self,
        request: RepriceRequest,
        table: Arc<PriceTable>,
    ) -> Result<RepriceStep, JobError> {
        self.run(|reply| Job::Reprice {
            request,
            table,
            reply,
        })
        .await
    }

    /// Counts rows of a gateway's log and stores the position behind them, all or nothing.
    pub async fn gateway(&self, batch: Arc<GatewayBatch>) -> Result<(), JobError> {
        self.run(|reply| Job::Gateway { batch, reply }).await
    }

    async fn run<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, JobError> {
        let (reply, result) = oneshot::channel();
        let sent = self.jobs.send(job(reply)).await;
        sent.map_err(|_closed| JobError::Stopping)?;
        self.wake_up.wake();
        result.await.map_err(|_dropped| JobError::Stopping)?
    }
}

impl Jobs {
    /// Does a part of the current job or of the next one. False without a job.
    pub(super) fn step(
        &mut self,
        store: &mut Store,
        decoder: &Decoder,
        accounting: &mut Accounting,
        now: UnixNanos,
    ) -> bool {
        let Some(job) = self.current.take().or_else(|| self.jobs.try_recv().ok()) else {
            return false;
        };
        if !job.is_abandoned() {
            self.current = job.step(store, decoder, accounting, now);
        }
        true
    }
}

impl Job {
    /// Whether the sender no longer waits.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Import { reply, .. } => reply.is_closed(),
            Self::Gateway { reply, .. } => reply.is_closed(),
            Self::Reprice { reply, .. } | Self::Repricing { reply, .. } => reply.is_closed(),
        }
    }

    /// The rest of the job, unless it has ended.
    fn step(
        self,
        store: &mut Store,
        decoder: &Decoder,
        accounting: &mut Accounting,
        now: UnixNanos,
    ) -> Option<Self> {
        match self {
            Self::Import {
                mut records,
                mut summary,
                reply,
            } => {
                let rest = records.split_off(records.len().min(STEP_RECORDS));
                match import(store, decoder, accounting, &records, now) {
                    Ok(part) => summary.add(&part),
                    Err(error) => return send(reply, Err(error.into())),
                }
                if rest.is_empty() {
                    return send(reply, Ok(summary));
                }
                Some(Self::Import {
                    records: rest,
                    summary,
                    reply,
                })
            }
            Self::Reprice {
                request,
                table,
                reply,
            } => match Reprice::new(&request, table, store, accounting, now) {
                Ok(reprice) => Some(Self::Repricing {
                    reprice: Box::new(reprice),
                    began: Instant::now(),
                    reply,
                }),
                Err(error) => send(reply, Err(error.into())),
            },
            Self::Gateway { batch, reply } => {
                let done = commit_gateway(store, accounting, &batch, now);
                send(reply, done.map_err(JobError::from))
            }
            Self::Repricing {
                mut reprice,
                began,
                reply,
            } => match reprice.step(store, accounting) {
                Ok(true) if began.elapsed() < REQUEST_TIME => Some(Self::Repricing {
                    reprice,
                    began,
                    reply,
                }),
                Ok(_) => send(reply, Ok(reprice.finish())),
                Err(error) => send(reply, Err(error.into())),
            },
        }
    }
}

fn send<T>(reply: Reply<T>, result: Result<T, JobError>) -> Option<Job> {
    if let Err(JobError::Store(error)) = &result {
        let remedy = error.class().remedy();
        tracing::warn!(error = %Chain(error), remedy, "import, reprice or gateway batch failed");
    }
    // A client that has disconnected needs no result.
    reply.send(result).ok();
    None
}

#[cfg(test)]
mod tests {
    use super::super::testing::{accounting, decoder};
    use super::*;

    const NOW: UnixNanos = UnixNanos::from_millis(1_795_521_600_000);

    fn record(at: usize) -> Bytes {
        let (hour, minute, second) = (at / 3600, at / 60 % 60, at % 60);
        let record = format!(
            r#"{{"timestamp":"2026-11-01T{hour:02}:{minute:02}:{second:02}Z","provider":"codex","model":"m","auth_index":"37e10dbe","tokens":{{"input_tokens":3,"total_tokens":3}}}}"#
        );
        record.into()
    }

    /// Polls a job once, which sends it.
    async fn send<T>(job: &mut (impl Future<Output = T> + Unpin)) {
        tokio::select! {
            biased;
            _ = job => panic!("no result before a step"),
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test]
    async fn jobs_run_in_steps_until_their_sender_or_the_thread_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mut accounting = accounting(&mut store);
        let decoder = decoder();
        let (handle, mut jobs) = job_channel(WakeUp::default());
        assert!(!jobs.step(&mut store, &decoder, &mut accounting, NOW));

        let mut import = Box::pin(handle.import((0..2500).map(record).collect()));
        send(&mut import).await;
        let mut steps = 0;
        while jobs.step(&mut store, &decoder, &mut accounting, NOW) {
            steps += 1;
        }
        assert_eq!((steps, import.await.unwrap().stored), (3, 2500));

        let mut abandoned = Box::pin(handle.import(vec![record(3000)]));
        send(&mut abandoned).await;
        drop(abandoned);
        assert!(jobs.step(&mut store, &decoder, &mut accounting, NOW));
        assert_eq!(store.stats().unwrap().events, 2500);

        let mut waiting = Box::pin(handle.import(vec![record(3000)]));
        send(&mut waiting).await;
        drop(jobs);
        for stopped in [waiting.await, handle.import(vec![record(3000)]).await] {
            assert!(matches!(stopped, Err(JobError::Stopping)), "{stopped:?}");
        }
    }
}
