//! The task that polls the gateway.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpa_exporter_gateway::{
    Class, Database, Dsn, Entry, GatewayError, LogRow, LogTable, Objects, Reset, Tail, TailChange,
};
use tokio_util::sync::CancellationToken;

use super::gauges::{self, TailStatus};
use super::position;
use crate::clock::Clock;
use crate::config::GatewayStart;
use crate::errors::{Chain, RepeatLimit};
use crate::ingest::{GatewayBatch, JobError, JobHandle};
use crate::metrics::GaugeSet;
use crate::store::{Reader, StoreError};

/// Rows of one statement and of one transaction.
const ROWS: usize = 1000;
/// Gaps that one statement asks for.
const RANGES: usize = 200;
/// Pauses after a failure.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Reads where the databases are; again after a failure, so that a changed password takes effect.
pub type Source = Box<dyn Fn() -> Result<Dsn, String> + Send + Sync>;

/// Dependencies of the task.
pub struct Parts {
    /// Database of channels and tokens.
    pub main: Source,
    /// Database of the log; `None` if it is the same one.
    pub log: Option<Source>,
    pub log_table: String,
    pub start: GatewayStart,
    pub poll_interval: Duration,
    pub objects_interval: Duration,
    pub max_tokens: usize,
    pub max_channels: usize,
    /// Directory of the exporter's own database.
    pub directory: PathBuf,
    /// Cancelled once that database is open and the counters are restored.
    pub ready: CancellationToken,
    pub jobs: JobHandle,
    pub gauges: GaugeSet,
    pub object_gauges: GaugeSet,
    pub clock: Clock,
    pub stop: CancellationToken,
}

/// Reads a gateway until the program stops.
pub struct Gateway {
    parts: Parts,
    log: Option<Log>,
    status: TailStatus,
    /// The log was read to its end then.
    caught_up: Instant,
    objects_read: Option<Instant>,
    quota_per_unit: f64,
    /// Routes that are exposed already.
    routes: BTreeSet<(i64, String)>,
    new_routes: Vec<(i64, String)>,
    failures: RepeatLimit,
    object_failures: RepeatLimit,
}

/// The log, and the position in it.
struct Log {
    table: LogTable,
    tail: Tail,
    /// Rows from before this time, in Unix seconds, are not counted.
    since: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error("{0}")]
    Source(String),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error("the exporter's own database")]
    Store(#[from] StoreError),
    #[error("stopping")]
    Stopping,
}

impl Gateway {
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            log: None,
            status: TailStatus::default(),
            caught_up: Instant::now(),
            objects_read: None,
            quota_per_unit: 500_000.0,
            routes: BTreeSet::new(),
            new_routes: Vec::new(),
            failures: RepeatLimit::default(),
            object_failures: RepeatLimit::default(),
        }
    }

    pub async fn run(self) {
        let stop = self.parts.stop.clone();
        stop.run_until_cancelled(Box::pin(self.poll_for_ever()))
            .await;
    }

    async fn poll_for_ever(mut self) {
        self.parts.ready.cancelled().await;
        self.caught_up = Instant::now();
        let mut retry = RETRY_FIRST;
        loop {
            self.read_objects().await;
            let pause = match self.poll().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => {
                    retry = RETRY_FIRST;
                    self.parts.poll_interval
                }
                Err(PollError::Stopping) => return,
                Err(error) => {
                    self.failed(&error);
                    retry = (retry * 2).min(RETRY_MAX);
                    retry / 2
                }
            };
            self.publish();
            tokio::time::sleep(pause).await;
        }
    }

    /// Reads the next rows. True if there are more.
    async fn poll(&mut self) -> Result<bool, PollError> {
        let mut log = match self.log.take() {
            Some(log) => log,
            None => self.open().await?,
        };
        // A failure drops the connection and the position; the stored one is read again.
        let more = self.poll_log(&mut log).await?;
        self.status.cursor = Some(log.tail.cursor());
        self.status.gaps = log.tail.gaps().len();
        self.log = Some(log);
        if !self.status.up {
            self.status.up = true;
            self.failures.succeeded();
            tracing::info!("the gateway's log is read");
        }
        Ok(more)
    }

    async fn open(&mut self) -> Result<Log, PollError> {
        let source = self.parts.log.as_ref().unwrap_or(&self.parts.main);
        let database = Database::new(source().map_err(PollError::Source)?)?;
        let table = LogTable::open(database, &self.parts.log_table).await?;
        let directory = self.parts.directory.clone();
        let stored = tokio::task::spawn_blocking(move || Reader::open(&directory)?.gateway_tail());
        let stored = stored.await.map_err(|_ended| PollError::Stopping)??;
        let begin = position::begin(&table, stored, self.parts.start, self.now_ms()).await?;
        tracing::info!(
            database = table.database().location(),
            table = self.parts.log_table,
            from = begin.tail.cursor(),
            one_api = table.is_one_api(),
            "reading the gateway's log"
        );
        Ok(Log {
            table,
            tail: begin.tail,
            since: begin.since,
        })
    }

    async fn poll_log(&mut self, log: &mut Log) -> Result<bool, PollError> {
        let before = log.tail.cursor();
        let expired_before = log.tail.given_up();
        let asked = self.now_ms();
        let snapshot = log.table.database().snapshot().await;
        let late = missing_rows(log).await?;
        let rows = log.table.from(before.max(1), ROWS).await?;
        let more = rows.len() >= ROWS;
        if let Some(reset) = position::reset(&log.table, &log.tail, rows.first()).await? {
            self.restart(log, reset).await?;
            self.commit(log, Vec::new(), before).await?;
            return Ok(true);
        }
        let now = self.now_ms();
        let mut new = log.tail.take(late, now);
        new.extend(log.tail.take(rows, now));
        log.tail.expire(asked, snapshot);
        self.count_expired(expired_before, log.tail.given_up());
        if let Some(since) = log.since {
            new.retain(|row| row.created_at >= since);
        }
        self.set_lag(more.then(|| new.last().map(|row| row.created_at)).flatten());
        self.commit(log, new, before).await?;
        Ok(more)
    }

    async fn restart(&mut self, log: &mut Log, reset: Reset) -> Result<(), PollError> {
        let cursor = position::after_reset(&log.table, reset).await?;
        let text = match reset {
            Reset::Emptied => {
                self.status.emptied += 1;
                "the gateway's log was emptied; all its rows are new"
            }
            Reset::Restored { .. } => {
                self.status.restored += 1;
                "an older copy of the gateway's log was put back; only rows that are newer than the \
                 last one count"
            }
        };
        tracing::warn!(before = log.tail.cursor(), now = cursor, "{text}");
        log.tail.restart(cursor);
        log.since = match reset {
            Reset::Emptied => None,
            Reset::Restored { newest } => Some(newest + 1),
        };
        Ok(())
    }

    /// Hands the rows to the ingest thread until they are committed.
    async fn commit(
        &mut self,
        log: &mut Log,
        rows: Vec<LogRow>,
        before: i64,
    ) -> Result<(), PollError> {
        let change = log.tail.take_change(before);
        if rows.is_empty() && change.is_none() && self.new_routes.is_empty() {
            return Ok(());
        }
        let one_api = log.table.is_one_api();
        let entries: Vec<Entry> = rows.iter().map(|row| Entry::read(row, one_api)).collect();
        self.status.has_errors |= entries.iter().any(|entry| entry.class == Class::Error);
        let location = log.table.database().location();
        self.hand_over(location, entries, change).await
    }

    async fn hand_over(
        &mut self,
        location: String,
        entries: Vec<Entry>,
        change: Option<TailChange>,
    ) -> Result<(), PollError> {
        let batch = Arc::new(GatewayBatch {
            location,
            entries,
            routes: std::mem::take(&mut self.new_routes),
            quota_per_unit: self.quota_per_unit,
            change,
        });
        let mut retry = RETRY_FIRST;
        // The ingest thread logs the failure.
        while let Err(error) = self.parts.jobs.gateway(Arc::clone(&batch)).await {
            if matches!(error, JobError::Stopping) {
                return Err(PollError::Stopping);
            }
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(RETRY_MAX);
        }
        Ok(())
    }

    /// Reads channels, tokens and routes from time to time. Without them the log is read all the same.
    async fn read_objects(&mut self) {
        let is_due = self
            .objects_read
            .is_none_or(|at| at.elapsed() >= self.parts.objects_interval);
        if !is_due {
            return;
        }
        self.objects_read = Some(Instant::now());
        let read = async {
            let database = Database::new((self.parts.main)().map_err(PollError::Source)?)?;
            Ok(Objects::read(&database, self.parts.max_tokens).await?)
        };
        match read.await {
            Ok(objects) => {
                self.object_failures.succeeded();
                self.take_objects(&objects);
            }
            Err(error) => {
                self.status.object_failures += 1;
                let text = "channels and tokens of the gateway cannot be read";
                log_failure(&mut self.object_failures, &error, text);
            }
        }
    }

    fn take_objects(&mut self, objects: &Objects) {
        self.quota_per_unit = objects.quota_per_unit;
        for route in &objects.abilities {
            let route = (route.channel_id, route.model.clone());
            if self.routes.insert(route.clone()) {
                self.new_routes.push(route);
            }
        }
        let now = self.parts.clock.now();
        let samples = gauges::objects(objects, now, self.parts.max_channels);
        self.parts.object_gauges.publish(samples);
    }

    fn failed(&mut self, error: &PollError) {
        self.status.up = false;
        self.status.log_failures += 1;
        self.status.lag_seconds = self.caught_up.elapsed().as_secs_f64();
        log_failure(
            &mut self.failures,
            error,
            "the gateway's log cannot be read",
        );
    }

    /// `behind`: time of the last row that was read, if there are more.
    fn set_lag(&mut self, behind: Option<i64>) {
        self.status.lag_seconds = match behind {
            None => {
                self.caught_up = Instant::now();
                0.0
            }
            Some(time) => {
                let seconds = self.now_ms() / 1000 - time;
                Duration::from_secs(u64::try_from(seconds).unwrap_or_default()).as_secs_f64()
            }
        };
    }

    fn count_expired(&mut self, before: (u64, u64), now: (u64, u64)) {
        self.status.expired.0 += now.0 - before.0;
        self.status.expired.1 += now.1 - before.1;
    }

    fn publish(&self) {
        self.parts.gauges.publish(self.status.samples());
    }

    fn now_ms(&self) -> i64 {
        self.parts.clock.now().as_millis()
    }
}

fn log_failure(failures: &mut RepeatLimit, error: &PollError, text: &str) {
    let error = Chain(error).to_string();
    if let Some(repeated) = failures.log(&error, Instant::now()) {
        tracing::warn!(error, repeated, "{text}");
    }
}

/// The rows of the missing ids that are there by now.
async fn missing_rows(log: &Log) -> Result<Vec<LogRow>, GatewayError> {
    let gaps: Vec<(i64, i64)> = log.tail.gaps().map(|gap| (gap.first, gap.last)).collect();
    let mut rows = Vec::new();
    for ranges in gaps.chunks(RANGES) {
        rows.extend(log.table.within(ranges).await?);
    }
    Ok(rows)
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("log_table", &self.log_table)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}
