//! Spans of time by name, such as `today` or `24h`.

use std::str::FromStr;
use std::time::Duration;

use jiff::{Zoned, civil::Weekday};

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

/// From a time to another, the latter exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: UnixNanos,
    pub to: UnixNanos,
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
            let at = jiff::Timestamp::from_nanosecond(at.get().into()).unwrap();
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
    fn other_texts_are_refused() {
        for text in ["", "0s", "tomorrow", "5", "-1h"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
