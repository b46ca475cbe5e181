//! Days, time spans and hours of price lists, in UTC.

use crate::model::UnixNanos;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A time span: the start is inclusive, the end exclusive. An open side is unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub from: Option<UnixNanos>,
    pub until: Option<UnixNanos>,
}

impl Span {
    pub fn contains(&self, at: UnixNanos) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let before = |end: Option<UnixNanos>, start: Option<UnixNanos>| match (end, start) {
            (Some(end), Some(start)) => end <= start,
            _ => false,
        };
        !before(self.until, other.from) && !before(other.until, self.from)
    }
}

/// `2026-08-21` or `2026-08-16T16:00:00Z`.
pub fn start_of(text: &str) -> Option<UnixNanos> {
    day(text).or_else(|| moment(text))
}

/// A day is included as a whole; a time is the exclusive end.
pub fn end_of(text: &str) -> Option<UnixNanos> {
    let next = |at: UnixNanos| UnixNanos::new(at.get() + SECONDS_PER_DAY * NANOS_PER_SECOND);
    day(text).map(next).or_else(|| moment(text))
}

fn day(text: &str) -> Option<UnixNanos> {
    let date: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    nanos(start.timestamp())
}

fn moment(text: &str) -> Option<UnixNanos> {
    nanos(text.parse().ok()?)
}

fn nanos(at: jiff::Timestamp) -> Option<UnixNanos> {
    i64::try_from(at.as_nanosecond()).ok().map(UnixNanos::new)
}

/// Hours of the day with another price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hours {
    /// Minutes of the day; the end is exclusive.
    spans: Vec<(u16, u16)>,
    /// Monday to Friday only.
    weekdays: bool,
}

impl Hours {
    /// Each like `01:00-04:00`; `None` if one is malformed.
    pub(super) fn parse(spans: &[String], weekdays: bool) -> Option<Self> {
        let spans: Option<Vec<(u16, u16)>> = spans
            .iter()
            .map(|span| {
                let (from, to) = span.split_once('-')?;
                let (from, to) = (minute(from)?, minute(to)?);
                (from < to).then_some((from, to))
            })
            .collect();
        let spans = spans.filter(|spans| !spans.is_empty())?;
        Some(Self { spans, weekdays })
    }

    pub(super) fn contain(&self, at: UnixNanos) -> bool {
        let seconds = at.get().div_euclid(NANOS_PER_SECOND);
        // 1970-01-01 was a Thursday; Monday is 0.
        let weekday = (seconds.div_euclid(SECONDS_PER_DAY) + 3).rem_euclid(7);
        let minute = seconds.rem_euclid(SECONDS_PER_DAY) / 60;
        let within = |(from, to): &(u16, u16)| (i64::from(*from)..i64::from(*to)).contains(&minute);
        (!self.weekdays || weekday < 5) && self.spans.iter().any(within)
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let hours = u16::from(hours.parse::<u8>().ok()?);
    let minutes = u16::from(minutes.parse::<u8>().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= 24 * 60).then_some(minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_times_exact() {
        let hour = |text: &str| start_of(text).unwrap().as_millis() / 3_600_000;
        assert_eq!(hour("1970-01-02"), 24);
        assert_eq!(end_of("1970-01-02").unwrap().as_millis(), 2 * 86_400_000);
        assert_eq!(hour("1970-01-01T05:00:00Z"), 5);
        assert_eq!(
            end_of("1970-01-01T05:00:00Z").unwrap().as_millis(),
            18_000_000
        );
        for wrong in ["", "2026-13-01", "2026-1-1", "yesterday", "2026-01-01T00"] {
            assert_eq!(start_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn adjacent_spans_do_not_overlap() {
        let span = |from: Option<&str>, until: Option<&str>| Span {
            from: from.and_then(start_of),
            until: until.and_then(end_of),
        };
        let (before, after) = (
            span(None, Some("2026-08-20")),
            span(Some("2026-08-21"), None),
        );
        assert!(!before.overlaps(&after) && !after.overlaps(&before));
        assert!(before.overlaps(&span(Some("2026-08-20"), None)));
        let last = start_of("2026-08-20T23:59:59.999Z").unwrap();
        assert!(before.contains(last) && !after.contains(last));
        assert!(after.contains(start_of("2026-08-21").unwrap()));
    }

    #[test]
    fn peak_hours_respect_the_day_of_the_week() {
        let spans = ["01:00-04:00".to_owned(), "06:00-10:00".to_owned()];
        let weekdays = Hours::parse(&spans, true).unwrap();
        let daily = Hours::parse(&spans, false).unwrap();
        let at = |text: &str| start_of(text).unwrap();
        // 2026-11-20 is a Friday.
        for (text, on_weekdays, on_any_day) in [
            ("2026-11-20T01:00:00Z", true, true),
            ("2026-11-20T00:59:59Z", false, false),
            ("2026-11-20T03:59:59Z", true, true),
            ("2026-11-20T04:00:00Z", false, false),
            ("2026-11-21T02:00:00Z", false, true),
            ("2026-11-22T09:00:00Z", false, true),
            ("2026-11-23T09:00:00Z", true, true),
        ] {
            assert_eq!(weekdays.contain(at(text)), on_weekdays, "{text}");
            assert_eq!(daily.contain(at(text)), on_any_day, "{text}");
        }
        for wrong in ["04:00-01:00", "1-4", "23:00-24:01", "x"] {
            assert_eq!(Hours::parse(&[wrong.to_owned()], false), None, "{wrong}");
        }
    }
}
