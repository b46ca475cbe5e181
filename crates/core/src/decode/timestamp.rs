//! Parses RFC 3339 with any offset and up to nanoseconds, as Go writes it.

use crate::model::UnixNanos;

/// `None` unless the text is a plausible time (2000 to 2199).
pub fn parse(text: Option<&str>) -> Option<UnixNanos> {
    let mut rest = Bytes(text?.trim().as_bytes());
    let year = rest.number(4)?;
    rest.one_of(b"-")?;
    let month = rest.number(2)?;
    rest.one_of(b"-")?;
    let day = rest.number(2)?;
    rest.one_of(b"Tt ")?;
    let hour = rest.number(2)?;
    rest.one_of(b":")?;
    let minute = rest.number(2)?;
    rest.one_of(b":")?;
    let second = rest.number(2)?;
    let nanos = rest.fraction()?;
    let offset = rest.offset()?;
    let in_range = (2000..2200).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        // A leap second becomes the following second.
        && second <= 60;
    if !in_range || !rest.0.is_empty() {
        return None;
    }
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(UnixNanos::new((seconds - offset) * 1_000_000_000 + nanos))
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |value, byte| {
            byte.is_ascii_digit()
                .then(|| value * 10 + i64::from(byte - b'0'))
        })
    }

    fn one_of(&mut self, allowed: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        allowed.contains(first).then_some(*first)
    }

    /// Nanoseconds; further digits are dropped.
    fn fraction(&mut self) -> Option<i64> {
        if self.0.first() != Some(&b'.') {
            return Some(0);
        }
        let digits = self
            .0
            .iter()
            .skip(1)
            .take_while(|b| b.is_ascii_digit())
            .count();
        let nanos = (0..9_usize).fold(0, |value, at| {
            let digit = self
                .0
                .get(at + 1)
                .filter(|_| at < digits)
                .map_or(0, |b| b - b'0');
            value * 10 + i64::from(digit)
        });
        self.0 = self.0.get(digits + 1..)?;
        (digits > 0).then_some(nanos)
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.number(2)?;
        self.one_of(b":")?;
        let minutes = self.number(2)?;
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01; years start in March here, so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nanos(text: &str) -> Option<i64> {
        parse(Some(text)).map(UnixNanos::get)
    }

    #[test]
    fn go_formats_are_parsed() {
        let base = 1_787_409_543_000_000_000;
        assert_eq!(
            nanos("2026-08-22T22:39:03.123456789+08:00"),
            Some(base + 123_456_789)
        );
        assert_eq!(nanos("2026-08-22T14:39:03Z"), Some(base));
        assert_eq!(nanos("2026-08-22T14:39:03.1Z"), Some(base + 100_000_000));
        assert_eq!(nanos("2026-08-22T09:09:03.000000001-05:30"), Some(base + 1));
        assert_eq!(
            nanos("2026-08-22T14:39:03.1234567899999Z"),
            Some(base + 123_456_789)
        );
    }

    #[test]
    fn implausible_time_is_rejected() {
        for bad in [
            "",
            "2026",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zx",
            "0001-01-01T00:00:00Z",
            "2200-01-01T00:00:00Z",
            "2026-01-01T00:00:00+2400",
        ] {
            assert_eq!(nanos(bad), None, "{bad}");
        }
        assert_eq!(parse(None), None);
    }

    proptest! {
        #[test]
        fn agrees_with_a_date_library(nanos_in in 946_684_800_000_000_000_i64..7_258_118_400_000_000_000) {
            let time = jiff::Timestamp::from_nanosecond(i128::from(nanos_in)).unwrap();
            prop_assert_eq!(nanos(&time.to_string()), Some(nanos_in));
        }

        #[test]
        fn noise_never_panics(text in "\\PC{0,40}") {
            let _time = nanos(&text);
        }
    }
}
