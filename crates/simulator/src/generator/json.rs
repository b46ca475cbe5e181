//! JSON and times in the format of Go's encoder.

use std::fmt::Display;
use std::io;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::Offset;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::Formatter;

use cpa_exporter_core::model::UnixNanos;

/// Also escapes `<`, `>` and `&` in strings.
struct Go;

impl Formatter for Go {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment.as_bytes();
        while let Some(at) = memchr::memchr3(b'<', b'>', b'&', rest) {
            let (plain, special) = rest.split_at(at);
            let Some((special, after)) = special.split_first() else {
                break;
            };
            writer.write_all(plain)?;
            write!(writer, "\\u{special:04x}")?;
            rest = after;
        }
        writer.write_all(rest)
    }
}

/// Appends a value. Values are plain data, so serialization cannot fail.
pub(crate) fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    let mut serializer = serde_json::Serializer::with_formatter(out, Go);
    value.serialize(&mut serializer).ok();
}

pub(crate) fn bytes(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    write(&mut out, value);
    out
}

/// Removes keys with null values, recursively.
pub(crate) fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(map) = &mut value {
        map.retain(|_, value| !value.is_null());
        map.values_mut()
            .for_each(|value| *value = without_nulls(value.take()));
    }
    value
}

/// Serializes a value as its `Display` text.
pub(crate) struct Text<D>(pub(crate) D);

impl<D: Display> Serialize for Text<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn timestamp(time: UnixNanos) -> Timestamp {
    Timestamp::from_nanosecond(time.get().into()).unwrap_or_default()
}

/// Go's `RFC3339Nano` in a zone: no trailing zeros, UTC is `Z`.
pub(crate) fn rfc3339_in(time: UnixNanos, offset_minutes: i16) -> String {
    match Offset::from_seconds(i32::from(offset_minutes) * 60) {
        Ok(offset) if !offset.is_zero() => timestamp(time).display_with_offset(offset).to_string(),
        Ok(_) | Err(_) => timestamp(time).to_string(),
    }
}

pub(crate) fn rfc3339(time: UnixNanos) -> String {
    rfc3339_in(time, 0)
}

/// The format of an HTTP `Date` header.
pub(crate) fn http_date(time: UnixNanos) -> String {
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp(time));
    text.unwrap_or_default()
}

/// Seconds since midnight in a zone.
pub(crate) fn second_of_day(time: UnixNanos, offset_minutes: i16) -> u32 {
    let second = time.get().div_euclid(1_000_000_000) + i64::from(offset_minutes) * 60;
    u32::try_from(second.rem_euclid(86_400)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_formatted_like_go() {
        let time = UnixNanos::new(1_795_322_231_674_134_950);
        assert_eq!(rfc3339(time), "2026-11-22T04:37:11.67413495Z");
        let there = rfc3339_in(time, 480);
        assert_eq!(there, "2026-11-22T12:37:11.67413495+08:00");
        assert_eq!(http_date(time), "Sun, 22 Nov 2026 04:37:11 GMT");
        assert_eq!(second_of_day(time, 480), 12 * 3600 + 37 * 60 + 11);
        let whole = UnixNanos::new(1_795_322_231_000_000_000);
        assert_eq!(rfc3339_in(whole, -90), "2026-11-22T03:07:11-01:30");
    }

    #[test]
    fn strings_are_escaped_like_go() {
        let out = bytes(&"a<b>\"&\u{fc}\n");
        let text = "\"a\\u003cb\\u003e\\\"\\u0026\u{fc}\\n\"";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
