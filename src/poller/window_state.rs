//! State of one window of one limit of one account: the latest reading and values derived from it.

use std::time::Duration;

use crate::model::{QuotaSource, RESET_JITTER, Reading, Scope, UnixNanos, Window};

/// A reading without a reset time expires after this time.
const MAX_AGE_WITHOUT_RESET: Duration = Duration::from_hours(24);
/// A forecast needs this fraction of the window to have elapsed.
const MIN_ELAPSED: f64 = 0.1;
/// A drop of the usage below this fraction of its former value is an early reset.
const RESET_DROP: f64 = 0.5;
/// A window without a reading for this long is removed. Longer than any window.
const MAX_SILENCE: Duration = Duration::from_hours(24 * 32);

/// The history gets a reading that moved by this share of its limit since the last one; headers
/// with full floats change with every record.
const STEP: f64 = 0.001;
/// And any change this long after the last one.
const HISTORY_INTERVAL: Duration = Duration::from_hours(1);

/// Where a reading comes from, and from when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    source: QuotaSource,
    at: UnixNanos,
}

impl Observation {
    /// A future time comes from a wrong clock and is replaced by `now`: otherwise it would block
    /// all correct readings until then.
    pub(super) fn new(source: QuotaSource, at: UnixNanos, now: UnixNanos) -> Self {
        Self {
            source,
            at: at.min(now),
        }
    }

    pub(super) const fn source(self) -> QuotaSource {
        self.source
    }

    pub(super) const fn at(self) -> UnixNanos {
        self.at
    }

    /// Whether the reading's window had ended when it was observed. Such a reading says nothing
    /// about the next window.
    pub(super) fn had_ended(self, reading: &Reading) -> bool {
        reading.reset_at().is_some_and(|reset| reset <= self.at)
    }
}

/// State of a window for display, from any source.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowStatus<'a> {
    pub(super) reading: &'a Reading,
    pub(super) exhausted: Option<bool>,
    pub(super) exhaustion: Option<UnixNanos>,
    /// Rolling windows only: when the usage next decreases.
    pub(super) oldest_expiry: Option<UnixNanos>,
    pub(super) source: QuotaSource,
    pub(super) observed: UnixNanos,
}

impl WindowStatus<'_> {
    /// Start and end of a window that counts all requests of its account; `None` for other scopes
    /// and where the length or the reset is unknown.
    pub(super) fn span(&self) -> Option<[UnixNanos; 2]> {
        let reading = self.reading;
        let length = reading.window().seconds()?;
        let reset = reading.reset_at()?;
        let length = Duration::from_secs(length.into());
        (reading.scope() == Scope::Account).then(|| [reset.saturating_sub(length), reset])
    }
}

/// The latest reading of a window.
#[derive(Clone, Debug)]
pub(super) struct WindowState {
    reading: Reading,
    seen: Observation,
    /// The window has ended: its values are no longer valid.
    expired: bool,
    resets: u64,
    /// The last reading given to the history.
    recorded: Option<(Reading, UnixNanos)>,
}

impl WindowState {
    /// A window that has already ended is not counted as a reset.
    pub(super) fn new(reading: Reading, seen: Observation, now: UnixNanos) -> Self {
        let mut this = Self {
            reading: without_false_reset(reading, seen),
            seen,
            expired: false,
            resets: 0,
            recorded: None,
        };
        this.expire(now);
        this.resets = 0;
        this
    }

    pub(super) const fn reading(&self) -> &Reading {
        &self.reading
    }

    pub(super) const fn resets(&self) -> u64 {
        self.resets
    }

    /// The current state; `None` once it has expired.
    pub(super) fn status(&self) -> Option<WindowStatus<'_>> {
        self.is_current().then(|| WindowStatus {
            reading: &self.reading,
            exhausted: self.reading.exhausted(),
            exhaustion: self.exhaustion(),
            oldest_expiry: None,
            source: self.seen.source,
            observed: self.seen.at,
        })
    }

    /// Whether the values are still valid.
    pub(super) const fn is_current(&self) -> bool {
        !self.expired
    }

    /// Replaces the reading unless it is older than the current one. Returns true if a value
    /// changed.
    pub(super) fn update(&mut self, reading: Reading, seen: Observation, now: UnixNanos) -> bool {
        if self.is_newer_than(seen, now) {
            return false;
        }
        let reading = without_false_reset(reading, seen);
        self.expire(seen.at);
        if self.expired && self.belongs_to_ended_window(&reading) {
            return false;
        }
        let was_expired = self.expired;
        let was_reset = !was_expired && self.has_been_reset(&reading);
        self.resets += u64::from(was_reset);
        let is_same_window = !was_expired && !was_reset && may_share_reset(&self.reading, &reading);
        let reading = if is_same_window {
            merge(reading, &self.reading)
        } else {
            // The provider's name of a limit remains valid in the next window.
            let name = reading.name().or(self.reading.name()).cloned();
            reading.with_name(name)
        };
        let changed = was_expired || was_reset || differs(&self.reading, &reading);
        self.reading = reading;
        self.seen = seen;
        self.expired = false;
        changed
    }

    /// The reading for the history, if it differs enough from the last one or that one is old.
    pub(super) fn take_point(&mut self) -> Option<Reading> {
        let is_due = self.recorded.as_ref().is_none_or(|(last, at)| {
            self.seen.at.since(*at) >= HISTORY_INTERVAL || is_step(last, &self.reading)
        });
        is_due.then(|| {
            self.recorded = Some((self.reading.clone(), self.seen.at));
            self.reading.clone()
        })
    }

    /// Whether what is known is from later, or from the same moment and over since.
    fn is_newer_than(&self, seen: Observation, now: UnixNanos) -> bool {
        // The clock was set back after this observation.
        let is_from_the_future = self.seen.at > now;
        let is_later = seen.at < self.seen.at || (self.expired && seen.at == self.seen.at);
        is_later && !is_from_the_future
    }

    /// Expires a reading that comes from a refusal, after a newer reading from the provider.
    pub(super) fn supersede(&mut self, by: Observation) {
        self.expired |= self.seen.source == QuotaSource::Error
            && by.source != QuotaSource::Error
            && self.seen.at <= by.at;
    }

    /// Whether the window has had no reading for too long.
    pub(super) fn is_obsolete(&self, now: UnixNanos) -> bool {
        self.expired && now.since(self.seen.at) > MAX_SILENCE
    }

    /// Expires the reading if its window has ended. Returns true if it expired now.
    pub(super) fn expire(&mut self, now: UnixNanos) -> bool {
        if self.expired {
            return false;
        }
        let end = self.reading.reset_at();
        let over = end.unwrap_or_else(|| self.seen.at.saturating_add(MAX_AGE_WITHOUT_RESET));
        if now < over {
            return false;
        }
        self.expired = true;
        if end.is_some() {
            self.resets += 1;
        }
        true
    }

    /// Whether a reading belongs to the window that has ended.
    fn belongs_to_ended_window(&self, new: &Reading) -> bool {
        match (self.reading.reset_at(), new.reset_at()) {
            (Some(old), Some(new)) => new <= old.saturating_add(RESET_JITTER),
            (None, _) | (_, None) => false,
        }
    }

    /// Whether the window was reset early, as a bought reset does. Providers state no reset time
    /// for a window that has not started.
    fn has_been_reset(&self, new: &Reading) -> bool {
        let Some(old_end) = self.reading.reset_at() else {
            return false;
        };
        let (Some(before), Some(after)) = (self.reading.used_ratio(), new.used_ratio()) else {
            return false;
        };
        let is_another = match new.reset_at() {
            Some(new_end) => new_end > old_end.saturating_add(RESET_JITTER),
            None => after <= 0.0,
        };
        is_another && before > 0.0 && after < before * RESET_DROP
    }

    /// When the limit is exhausted at the window's average pace; `None` if not before the reset.
    pub(super) fn exhaustion(&self) -> Option<UnixNanos> {
        let used = self.reading.used_ratio().filter(|used| *used > 0.0)?;
        let length = f64::from(self.reading.window().seconds()?);
        let left = self.reading.reset_at()?.since(self.seen.at).as_secs_f64();
        let elapsed = length - left;
        if self.expired || used >= 1.0 || elapsed < length * MIN_ELAPSED {
            return None;
        }
        let until = (1.0 - used) * elapsed / used;
        let until = Duration::try_from_secs_f64(until).ok()?;
        (until.as_secs_f64() < left).then(|| self.seen.at.saturating_add(until))
    }
}

/// Removes a reset time that is further away than the window is long; a date like 2099 means "never".
/// Tolerates clock differences, and longer periods that a provider gives a shorter name.
fn without_false_reset(reading: Reading, seen: Observation) -> Reading {
    let longest = reading.window().seconds().map(|seconds| {
        let seconds = Duration::from_secs(u64::from(seconds));
        seconds * 2 + Duration::from_hours(24)
    });
    let ahead = reading.reset_at().map(|reset| reset.since(seen.at));
    match ahead.zip(longest) {
        Some((ahead, longest)) if ahead > longest => reading.with_reset(None),
        _ => reading,
    }
}

/// Completes a partial reading, such as a refusal, from the previous one. A reset time that moves
/// within the jitter keeps its first value.
fn merge(new: Reading, old: &Reading) -> Reading {
    let ratio = new.used_ratio().or_else(|| old.used_ratio());
    let amounts = new.amounts();
    let name = new.name().or(old.name()).cloned();
    // Amounts of the older reading would contradict a newer ratio.
    let scanty = new.used_ratio().is_none() && amounts.is_none();
    let amounts = amounts.or_else(|| old.amounts().filter(|_| scanty));
    let reset = old.reset_at().or(new.reset_at());
    let window = match (new.window(), old.window()) {
        (Window::Role(_), known @ Window::Length(_)) => known,
        (stated, _) => stated,
    };
    new.with_ratio(ratio)
        .with_amounts(amounts)
        .with_name(name)
        .with_reset(reset)
        .in_window(window)
}

fn differs(old: &Reading, new: &Reading) -> bool {
    old.used_ratio() != new.used_ratio()
        || old.amounts() != new.amounts()
        || old.exhausted() != new.exhausted()
        || !may_share_reset(old, new)
}

/// Whether the history needs `new` after `old`.
fn is_step(old: &Reading, new: &Reading) -> bool {
    let used = |reading: &Reading| reading.amounts().and_then(|amounts| amounts.used());
    let limit = |reading: &Reading| reading.amounts().and_then(|amounts| amounts.limit());
    let moved = match (old.used_ratio(), new.used_ratio()) {
        (None, None) => has_moved(used(old), used(new)),
        (old, new) => old
            .zip(new)
            .is_none_or(|(old, new)| moved_by(old, new, STEP)),
    };
    let is_other_reset =
        old.reset_at().is_some() != new.reset_at().is_some() || !may_share_reset(old, new);
    moved
        || is_other_reset
        || limit(old) != limit(new)
        || old.exhausted() != new.exhausted()
        || old.unlimited() != new.unlimited()
}

/// Amounts without a limit are compared with each other.
fn has_moved(old: Option<f64>, new: Option<f64>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => {
            (old - new).abs() > 0.0 && moved_by(old, new, STEP * old.max(new))
        }
        (old, new) => old != new,
    }
}

/// Ratios are rounded to nine digits, so that a step of exactly `step` may come out below it.
fn moved_by(old: f64, new: f64, step: f64) -> bool {
    (old - new).abs() >= step * (1.0 - 1e-6)
}

/// Whether two readings mean one reset; where one states none, nothing speaks against it.
fn may_share_reset(one: &Reading, other: &Reading) -> bool {
    one.has_reset_of(other).unwrap_or(true)
}

#[cfg(test)]
mod tests;
