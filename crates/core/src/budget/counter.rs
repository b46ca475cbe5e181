//! One rule at work for one account.

use std::collections::BTreeMap;

use super::calendar::{Calendar, Window};
use super::in_use::{self, InUse};
use super::rolling::{self, Rolling};
use super::rules::{Entry, Measure, Period};
use crate::model::UnixNanos;

const SECOND: i64 = 1_000_000_000;
/// A pace is worth a forecast from this part of a window on.
const ENOUGH: i128 = 10;

/// What a rule counts, in the way that its window and measure want it.
#[derive(Debug)]
pub(super) enum Counter {
    Calendar(Sums, Measure),
    Rolling(Rolling, Measure),
    UseByCalendar(Calendar, InUse),
    RollingUse(i64, InUse),
}

/// Sums of calendar windows: the one that is and those still to come.
#[derive(Debug)]
pub(super) struct Sums {
    calendar: Calendar,
    windows: BTreeMap<UnixNanos, (Window, u64)>,
    /// The window that the last entry fell into.
    latest: Option<Window>,
    /// The window that was read last.
    current: Option<Window>,
    /// What is older is asked for no more.
    over: UnixNanos,
}

/// A counter as it stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub used: u64,
    /// Of a rolling window: up to now.
    pub window: Window,
    /// Of rolling windows: when use falls next.
    pub oldest_expiry: Option<UnixNanos>,
    /// Forecast: when the limit is reached.
    pub exhaustion: Option<UnixNanos>,
}

impl Counter {
    pub(super) fn new(measure: Measure, period: &Period) -> Self {
        match (period, measure) {
            (Period::Calendar(calendar), Measure::Use) => {
                Self::UseByCalendar(calendar.clone(), InUse::default())
            }
            (Period::Rolling(seconds), Measure::Use) => {
                let seconds = i64::try_from(seconds.get()).unwrap_or(i64::MAX);
                Self::RollingUse(seconds.saturating_mul(SECOND), InUse::default())
            }
            (Period::Calendar(calendar), measure) => {
                Self::Calendar(Sums::new(calendar.clone()), measure)
            }
            (Period::Rolling(seconds), measure) => {
                Self::Rolling(Rolling::new(seconds.get()), measure)
            }
        }
    }

    pub(super) fn record(&mut self, entry: &Entry) {
        match self {
            Self::Calendar(sums, measure) => sums.add(entry.at, measure.of(entry)),
            Self::Rolling(rolling, measure) => rolling.add(entry.at, measure.of(entry)),
            Self::UseByCalendar(_, in_use) | Self::RollingUse(_, in_use) => {
                if entry.generate {
                    in_use.add(entry.at, entry.latency_ms);
                }
            }
        }
    }

    pub(super) fn read(&mut self, now: UnixNanos, limit: Option<u64>) -> Count {
        match self {
            Self::Calendar(sums, _) => {
                let (window, used) = sums.read(now);
                fixed(window, used, now, limit)
            }
            Self::UseByCalendar(calendar, in_use) => {
                let window = calendar.window(now);
                in_use.advance(window.start.get());
                let used = in_use.within(window.start.get(), window.end.min(now).get());
                fixed(window, used, now, limit)
            }
            Self::Rolling(rolling, _) => {
                let at = now.get();
                rolling.advance(at);
                Count {
                    used: rolling.used(at),
                    window: rolled(now, rolling.length()),
                    oldest_expiry: rolling.oldest_expiry(at).map(UnixNanos::new),
                    exhaustion: limit
                        .and_then(|limit| rolling.exhaustion(at, limit))
                        .map(UnixNanos::new),
                }
            }
            Self::RollingUse(length, in_use) => {
                let window = rolled(now, *length);
                in_use.advance(window.start.get());
                let first = in_use.first().filter(|first| *first <= now.get());
                Count {
                    used: in_use.within(window.start.get(), now.get()),
                    window,
                    oldest_expiry: first.map(|at| UnixNanos::new(at.saturating_add(*length))),
                    exhaustion: limit
                        .and_then(|limit| in_use.exhaustion(now.get(), *length, limit))
                        .map(UnixNanos::new),
                }
            }
        }
    }
}

impl Sums {
    pub(super) fn new(calendar: Calendar) -> Self {
        Self {
            calendar,
            windows: BTreeMap::new(),
            latest: None,
            current: None,
            over: UnixNanos::new(i64::MIN),
        }
    }

    pub(super) fn add(&mut self, at: i64, amount: u64) {
        let at = UnixNanos::new(at);
        if amount == 0 || at < self.over {
            return;
        }
        let window = match self.latest {
            Some(window) if window.contains(at) => window,
            _ => *self.latest.insert(self.calendar.window(at)),
        };
        let (_, sum) = self.windows.entry(window.start).or_insert((window, 0));
        *sum = sum.saturating_add(amount);
    }

    pub(super) fn read(&mut self, now: UnixNanos) -> (Window, u64) {
        let window = match self.current {
            Some(window) if window.contains(now) => window,
            _ => self.calendar.window(now),
        };
        if self.current != Some(window) {
            // Whoever sets the clock back by less than a window finds its sums.
            self.over = self.calendar.before(window).start;
            self.windows = self.windows.split_off(&self.over);
            self.current = Some(window);
        }
        let used = self.windows.get(&window.start).map_or(0, |(_, sum)| *sum);
        (window, used)
    }
}

/// The earliest event that a rule wants to hear of.
pub(super) fn wanted_from(measure: Measure, period: &Period, now: UnixNanos) -> UnixNanos {
    let (start, bucket) = match period {
        Period::Calendar(calendar) => (calendar.window(now).start, 0),
        Period::Rolling(seconds) => {
            let seconds = i64::try_from(seconds.get()).unwrap_or(i64::MAX);
            let window = rolled(now, seconds.saturating_mul(SECOND));
            (window.start, rolling::LONGEST * SECOND)
        }
    };
    let before = match measure {
        Measure::Use => in_use::LONGEST,
        Measure::Tokens
        | Measure::BillableTokens
        | Measure::NoCacheTokens
        | Measure::Requests
        | Measure::Attempts
        | Measure::Cost
        | Measure::ListValue => bucket,
    };
    UnixNanos::new(start.get().saturating_sub(before))
}

fn rolled(now: UnixNanos, length: i64) -> Window {
    Window {
        start: UnixNanos::new(now.get().saturating_sub(length)),
        end: now,
    }
}

fn fixed(window: Window, used: u64, now: UnixNanos, limit: Option<u64>) -> Count {
    Count {
        used,
        window,
        oldest_expiry: None,
        exhaustion: limit.and_then(|limit| at_average_pace(window, used, now, limit)),
    }
}

/// When the window is used up at its average pace, if that is before its end.
fn at_average_pace(window: Window, used: u64, now: UnixNanos, limit: u64) -> Option<UnixNanos> {
    let elapsed = i128::from(now.get()) - i128::from(window.start.get());
    let whole = i128::from(window.end.get()) - i128::from(window.start.get());
    if used == 0 || used >= limit || elapsed * ENOUGH < whole {
        return None;
    }
    let until = elapsed * i128::from(limit - used) / i128::from(used);
    let at = UnixNanos::new(i64::try_from(i128::from(now.get()) + until).ok()?);
    (at < window.end).then_some(at)
}
