//! The thread's life: restore, catch up, go on, finish.

mod gauges;

use std::time::{Duration, Instant};

use super::Parts;
use super::imports::{Counter, ImportSink as _};
use super::limits::LimitTracker;
use super::money::EventPricer;
use super::round::{Outcome, Round, RoundError};
use super::wake_up::WakeUp;
use crate::errors::{Chain, RepeatLimit};
use crate::metrics::WrongTotal;
use crate::model::{FailureClass, LabelValue as _};
use crate::spool::{Position, SegmentId};
use crate::store::{Store, StoreError};

/// Least time between two commits, so that a trickle of records does not mean a disk flush for
/// each. In step with the source's pops.
const COMMIT_SPACING: Duration = Duration::from_millis(200);
/// Least time between two publications of the counters.
const PUBLISH_SPACING: Duration = Duration::from_millis(250);
/// Longest nap, so that gauges move while nothing else does.
const NAP: Duration = Duration::from_secs(1);
/// Pauses after a failure.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// The same while the program ends.
const LAST_RETRY: Duration = Duration::from_millis(100);
/// While the program ends, a database that takes nothing gets this long. What is not committed stays
/// in the spool.
const LAST_TRIES: Duration = Duration::from_secs(4);
/// And one that takes rounds this long: a part of what the whole program has.
const LAST_ROUNDS: Duration = Duration::from_secs(8);

pub(super) struct Worker {
    parts: Parts,
    pricer: EventPricer,
    limits: LimitTracker,
    /// Chunks to import that could not be stored.
    import_failures: RepeatLimit,
    wake_up: WakeUp,
    retry: Duration,
    /// The failure that the log has written.
    failing: Option<FailureClass>,
    /// By the clock that nobody sets: a step back of the other one must not hold anything up.
    committed: Option<Instant>,
    published: Option<Instant>,
    /// Something has been committed since the last publication.
    unpublished: bool,
    measured: Option<Instant>,
    /// What the database said last about the writing of others.
    foreign: Option<i64>,
    ready: Option<Box<dyn FnOnce() + Send>>,
}

impl Worker {
    pub(super) fn new(
        mut parts: Parts,
        pricer: EventPricer,
        limits: LimitTracker,
        wake_up: WakeUp,
    ) -> Self {
        let ready = std::mem::replace(&mut parts.ready, Box::new(|| ()));
        Self {
            import_failures: RepeatLimit::default(),
            parts,
            pricer,
            limits,
            wake_up,
            retry: RETRY_FIRST,
            failing: None,
            committed: None,
            published: None,
            unpublished: false,
            measured: None,
            foreign: None,
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
                    // New records may come without a pause, so nobody waits for an empty spool.
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
                more = self.import(&mut store);
            }
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

    /// Whether the end, which began then, leaves the rest to the next start: the database takes
    /// nothing, or all of it lasts too long.
    fn gives_up(&self, began: Instant) -> bool {
        let progress = self.committed.map_or(began, |at| at.max(began));
        progress.elapsed() >= LAST_TRIES || began.elapsed() >= LAST_ROUNDS
    }

    /// Opens the database and restores the counters. `None` when written to stop before.
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
        self.sink().names(store.take_new_names());
        let now = self.parts.clock.now();
        self.parts
            .counters
            .restore(&store.load_totals()?, now)
            .map_err(|WrongTotal| StoreError::Content("cells of a total"))?;
        self.limits.fill(&store, self.parts.clock.now())?;
        Ok(store)
    }

    fn round(&mut self, store: &mut Store) -> Result<Outcome, RoundError> {
        self.pricer.refresh(store, self.parts.clock.now())?;
        let round = Round {
            reader: &mut self.parts.reader,
            decoder: &self.parts.decoder,
            counters: &mut self.parts.counters,
            pricer: &mut self.pricer,
            limits: &mut self.limits,
            losses: &self.parts.losses,
            clock: &self.parts.clock,
            limit: self.parts.commit_interval,
            writes: &self.parts.writes,
            listener: &*self.parts.listener,
        };
        let began = Instant::now();
        let outcome = round.run(store)?;
        if outcome != Outcome::Idle {
            self.parts.metrics.observe_commit(began.elapsed());
            self.recovered();
        }
        Ok(outcome)
    }

    /// Takes a chunk of a file to import, when no live record waits: those must be the first to come
    /// in, because what history has brought is not counted. True when there may be more.
    fn import(&mut self, store: &mut Store) -> bool {
        if self.ready.is_some()
            || !self.parts.imports.wants_a_step()
            || !matches!(self.parts.reader.has_frame(), Ok(false))
        {
            return false;
        }
        match self.import_chunk(store) {
            Ok(more) => {
                self.import_failures.succeeded();
                more
            }
            Err(failure) => {
                let error = Chain(&failure).to_string();
                if let Some(repeated) = self.import_failures.log(&error, Instant::now()) {
                    let remedy = failure.class().remedy();
                    tracing::warn!(error, remedy, repeated, "import paused");
                }
                false
            }
        }
    }

    fn import_chunk(&mut self, store: &mut Store) -> Result<bool, StoreError> {
        let now = self.parts.clock.now();
        self.pricer.refresh(store, now)?;
        let Parts {
            counters,
            decoder,
            imports,
            ..
        } = &mut self.parts;
        let mut sink = Counter {
            counters,
            pricer: &mut self.pricer,
            limits: &mut self.limits,
            posted: Vec::new(),
        };
        let more = imports.step(store, decoder, &mut sink, now)?;
        let posted = std::mem::take(&mut sink.posted);
        self.limits.record(&posted);
        Ok(more)
    }

    fn sink(&mut self) -> Counter<'_> {
        Counter {
            counters: &mut self.parts.counters,
            pricer: &mut self.pricer,
            limits: &mut self.limits,
            posted: Vec::new(),
        }
    }

    /// Takes everything back, says so once, and waits a little.
    fn failed(&mut self, failure: &RoundError) {
        self.parts.counters.rollback();
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
            std::thread::sleep(LAST_RETRY);
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

    /// The first time that nothing of earlier processes is left to replay, the counters may be
    /// shown.
    fn caught_up(&mut self) {
        if let Some(ready) = self.ready.take() {
            self.publish_now();
            ready();
        }
    }

    fn publish(&mut self) {
        // Before the replay is over the counters are lower than what was shown before a crash.
        if self.ready.is_none() && left(self.published, PUBLISH_SPACING).is_zero() {
            self.publish_now();
        }
    }

    fn publish_now(&mut self) {
        self.unpublished = false;
        if let Some(facts) = self.pricer.facts(self.parts.clock.now()) {
            self.parts.counters.set_prices(facts);
        }
        if self.parts.counters.publish(self.parts.clock.now()) {
            self.published = Some(Instant::now());
        }
    }

    /// Waits for something to do; not before the next commit and publication may come.
    fn wait(&self) {
        let spacing = left(self.committed, COMMIT_SPACING);
        if !spacing.is_zero() {
            self.wake_up.pause(spacing);
        }
        // A hold has ended: that wants a commit, and the value behind it a publication.
        if self.parts.counters.is_dirty() {
            return;
        }
        let now = self.parts.clock.now();
        let hold = self.parts.counters.next_deadline().map(|at| at.since(now));
        let publication = left(self.published, PUBLISH_SPACING);
        let due = hold
            .into_iter()
            .chain(self.unpublished.then_some(publication));
        self.wake_up.wait(due.fold(NAP, Duration::min));
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

/// What is left of `span` since `last`; nothing when there was no last time.
fn left(last: Option<Instant>, span: Duration) -> Duration {
    last.map_or(Duration::ZERO, |last| span.saturating_sub(last.elapsed()))
}
