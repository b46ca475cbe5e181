//! The loop of the thread: restore, replay, process, finish.

mod gauges;

use std::time::{Duration, Instant};

use super::Parts;
use super::accounting::Accounting;
use super::round::{Outcome, Round, RoundError};
use super::wake_up::WakeUp;
use crate::errors::{Chain, RepeatLimit};
use crate::metrics::Loss;
use crate::model::{FailureClass, LabelValue as _};
use crate::spool::{Position, SegmentId};
use crate::store::{Store, StoreError};

/// Minimum time between two commits, so that single records do not each cause a disk flush. Equal
/// to the pause between two pops.
const COMMIT_SPACING: Duration = Duration::from_millis(200);
/// Minimum time between two publications of the counters.
const PUBLISH_SPACING: Duration = Duration::from_millis(250);
/// Longest wait, so that gauges stay current.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Delays after a failure.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Delay after a failure during a stop.
const STOP_RETRY: Duration = Duration::from_millis(100);
/// Maximum time without a commit during a stop. Uncommitted records stay in the spool.
const STOP_WITHOUT_COMMIT: Duration = Duration::from_secs(4);
/// Maximum time of a stop: a part of the grace period.
const LONGEST_STOP: Duration = Duration::from_secs(8);

pub(super) struct Worker {
    parts: Parts,
    accounting: Accounting,
    wake_up: WakeUp,
    retry: Duration,
    /// The failure that is logged already.
    failing: Option<FailureClass>,
    /// Monotonic, so that a clock that is set back delays nothing.
    committed: Option<Instant>,
    published: Option<Instant>,
    /// There was a commit since the last publication.
    unpublished: bool,
    measured: Option<Instant>,
    /// Last time the files were looked at.
    examined: Option<Instant>,
    restore_failures: RepeatLimit,
    ready: Option<Box<dyn FnOnce() + Send>>,
}

impl Worker {
    pub(super) fn new(mut parts: Parts, accounting: Accounting, wake_up: WakeUp) -> Self {
        let ready = std::mem::replace(&mut parts.ready, Box::new(|| ()));
        Self {
            parts,
            accounting,
            wake_up,
            retry: RETRY_FIRST,
            failing: None,
            committed: None,
            published: None,
            unpublished: false,
            measured: None,
            examined: None,
            restore_failures: RepeatLimit::default(),
            ready: Some(ready),
        }
    }

    pub(super) fn run(mut self) -> Result<(), StoreError> {
        let Some(mut store) = self.open()? else {
            return Ok(());
        };
        let mut stopping = None;
        loop {
            let mut more = match self.round(&mut store) {
                Ok(Outcome::Idle) => {
                    self.caught_up();
                    false
                }
                Ok(Outcome::Committed { more }) => {
                    self.committed = Some(Instant::now());
                    self.unpublished = true;
                    // Readiness must not wait for an empty spool: new records may always come.
                    if !self.parts.reader.has_inherited() {
                        self.caught_up();
                    }
                    more
                }
                Err(failure) => {
                    self.failed(&failure);
                    true
                }
            };
            if !more && !self.wake_up.is_stopping() {
                more = self.step_jobs(&mut store);
            }
            self.restore_deleted_files(&mut store)?;
            self.measure(&store);
            self.publish();
            if self.wake_up.is_stopping() {
                let began = *stopping.get_or_insert_with(Instant::now);
                let done = !more && self.parts.reader.pending_bytes() == 0;
                if done || self.gives_up(began) {
                    break;
                }
            } else if !more {
                self.wait();
            }
        }
        self.close(&store);
        Ok(())
    }

    /// Whether a stop that began then leaves the rest of the spool to the next start.
    fn gives_up(&self, began: Instant) -> bool {
        let progress = self.committed.map_or(began, |at| at.max(began));
        progress.elapsed() >= STOP_WITHOUT_COMMIT || began.elapsed() >= LONGEST_STOP
    }

    /// Opens the database and restores the counters. `None` if the program stops before.
    fn open(&mut self) -> Result<Option<Store>, StoreError> {
        loop {
            match self.try_open() {
                Ok(store) => {
                    self.recovered();
                    return Ok(Some(store));
                }
                Err(RoundError::Store(error)) if error.is_permanent() => return Err(error),
                Err(error) => self.failed(&error),
            }
            self.publish();
            if self.wake_up.is_stopping() {
                return Ok(None);
            }
        }
    }

    fn try_open(&mut self) -> Result<Store, RoundError> {
        let mut store = Store::open(&self.parts.directory)?;
        let known = self.parts.reader.commit_number();
        if store.begin_epoch_if_older_than(known)? && store.stats()?.events > 0 {
            tracing::warn!(
                commits = store.commits(),
                "the database is older than the spool: an earlier copy was put back; counters \
                 begin again at zero, because Prometheus would take a lower value for new growth"
            );
        }
        let mark = store.spool_mark();
        let position = Position {
            segment: SegmentId(mark.segment),
            offset: mark.offset,
        };
        self.parts.reader.release(position, store.commits())?;
        let now = self.parts.clock.now();
        self.accounting.restore(&mut store, now)?;
        Ok(store)
    }

    fn round(&mut self, store: &mut Store) -> Result<Outcome, RoundError> {
        let now = self.parts.clock.now();
        self.accounting.refresh(store, now)?;
        let round = Round {
            reader: &mut self.parts.reader,
            decoder: &self.parts.decoder,
            accounting: &mut self.accounting,
            losses: &self.parts.losses,
            clock: &self.parts.clock,
            limit: self.parts.commit_interval,
            writes: &self.parts.writes,
            listener: &*self.parts.listener,
        };
        let began = Instant::now();
        let outcome = round.run(store);
        if self.parts.reader.take_damaged_bytes() > 0 {
            self.parts.losses.count(Loss::SpoolDamaged, 1);
        }
        let outcome = outcome?;
        if outcome != Outcome::Idle {
            self.parts.metrics.observe_commit(began.elapsed());
            self.recovered();
        }
        Ok(outcome)
    }

    /// Does a part of a job if no live record waits: a record that an import stores first would
    /// never be counted. True when there may be more.
    fn step_jobs(&mut self, store: &mut Store) -> bool {
        if self.ready.is_some() || !matches!(self.parts.reader.has_frame(), Ok(false)) {
            return false;
        }
        let now = self.parts.clock.now();
        let Parts { jobs, decoder, .. } = &mut self.parts;
        jobs.step(store, decoder, &mut self.accounting, now)
    }

    /// Restores files that another program has deleted. An error ends the program: another
    /// database is in the place of this one.
    fn restore_deleted_files(&mut self, store: &mut Store) -> Result<(), StoreError> {
        if !left(self.examined, COMMIT_SPACING).is_zero() {
            return Ok(());
        }
        self.examined = Some(Instant::now());
        let restored = store
            .restore_deleted_file()
            .map_err(RoundError::from)
            .and_then(|database| Ok(self.parts.reader.restore_deleted_file()? || database));
        match restored {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.parts.losses.count(Loss::FilesDeleted, 1);
                tracing::error!(
                    directory = %self.parts.directory.display(),
                    "another program has deleted files of the storage directory; the open ones are \
                     restored: check hash.key and lock there"
                );
                Ok(())
            }
            Err(RoundError::Store(error)) if error.is_permanent() => {
                self.parts.losses.count(Loss::FilesDeleted, 1);
                Err(error)
            }
            Err(error) => {
                let error = Chain(&error).to_string();
                if let Some(repeated) = self.restore_failures.log(&error, Instant::now()) {
                    self.parts.losses.count(Loss::FilesDeleted, 1);
                    tracing::error!(
                        error,
                        repeated,
                        "deleted files of the storage directory cannot be restored"
                    );
                }
                Ok(())
            }
        }
    }

    /// Discards the round, logs the first failure of its kind, and waits before the next try.
    fn failed(&mut self, failure: &RoundError) {
        self.accounting.rollback();
        self.parts.reader.rewind();
        let class = match failure {
            RoundError::Store(error) => error.class(),
            RoundError::Spool(_) => FailureClass::Other,
        };
        self.parts.metrics.commit_failed(class);
        let reader = &self.parts.reader;
        self.parts
            .metrics
            .set_spool(reader.pending_bytes(), reader.file_bytes());
        if self.failing != Some(class) {
            self.failing = Some(class);
            tracing::error!(
                error = %Chain(failure),
                class = class.as_label(),
                "records cannot be committed and stay in the spool: {}",
                class.remedy()
            );
        }
        if self.wake_up.is_stopping() {
            std::thread::sleep(STOP_RETRY);
        } else {
            self.wake_up.pause(self.retry);
        }
        self.retry = (self.retry * 2).min(RETRY_MAX);
    }

    fn recovered(&mut self) {
        self.retry = RETRY_FIRST;
        if self.failing.take().is_some() {
            tracing::info!("commits succeed again; no record was lost");
        }
    }

    /// Publishes the counters once no record of earlier processes is left to replay.
    fn caught_up(&mut self) {
        if let Some(ready) = self.ready.take() {
            self.publish_now();
            ready();
        }
    }

    fn publish(&mut self) {
        // During the replay the counters are lower than the published ones before a crash.
        if self.ready.is_none() && left(self.published, PUBLISH_SPACING).is_zero() {
            self.publish_now();
        }
    }

    fn publish_now(&mut self) {
        self.unpublished = false;
        if self.accounting.publish(self.parts.clock.now()) {
            self.published = Some(Instant::now());
        }
    }

    /// Waits for work, at least until the next commit may happen.
    fn wait(&self) {
        let spacing = left(self.committed, COMMIT_SPACING);
        if !spacing.is_zero() {
            self.wake_up.pause(spacing);
        }
        // The end of a hold requires a commit and a publication.
        if self.accounting.counters.is_dirty() {
            return;
        }
        let now = self.parts.clock.now();
        let hold = self.accounting.counters.next_deadline();
        let hold = hold.map(|at| at.since(now));
        let publication = left(self.published, PUBLISH_SPACING);
        let due = hold
            .into_iter()
            .chain(self.unpublished.then_some(publication));
        self.wake_up.wait(due.fold(LONGEST_WAIT, Duration::min));
    }

    fn close(&mut self, store: &Store) {
        if self.ready.is_none() {
            self.publish_now();
        }
        if let Err(error) = store.checkpoint() {
            tracing::warn!(
                error = %Chain(&error),
                "checkpoint failed"
            );
        }
        let pending = self.parts.reader.pending_bytes();
        if pending > 0 {
            tracing::warn!(
                bytes = pending,
                "records stay in the spool until the next start"
            );
        }
    }
}

/// Rest of `span` since `last`; zero without a last time.
fn left(last: Option<Instant>, span: Duration) -> Duration {
    last.map_or(Duration::ZERO, |last| span.saturating_sub(last.elapsed()))
}
