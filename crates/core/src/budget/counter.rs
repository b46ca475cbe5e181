//! The counter of one rule for one account.

use std::collections::BTreeMap;

use super::calendar::{Calendar, Window};
use super::in_use::{self, InUse};
use super::rolling::{self, Rolling};
use super::rules::{Entry, Measure, Period};
use crate::model::UnixNanos;

const SECOND: i64 = 1_000_000_000;
/// A forecast needs a tenth of the window to have elapsed.
const MIN_ELAPSED: i128 = 10;

/// The state that a rule's window and measure require.
#[derive(Debug)]
pub(super) enum Counter {
    Calendar(Sums, Measure),
    Rolling(Rolling, Measure),
    UseByCalendar(Calendar, InUse),
    RollingUse(i64, InUse),
}

/// Sums per calendar window: the current one and later ones.
#[derive(Debug)]
pub(super) struct Sums {
    calendar: Calendar,
    windows: BTreeMap<UnixNanos, (Window, u64)>,
    /// Window of the most recently recorded entry.
    latest: Option<Window>,
    /// Window of the most recent read.
    current: Option<Window>,
    /// Older entries are dropped.
    over: UnixNanos,
}

/// State of a counter at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub used: u64,
    /// Rolling windows end at the time of the read.
    pub window: Window,
    /// Rolling windows only: when the usage next decreases.
    pub oldest_expiry: Option<UnixNanos>,
    /// Forecast of the time at which the limit is reached.
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
            Self::Calendar(sums, measure) => sums.add(entry.at, measure.amount(entry)),
            Self::Rolling(rolling, measure) => rolling.add(entry.at, measure.amount(entry)),
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
            // Keeps the previous window, in case the clock is set back by less than one window.
            self.over = self.calendar.before(window).start;
            self.windows = self.windows.split_off(&self.over);
            self.current = Some(window);
        }
        let used = self.windows.get(&window.start).map_or(0, |(_, sum)| *sum);
        (window, used)
    }
}

/// Start time of the earliest event that the rule depends on.
pub(super) fn backfill_start(measure: Measure, period: &Period, now: UnixNanos) -> UnixNanos {
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

/// When the limit is reached at the window's average pace; `None` if not before the window's end.
fn at_average_pace(window: Window, used: u64, now: UnixNanos, limit: u64) -> Option<UnixNanos> {
    let elapsed = i128::from(now.get()) - i128::from(window.start.get());
    let whole = i128::from(window.end.get()) - i128::from(window.start.get());
    if used == 0 || used >= limit || elapsed * MIN_ELAPSED < whole {
        return None;
    }
    let until = elapsed * i128::from(limit - used) / i128::from(used);
    let at = UnixNanos::new(i64::try_from(i128::from(now.get()) + until).ok()?);
    (at < window.end).then_some(at)
}
