//! One window of one limit of one account: its latest reading, and what follows from it.

use std::time::Duration;

use crate::model::{QuotaSource, Reading, UnixNanos, Window};

/// Two statements of one reset differ by this much at most: sources round, clocks differ, and
/// windows that roll creep.
const JITTER: Duration = Duration::from_mins(1);
/// A reading without a reset time is believed for so long.
const BELIEVED: Duration = Duration::from_hours(24);
/// A pace is worth a forecast from this part of the window on.
const ENOUGH: f64 = 0.1;
/// Use that falls below this part of what it was has been reset before its time.
const FALLEN: f64 = 0.5;

/// The latest reading of a window.
#[derive(Clone, Debug)]
pub(super) struct Row {
    reading: Reading,
    source: QuotaSource,
    observed: UnixNanos,
    /// Its window is over: the figures say nothing any more.
    expired: bool,
    resets: u64,
}

impl Row {
    pub(super) const fn new(reading: Reading, source: QuotaSource, observed: UnixNanos) -> Self {
        Self {
            reading,
            source,
            observed,
            expired: false,
            resets: 0,
        }
    }

    pub(super) const fn reading(&self) -> &Reading {
        &self.reading
    }

    pub(super) const fn source(&self) -> QuotaSource {
        self.source
    }

    pub(super) const fn observed(&self) -> UnixNanos {
        self.observed
    }

    pub(super) const fn resets(&self) -> u64 {
        self.resets
    }

    /// Whether the figures still hold.
    pub(super) const fn is_current(&self) -> bool {
        !self.expired
    }

    /// Whether another reading speaks of the same reset.
    pub(super) fn ends_with(&self, other: &Reading) -> bool {
        let both = self.reading.reset_at().is_some() && other.reset_at().is_some();
        both && near(self.reading.reset_at(), other.reset_at())
    }

    /// Takes a reading over unless a newer one is known. True when the figures changed.
    pub(super) fn update(
        &mut self,
        reading: Reading,
        source: QuotaSource,
        observed: UnixNanos,
    ) -> bool {
        if observed < self.observed {
            return false;
        }
        self.expire(observed);
        if self.expired && self.is_of_the_past(&reading) {
            return false;
        }
        if !self.expired && self.has_been_reset(&reading) {
            self.resets += 1;
        }
        let same_window = !self.expired && near(self.reading.reset_at(), reading.reset_at());
        let reading = if same_window {
            completed(reading, &self.reading)
        } else {
            // The provider's name of a limit outlives its windows.
            let name = reading.name().or(self.reading.name()).cloned();
            reading.with_name(name)
        };
        let changed = self.expired || differs(&self.reading, &reading);
        // A reset that creeps within the jitter is the same one: the first statement stands.
        self.reading = if near(self.reading.reset_at(), reading.reset_at()) && !self.expired {
            let first = self.reading.reset_at().or(reading.reset_at());
            reading.with_reset(first)
        } else {
            reading
        };
        self.source = source;
        self.observed = observed;
        self.expired = false;
        changed
    }

    /// Lets go of figures whose window is over. True when that is news.
    pub(super) fn expire(&mut self, now: UnixNanos) -> bool {
        if self.expired {
            return false;
        }
        let end = self.reading.reset_at();
        let over = end.unwrap_or_else(|| self.observed.saturating_add(BELIEVED));
        if now < over {
            return false;
        }
        self.expired = true;
        if end.is_some() {
            self.resets += 1;
        }
        true
    }

    /// Whether a reading still speaks of the window that is over.
    fn is_of_the_past(&self, new: &Reading) -> bool {
        match (self.reading.reset_at(), new.reset_at()) {
            (Some(old), Some(new)) => new <= old.saturating_add(JITTER),
            (None, _) | (_, None) => false,
        }
    }

    /// Whether the window ended before its time, as bought resets do it.
    fn has_been_reset(&self, new: &Reading) -> bool {
        let (Some(old_end), Some(new_end)) = (self.reading.reset_at(), new.reset_at()) else {
            return false;
        };
        let (Some(before), Some(after)) = (self.reading.used_ratio(), new.used_ratio()) else {
            return false;
        };
        new_end > old_end.saturating_add(JITTER) && before > 0.0 && after < before * FALLEN
    }

    /// When all is used up at the window's average pace; only if that is before the reset.
    pub(super) fn exhaustion(&self) -> Option<UnixNanos> {
        let used = self.reading.used_ratio().filter(|used| *used > 0.0)?;
        let length = f64::from(self.reading.window().seconds()?);
        let left = self.reading.reset_at()?.since(self.observed).as_secs_f64();
        let elapsed = length - left;
        if self.expired || used >= 1.0 || elapsed < length * ENOUGH {
            return None;
        }
        let until = (1.0 - used) * elapsed / used;
        let until = Duration::try_from_secs_f64(until).ok()?;
        (until.as_secs_f64() < left).then(|| self.observed.saturating_add(until))
    }
}

/// Fills what a scanty reading, like a refusal, leaves open from the one before.
fn completed(new: Reading, old: &Reading) -> Reading {
    let ratio = new.used_ratio().or_else(|| old.used_ratio());
    let amounts = new.amounts();
    let name = new.name().or(old.name()).cloned();
    // Amounts of an older reading would contradict a newer share.
    let scanty = new.used_ratio().is_none() && amounts.is_none();
    let amounts = amounts.or_else(|| old.amounts().filter(|_| scanty));
    let reset = new.reset_at().or(old.reset_at());
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
        || !near(old.reset_at(), new.reset_at())
}

/// Whether two statements mean one reset; where one is missing, nothing speaks against it.
fn near(one: Option<UnixNanos>, other: Option<UnixNanos>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.since(other).max(other.since(one)) <= JITTER,
        (None, _) | (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Limit, Scope};

    const HOUR: f64 = 3_600_000_000_000.0;

    fn at(hours: f64) -> UnixNanos {
        #[expect(clippy::cast_possible_truncation, reason = "test times are small")]
        UnixNanos::new(1_790_000_000_000_000_000 + (hours * HOUR) as i64)
    }

    fn reading(percent: f64, reset: f64) -> Reading {
        Reading::new(Limit::main(), Window::hours(5), Scope::Account)
            .with_percent(Some(percent))
            .with_reset(Some(at(reset)))
    }

    fn row(percent: f64, reset: f64, observed: f64) -> Row {
        Row::new(reading(percent, reset), QuotaSource::Poll, at(observed))
    }

    #[test]
    fn the_newest_reading_wins_whatever_comes_last() {
        let mut row = row(10.0, 5.0, 1.0);
        assert!(row.update(reading(20.0, 5.0), QuotaSource::Header, at(2.0)));
        assert!(!row.update(reading(15.0, 5.0), QuotaSource::Poll, at(1.5)));
        assert_eq!(row.reading().used_ratio(), Some(0.2));
        assert_eq!(row.source(), QuotaSource::Header);
        assert!(!row.update(reading(20.0, 5.0), QuotaSource::Poll, at(3.0)));
        assert_eq!(
            row.observed(),
            at(3.0),
            "seen again, though nothing changed"
        );
    }

    #[test]
    fn a_window_that_ends_counts_once_and_its_figures_go() {
        let mut row = row(80.0, 5.0, 4.9);
        assert!(!row.expire(at(4.99)));
        assert!(row.expire(at(5.0)));
        assert!(!row.expire(at(5.1)));
        assert!(!row.is_current());
        assert!(row.update(reading(1.0, 10.0), QuotaSource::Poll, at(5.2)));
        assert!(row.is_current());
        assert_eq!(row.resets(), 1);
    }

    #[test]
    fn a_late_word_of_a_window_that_is_over_is_not_believed() {
        let mut row = row(80.0, 5.0, 4.9);
        assert!(!row.update(reading(81.0, 5.001), QuotaSource::Header, at(5.0005)));
        assert!(!row.is_current());
        row.expire(at(5.1));
        assert_eq!(row.resets(), 1);
        // And when nobody looked at the moment of the reset.
        let mut row = self::row(80.0, 5.0, 4.9);
        row.update(reading(2.0, 10.0), QuotaSource::Poll, at(6.0));
        assert_eq!(row.resets(), 1);
    }

    #[test]
    fn jitter_and_unused_windows_that_roll_are_no_resets() {
        let mut row = row(0.0, 5.0, 0.0);
        for step in 1..50 {
            let now = f64::from(step) / 10.0;
            row.update(reading(0.0, now + 5.0), QuotaSource::Poll, at(now));
            row.expire(at(now));
        }
        assert_eq!(row.resets(), 0);
        let mut row = self::row(40.0, 5.0, 1.0);
        let wobbling = [5.01, 4.99, 5.0].map(|reset| reading(40.0, reset));
        for (step, reading) in (2..).zip(wobbling) {
            row.update(reading, QuotaSource::Header, at(f64::from(step)));
            assert_eq!(row.reading().reset_at(), Some(at(5.0)), "the first stands");
        }
        assert_eq!(row.resets(), 0);
    }

    #[test]
    fn a_window_that_begins_gets_its_reset_and_counts_its_end() {
        let idle = reading(0.0, 5.0).with_reset(None);
        let mut row = Row::new(idle, QuotaSource::Poll, at(0.0));
        row.update(reading(1.0, 6.0), QuotaSource::Poll, at(1.0));
        assert_eq!(row.reading().reset_at(), Some(at(6.0)));
        assert!(row.expire(at(6.0)));
        assert_eq!(row.resets(), 1);
    }

    #[test]
    fn a_bought_reset_counts() {
        let mut row = row(97.0, 5.0, 1.0);
        row.update(reading(0.0, 6.0), QuotaSource::Poll, at(1.1));
        assert_eq!(row.resets(), 1);
    }

    #[test]
    fn a_refusal_takes_nothing_away() {
        let mut row = row(97.0, 5.0, 1.0);
        let refusal = Reading::new(Limit::main(), Window::hours(5), Scope::Account)
            .with_reset(Some(at(5.0)))
            .with_exhausted(Some(true));
        row.update(refusal, QuotaSource::Error, at(2.0));
        assert_eq!(row.reading().used_ratio(), Some(0.97));
        assert_eq!(row.reading().exhausted(), Some(true));
    }

    #[test]
    fn the_forecast_follows_the_average_pace() {
        // Half used after two of five hours: all after four.
        assert_eq!(row(50.0, 5.0, 2.0).exhaustion(), Some(at(4.0)));
        assert_eq!(row(40.0, 5.0, 2.0).exhaustion(), None, "lasts to the reset");
        assert_eq!(row(30.0, 5.0, 0.4).exhaustion(), None, "too early to tell");
        assert_eq!(row(100.0, 5.0, 2.0).exhaustion(), None, "is exhausted");
        assert_eq!(row(0.0, 5.0, 2.0).exhaustion(), None);
    }

    #[test]
    fn a_reading_without_reset_is_not_believed_for_ever() {
        let bare = Reading::new(Limit::main(), Window::UNKNOWN, Scope::Account);
        let mut row = Row::new(bare.with_percent(Some(5.0)), QuotaSource::Poll, at(0.0));
        assert!(!row.expire(at(23.0)));
        assert!(row.expire(at(24.0)));
        assert_eq!(row.resets(), 0);
    }
}
