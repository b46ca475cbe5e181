//! Sums per day: for the comparison with today and the projection of the month.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::calendar::{Calendar, Window};
use super::rules::Entry;
use crate::model::UnixNanos;

/// Number of complete days in the mean.
const WEEK: usize = 7;

/// Sums of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaySum {
    /// Nano-dollars.
    pub cost: u64,
    pub tokens: u64,
    /// Tokens of billed requests.
    pub paid_tokens: u64,
}

/// Mean per day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// Nano-dollars.
    pub cost: f64,
    pub tokens: f64,
    /// Number of days with history, 1 to 7.
    pub days: u8,
}

/// Dates relative to now.
#[derive(Debug)]
pub(super) struct Dates {
    days: Calendar,
    today: Window,
    month: Window,
    /// Starts of the complete days before today, latest first.
    past: [UnixNanos; WEEK],
    /// Day of the most recent look-up.
    latest: Window,
}

/// Sums by start of the day.
#[derive(Debug, Default)]
pub(super) struct Days(BTreeMap<UnixNanos, DaySum>);

impl DaySum {
    pub(super) fn of(entry: &Entry) -> Self {
        let tokens = entry.tokens.total();
        Self {
            cost: entry.cost,
            tokens,
            paid_tokens: if entry.cost > 0 { tokens } else { 0 },
        }
    }

    fn add(&mut self, other: &Self) {
        self.cost = self.cost.saturating_add(other.cost);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.paid_tokens = self.paid_tokens.saturating_add(other.paid_tokens);
    }
}

impl Dates {
    pub(super) fn new(zone: &TimeZone, now: UnixNanos) -> Self {
        let days = Calendar::days(zone.clone());
        let today = days.window(now);
        let mut before = today;
        let past = [(); WEEK].map(|()| {
            before = days.before(before);
            before.start
        });
        Self {
            today,
            month: Calendar::months(zone.clone()).window(now),
            latest: today,
            past,
            days,
        }
    }

    /// Returns true if a new day has begun.
    pub(super) fn advance(&mut self, zone: &TimeZone, now: UnixNanos) -> bool {
        let is_another = !self.today.contains(now);
        if is_another {
            *self = Self::new(zone, now);
        }
        is_another
    }

    pub(super) fn day_of(&mut self, at: UnixNanos) -> UnixNanos {
        if !self.latest.contains(at) {
            self.latest = self.days.window(at);
        }
        self.latest.start
    }

    pub(super) const fn month(&self) -> Window {
        self.month
    }

    /// Start of the earliest day that is kept.
    pub(super) fn kept_from(&self) -> UnixNanos {
        let [.., oldest] = self.past;
        self.month.start.min(oldest)
    }
}

impl Days {
    pub(super) fn add(&mut self, day: UnixNanos, sum: &DaySum) {
        self.0.entry(day).or_default().add(sum);
    }

    pub(super) fn forget(&mut self, before: UnixNanos) {
        self.0 = self.0.split_off(&before);
    }

    pub(super) fn today(&self, dates: &Dates) -> DaySum {
        self.0.get(&dates.today.start).copied().unwrap_or_default()
    }

    /// Sum of this month until now.
    pub(super) fn month(&self, dates: &Dates) -> DaySum {
        let mut sum = DaySum::default();
        for (_, day) in self.0.range(dates.month.start..dates.today.end) {
            sum.add(day);
        }
        sum
    }

    /// Mean of the seven complete days before today, or of fewer where the history is shorter.
    pub(super) fn mean(&self, dates: &Dates) -> Option<Mean> {
        let (first, _) = self.0.first_key_value()?;
        let (mut sum, mut days) = (DaySum::default(), 0_u8);
        for day in dates.past.iter().filter(|day| *day >= first) {
            days += 1;
            sum.add(&self.0.get(day).copied().unwrap_or_default());
        }
        #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
        let each = |sum: u64| sum as f64 / f64::from(days);
        (days > 0).then(|| Mean {
            cost: each(sum.cost),
            tokens: each(sum.tokens),
            days,
        })
    }
}
