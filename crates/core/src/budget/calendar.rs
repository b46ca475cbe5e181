//! Windows that start at a local time: each day, week or month, in a time zone.

#![expect(
    clippy::expect_used,
    reason = "a use in a wrong window would be a wrong number; times of 64 bits are all within jiff's years"
)]

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp, ToSpan as _};

use crate::model::UnixNanos;

/// Period of a calendar window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    Day,
    Week(Weekday),
    /// Day of the month, 1 to 31; the last day of a shorter month.
    Month(u8),
}

/// A window: `start` is inclusive, `end` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub start: UnixNanos,
    pub end: UnixNanos,
}

/// A sequence of windows without gaps or overlaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    every: Every,
    at: Time,
    zone: TimeZone,
}

/// Nanoseconds of 64 bits end long before the years that jiff knows.
const WITHIN: &str = "jiff knows the years 1677 to 2262";

impl Window {
    pub fn contains(&self, at: UnixNanos) -> bool {
        self.start <= at && at < self.end
    }
}

impl Calendar {
    pub const fn new(every: Every, at: Time, zone: TimeZone) -> Self {
        Self { every, at, zone }
    }

    /// Days from midnight to midnight.
    pub const fn days(zone: TimeZone) -> Self {
        Self::new(Every::Day, Time::midnight(), zone)
    }

    /// Calendar months, each starting on the first.
    pub const fn months(zone: TimeZone) -> Self {
        Self::new(Every::Month(1), Time::midnight(), zone)
    }

    pub const fn every(&self) -> Every {
        self.every
    }

    /// The window that contains `at`.
    pub fn window(&self, at: UnixNanos) -> Window {
        let mut window = Window {
            start: UnixNanos::new(i64::MIN),
            end: UnixNanos::new(i64::MAX),
        };
        let today = self.zone.to_datetime(timestamp(at)).date();
        for start in self
            .dates_around(today)
            .filter_map(|day| self.start_on(day))
        {
            if start <= at {
                window.start = window.start.max(start);
            } else {
                window.end = window.end.min(start);
            }
        }
        window
    }

    /// The window before `window`, which must belong to this calendar.
    pub fn before(&self, window: Window) -> Window {
        self.window(UnixNanos::new(window.start.get().saturating_sub(1)))
    }

    /// Covers more dates than needed: a zone may skip a whole day, and today's start may be in the
    /// future.
    fn dates_around(&self, today: Date) -> impl Iterator<Item = Date> {
        (-2_i64..=2).map(move |step| match self.every {
            Every::Day => add(today, step.days()),
            Every::Week(first) => {
                let since = i64::from(today.weekday().since(first));
                add(today, (step * 7 - since).days())
            }
            Every::Month(day) => {
                let first = add(today.first_of_month(), step.months());
                let last = first.days_in_month();
                let day = i8::try_from(day).map_or(last, |day| day.min(last));
                let date = first.with().day(day).build();
                date.expect("a rule's day is at least 1")
            }
        })
    }

    /// A local time that the clocks skip is the moment after the gap; of a repeated local time, the
    /// first.
    fn start_on(&self, day: Date) -> Option<UnixNanos> {
        let ambiguous = self.zone.to_ambiguous_timestamp(day.to_datetime(self.at));
        let is_gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
        let earlier = ambiguous.earlier().expect(WITHIN);
        let start = if is_gap {
            let transition = self.zone.following(earlier).next();
            transition
                .expect("a gap is before its transition")
                .timestamp()
        } else {
            earlier
        };
        i64::try_from(start.as_nanosecond())
            .ok()
            .map(UnixNanos::new)
    }
}

fn timestamp(at: UnixNanos) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(at.get())).expect(WITHIN)
}

fn add(date: Date, span: Span) -> Date {
    date.checked_add(span).expect(WITHIN)
}
