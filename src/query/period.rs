//! Spans of time by name, such as `today` or `24h`.

use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};

use crate::model::UnixNanos;

/// A span of time that ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Since midnight, like the next two in local time.
    Today,
    /// Since Monday.
    Week,
    Month,
    /// The day before today; it ends at midnight.
    Yesterday,
    Last(Duration),
}

/// Text that names no [`Period`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected today, yesterday, week, month or a time span such as 5h or 30d, found {0:?}")]
pub struct UnknownPeriod(String);

/// A day or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Day(Date),
    Time(Timestamp),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.parse::<f64>().ok().and_then(|seconds| {
            let since = SignedDuration::try_from_secs_f64(seconds).ok()?;
            Timestamp::from_duration(since).ok()
        });
        if let Some(time) = seconds {
            return Ok(Self::Time(time));
        }
        let day = || text.parse().map(Self::Day).ok();
        let time = || text.parse().map(Self::Time).ok();
        // A time begins like a day, which jiff would read from it.
        let moment = if text.contains(['T', ' ']) {
            time()
        } else {
            day()
        };
        moment.ok_or_else(|| {
            "expected a day like 2026-11-01, a time like 2026-11-01T06:00:00Z, or Unix seconds"
                .to_owned()
        })
    }
}

/// The span between two moments. A last day is included; the default is all until `now`.
pub fn between(
    since: Option<Moment>,
    until: Option<Moment>,
    now: &Zoned,
) -> Result<Span, jiff::Error> {
    let start = |day: Date| Ok::<_, jiff::Error>(nanos(&day.to_zoned(now.time_zone().clone())?));
    let at = |time: Timestamp| nanos(&time.to_zoned(now.time_zone().clone()));
    let from = match since {
        None => UnixNanos::new(0),
        Some(Moment::Day(day)) => start(day)?,
        Some(Moment::Time(time)) => at(time),
    };
    let to = match until {
        None => nanos(now),
        Some(Moment::Day(day)) => start(day.tomorrow()?)?,
        Some(Moment::Time(time)) => at(time),
    };
    Ok(Span { from, to })
}

/// IANA name of a zone.
pub(super) fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("local").to_owned()
}

/// From a time to another, the latter exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: UnixNanos,
    pub to: UnixNanos,
}

impl Span {
    /// The span of the same length that ends where this one begins.
    #[must_use]
    pub fn before(self) -> Self {
        Self {
            from: self.from.saturating_sub(self.to.since(self.from)),
            to: self.from,
        }
    }
}

impl FromStr for Period {
    type Err = UnknownPeriod;

    fn from_str(text: &str) -> Result<Self, UnknownPeriod> {
        Ok(match text {
            "today" => Self::Today,
            "yesterday" => Self::Yesterday,
            "week" => Self::Week,
            "month" => Self::Month,
            _ => match humantime::parse_duration(text) {
                Ok(span) if !span.is_zero() => Self::Last(span),
                _ => return Err(UnknownPeriod(text.to_owned())),
            },
        })
    }
}

impl Period {
    /// All that is stored.
    pub const ALL: Self = Self::Last(Duration::MAX);
    pub(super) const DAY: Self = Self::Last(Duration::from_hours(24));
    pub(super) const MONTH: Self = Self::Last(Duration::from_hours(24 * 30));

    /// The span that this one is compared with: as far into the day, week or month before.
    pub(super) fn before(self, now: &Zoned) -> Result<Span, jiff::Error> {
        let before = match self {
            Self::Today | Self::Yesterday => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
            Self::Last(length) => {
                let to = self.span(now)?.from;
                let from = to.saturating_sub(length);
                return Ok(Span { from, to });
            }
        };
        self.span(&now.checked_sub(before)?)
    }

    /// The span that ends at `now`, in its time zone. An error: the calendar does not reach so far.
    pub fn span(self, now: &Zoned) -> Result<Span, jiff::Error> {
        // The event of this very moment is included.
        let end = nanos(now).saturating_add(Duration::from_nanos(1));
        let today = now.start_of_day()?;
        let (from, to) = match self {
            Self::Today => (nanos(&today), end),
            Self::Yesterday => (nanos(&today.yesterday()?.start_of_day()?), nanos(&today)),
            Self::Week => {
                let monday = now.date().tomorrow()?.nth_weekday(-1, Weekday::Monday)?;
                (nanos(&monday.to_zoned(now.time_zone().clone())?), end)
            }
            Self::Month => (nanos(&today.first_of_month()?.start_of_day()?), end),
            Self::Last(span) => (nanos(now).saturating_sub(span), end),
        };
        Ok(Span { from, to })
    }
}

fn nanos(at: &Zoned) -> UnixNanos {
    // Events end long before jiff's last year.
    let nanos = i64::try_from(at.timestamp().as_nanosecond());
    UnixNanos::new(nanos.unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(period: &str, now: &str) -> (String, String) {
        let now: Zoned = now.parse().unwrap();
        let span = period.parse::<Period>().unwrap().span(&now).unwrap();
        let text = |at: UnixNanos| {
            let at = Timestamp::from_nanosecond(at.get().into()).unwrap();
            at.to_zoned(now.time_zone().clone())
                .strftime("%m-%d %H:%M:%S")
                .to_string()
        };
        (text(span.from), text(span.to))
    }

    #[test]
    fn periods_start_in_the_zone() {
        // Clocks went forward at 02:00 of this Sunday.
        let now = "2026-03-29T12:00:00+02:00[Europe/Berlin]";
        let table = [
            ("today", "03-29 00:00:00"),
            ("week", "03-23 00:00:00"),
            ("month", "03-01 00:00:00"),
            ("5h", "03-29 07:00:00"),
            ("24h", "03-28 11:00:00"),
            ("7d", "03-22 11:00:00"),
        ];
        for (period, from) in table {
            assert_eq!(
                span(period, now),
                (from.to_owned(), "03-29 12:00:00".to_owned()),
                "{period}"
            );
        }
        assert_eq!(
            span("yesterday", now),
            ("03-28 00:00:00".to_owned(), "03-29 00:00:00".to_owned())
        );
    }

    #[test]
    fn a_period_is_compared_with_the_same_part_of_the_one_before() {
        let now: Zoned = "2026-03-31T12:00:00+02:00[Europe/Berlin]".parse().unwrap();
        for (period, from, to) in [
            ("today", "03-30 00:00", "03-30 12:00"),
            ("week", "03-23 00:00", "03-24 12:00"),
            // February has no 31st.
            ("month", "02-01 00:00", "02-28 12:00"),
            ("6h", "03-31 00:00", "03-31 06:00"),
        ] {
            let before = period.parse::<Period>().unwrap().before(&now).unwrap();
            let text = |at: UnixNanos| {
                let at = Timestamp::from_nanosecond(at.get().into()).unwrap();
                let at = at.to_zoned(now.time_zone().clone());
                at.strftime("%m-%d %H:%M").to_string()
            };
            assert_eq!(
                (text(before.from), text(before.to)),
                (from.into(), to.into()),
                "{period}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "0s", "tomorrow", "5", "-1h"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
