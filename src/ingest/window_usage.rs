//! Tokens and list value of accounts inside their quota windows. Only committed events count.
//!
//! The poller tells the windows. A separate thread sums the stored events of a new window from a
//! snapshot; events committed after the snapshot are added to that sum, so each event
//! counts once. A window without a complete sum has no usage yet.

use std::collections::{BTreeSet, HashMap};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::stored_read::StoredRead;
use super::usage_entry::UsageEntry;
use super::{Listener, wake_up::WakeUp};
use crate::errors::Chain;
use crate::model::{DimId, Dimension, UnixNanos, WindowSpan, WindowUsage};
use crate::store::{NewName, PastEvent, Snapshot, Store, StoreError};

/// The windows to count.
pub type WindowSpans = watch::Receiver<Arc<BTreeSet<WindowSpan>>>;

/// Minimum time between two publications.
const PUBLISH_SPACING: Duration = Duration::from_secs(5);
/// Time without another change of amounts after which the sums are computed again.
const QUIET: Duration = Duration::from_secs(3);
/// Reading the stored events takes at most one part in this many of a processor, ...
const PAUSE_FACTOR: u32 = 100;
/// ... but a new window waits at most this long.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Delay after a failure.
const RETRY: Duration = Duration::from_mins(1);

/// Start and end of a window; the end does not belong to it.
type Span = Range<UnixNanos>;

/// Usage of an account's windows.
type Sums = HashMap<DimId, Vec<(Span, WindowUsage)>>;

pub(super) struct WindowTracker {
    starts: WindowSpans,
    /// The starts that `accounts` has.
    current: Arc<BTreeSet<WindowSpan>>,
    ids: HashMap<Box<str>, DimId>,
    accounts: HashMap<DimId, Account>,
    filling: Option<StoredRead<Filled>>,
    /// Time since which the sums are wrong: amounts changed.
    stale: Option<Instant>,
    wake_up: WakeUp,
    /// Earliest time of the next fill.
    next_fill: Option<Instant>,
    published: Option<Instant>,
    changed: bool,
}

struct Account {
    auth_index: Box<str>,
    windows: Vec<Window>,
}

struct Window {
    span: Span,
    /// `None` until the stored events are added.
    usage: Option<WindowUsage>,
    /// Events committed since the snapshot of the running fill.
    since_snapshot: Option<WindowUsage>,
}

/// The sums of stored events, and how long it took to read these.
type Filled = (Sums, Duration);

impl Window {
    const fn new(span: Span) -> Self {
        Self {
            span,
            usage: None,
            since_snapshot: None,
        }
    }

    fn record(&mut self, at: UnixNanos, usage: WindowUsage) {
        if self.span.contains(&at) {
            for sum in [&mut self.usage, &mut self.since_snapshot] {
                *sum = sum.map(|sum| sum.plus(usage));
            }
        }
    }
}

impl WindowTracker {
    pub(super) fn new(starts: WindowSpans, wake_up: WakeUp) -> Self {
        Self {
            starts,
            current: Arc::default(),
            ids: HashMap::new(),
            accounts: HashMap::new(),
            filling: None,
            stale: None,
            wake_up,
            next_fill: None,
            published: None,
            changed: false,
        }
    }

    pub(super) fn name(&mut self, name: &NewName) {
        if name.dimension == Dimension::Account {
            self.ids.insert(name.value.clone(), name.id);
            // A window of this account may have been waiting for the id.
            self.current = Arc::default();
        }
    }

    /// Adds committed events.
    pub(super) fn record(&mut self, events: &[UsageEntry]) {
        for (route, entry) in events {
            if let Some(account) = self.accounts.get_mut(&route.account) {
                let usage = WindowUsage {
                    tokens: entry.tokens.total(),
                    value: entry.value,
                };
                for window in &mut account.windows {
                    window.record(UnixNanos::new(entry.at), usage);
                }
                self.changed = true;
            }
        }
    }

    /// The amounts of stored events have changed.
    pub(super) fn amounts_changed(&mut self) {
        self.stale = Some(Instant::now());
    }

    /// Takes over changed windows and complete sums, and starts to sum where sums are missing. Call
    /// between rounds.
    pub(super) fn update(&mut self, store: &Store) {
        self.take_filled();
        let starts = Arc::clone(&self.starts.borrow_and_update());
        if !Arc::ptr_eq(&starts, &self.current) {
            self.set_starts(&starts);
            self.current = starts;
        }
        let is_due = self.next_fill.is_none_or(|next| next <= Instant::now());
        if self.filling.is_some() || !is_due {
            return;
        }
        let is_stale = self.stale.is_some_and(|since| since.elapsed() >= QUIET);
        let mut windows = self.accounts.values().flat_map(|it| &it.windows);
        let is_missing = windows.any(|window| window.usage.is_none());
        if (is_stale || is_missing)
            && let Err(error) = self.fill(store, is_stale)
        {
            self.failed(&error);
        }
    }

    /// Publishes the usage of all windows whose sums are complete.
    pub(super) fn publish(&mut self, listener: &dyn Listener) {
        let is_recent = |at: Instant| at.elapsed() < PUBLISH_SPACING;
        if !self.changed || self.published.is_some_and(is_recent) {
            return;
        }
        self.changed = false;
        self.published = Some(Instant::now());
        let windows = self.accounts.values().flat_map(|account| {
            let complete = |window: &Window| {
                let key = WindowSpan {
                    auth_index: account.auth_index.clone(),
                    start: window.span.start,
                    end: window.span.end,
                };
                Some((key, window.usage?))
            };
            account.windows.iter().filter_map(complete)
        });
        listener.window_usage(windows.collect());
    }

    /// Keeps the sums of windows that remain.
    fn set_starts(&mut self, starts: &BTreeSet<WindowSpan>) {
        let mut before = std::mem::take(&mut self.accounts);
        for WindowSpan {
            auth_index,
            start,
            end,
        } in starts
        {
            let span = *start..*end;
            let Some(id) = self.ids.get(auth_index) else {
                continue;
            };
            let kept = before.get_mut(id).and_then(|account| {
                let mut windows = account.windows.iter();
                let at = windows.position(|window| window.span == span)?;
                Some(account.windows.swap_remove(at))
            });
            let account = self.accounts.entry(*id).or_insert_with(|| Account {
                auth_index: auth_index.clone(),
                windows: Vec::new(),
            });
            account
                .windows
                .push(kept.unwrap_or_else(|| Window::new(span)));
        }
        self.changed = true;
    }

    /// Starts to sum the stored events of windows without a sum, or of all.
    fn fill(&mut self, store: &Store, all: bool) -> Result<(), StoreError> {
        let snapshot = store.snapshot()?;
        let mut sums = Sums::new();
        for (id, account) in &mut self.accounts {
            for window in &mut account.windows {
                window.since_snapshot = (all || window.usage.is_none()).then(WindowUsage::default);
                if window.since_snapshot.is_some() {
                    let empty = (window.span.clone(), WindowUsage::default());
                    sums.entry(*id).or_default().push(empty);
                }
            }
        }
        let sum = move |abandoned: &AtomicBool| sum_stored(&snapshot, sums, abandoned);
        match StoredRead::start("windows", self.wake_up.clone(), sum) {
            Ok(read) => {
                self.filling = Some(read);
                self.stale = self.stale.filter(|_| !all);
            }
            Err(error) => self.failed(&error),
        }
        Ok(())
    }

    fn failed(&mut self, error: &dyn std::error::Error) {
        tracing::warn!(
            error = %Chain(error),
            "stored events could not be read for the usage of quota windows"
        );
        self.next_fill = Some(Instant::now() + RETRY);
    }

    fn take_filled(&mut self) {
        let Some(read) = self.filling.take_if(|read| read.is_finished()) else {
            return;
        };
        match read.join() {
            Ok((sums, took)) => {
                let pause = (took * PAUSE_FACTOR).min(LONGEST_PAUSE);
                self.next_fill = Some(Instant::now() + pause);
                self.add(&sums);
            }
            Err(error) => {
                self.stale = Some(Instant::now());
                self.failed(&error);
            }
        }
    }

    fn add(&mut self, sums: &Sums) {
        for (id, stored) in sums {
            let account = self.accounts.get_mut(id).into_iter();
            for window in account.flat_map(|account| &mut account.windows) {
                let stored = stored.iter().find(|(span, _)| *span == window.span);
                // A window that has left and come back since the snapshot waits for the next fill.
                if let Some(since) = window.since_snapshot.take()
                    && let Some((_, stored)) = stored
                {
                    window.usage = Some(stored.plus(since));
                }
            }
        }
        self.changed = true;
    }
}

fn sum_stored(
    snapshot: &Snapshot,
    mut sums: Sums,
    abandoned: &AtomicBool,
) -> Result<Filled, StoreError> {
    let began = Instant::now();
    let starts = sums.values().flatten().map(|(span, _)| span.start);
    let Some(first) = starts.min() else {
        return Ok((sums, Duration::ZERO));
    };
    snapshot.read(first, |event| {
        add_stored(&mut sums, &event);
        if abandoned.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok((sums, began.elapsed()))
}

fn add_stored(sums: &mut Sums, event: &PastEvent) {
    let usage = WindowUsage {
        tokens: event.tokens.total(),
        value: event.value,
    };
    let windows = sums.get_mut(&event.route.account).into_iter().flatten();
    for (_, sum) in windows.filter(|(span, _)| span.contains(&event.at)) {
        *sum = sum.plus(usage);
    }
}

#[cfg(test)]
mod tests;
