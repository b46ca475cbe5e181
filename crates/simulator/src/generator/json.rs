//! Writing JSON the way Go's encoder does, straight into a buffer.

use cpa_exporter_core::model::UnixNanos;

const HEX: &[u8; 16] = b"0123456789abcdef";

pub(crate) fn text(out: &mut Vec<u8>, s: &str) {
    out.extend_from_slice(s.as_bytes());
}

pub(crate) fn number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// At least `width` digits, with leading zeros.
pub(crate) fn padded(out: &mut Vec<u8>, n: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(n);
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits.as_bytes());
}

pub(crate) fn boolean(out: &mut Vec<u8>, value: bool) {
    text(out, if value { "true" } else { "false" });
}

/// The lowest `digits` hexadecimal digits of `n`.
pub(crate) fn hex(out: &mut Vec<u8>, n: u64, digits: u32) {
    for place in (0..digits).rev() {
        let nibble = usize::try_from(n >> (4 * place) & 0xf).unwrap_or(0);
        out.push(HEX.get(nibble).copied().unwrap_or(b'0'));
    }
}

/// The inside of a JSON string, with Go's escapes of `<`, `>` and `&`.
pub(crate) fn escaped(out: &mut Vec<u8>, s: &str) {
    for byte in s.bytes() {
        match byte {
            b'"' => text(out, "\\\""),
            b'\\' => text(out, "\\\\"),
            b'\n' => text(out, "\\n"),
            b'\r' => text(out, "\\r"),
            b'\t' => text(out, "\\t"),
            b'<' | b'>' | b'&' | 0..=0x1f => {
                text(out, "\\u00");
                hex(out, u64::from(byte), 2);
            }
            other => out.push(other),
        }
    }
}

/// A JSON string with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, s: &str) {
    out.push(b'"');
    escaped(out, s);
    out.push(b'"');
}

/// A point in time taken apart, in a fixed zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Civil {
    year: u64,
    month: u64,
    day: u64,
    weekday: usize,
    pub(crate) second_of_day: u64,
    nanos: u64,
}

impl Civil {
    /// Years before 1970 do not occur here and become 1970.
    pub(crate) fn of(time: UnixNanos, offset_minutes: i16) -> Self {
        let local = time.get() + i64::from(offset_minutes) * 60_000_000_000;
        let local = u64::try_from(local).unwrap_or(0);
        let (seconds, nanos) = (local / 1_000_000_000, local % 1_000_000_000);
        let days = seconds / 86_400;
        // Days to civil date, after Howard Hinnant; eras of 400 years that begin on 1 March.
        let shifted = days + 719_468;
        let (era, doe) = (shifted / 146_097, shifted % 146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        Self {
            year: yoe + era * 400 + u64::from(month <= 2),
            month,
            day: doy - (153 * mp + 2) / 5 + 1,
            weekday: usize::try_from((days + 4) % 7).unwrap_or(0),
            second_of_day: seconds % 86_400,
            nanos,
        }
    }

    /// `RFC3339Nano`: trailing zeros of the fraction are cut, UTC is `Z`.
    pub(crate) fn rfc3339_nano(&self, out: &mut Vec<u8>, offset_minutes: i16) {
        self.date(out);
        out.push(b'T');
        self.clock(out);
        if self.nanos > 0 {
            out.push(b'.');
            padded(out, self.nanos, 9);
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
        if offset_minutes == 0 {
            out.push(b'Z');
            return;
        }
        out.push(if offset_minutes < 0 { b'-' } else { b'+' });
        let minutes = u64::from(offset_minutes.unsigned_abs());
        padded(out, minutes / 60, 2);
        out.push(b':');
        padded(out, minutes % 60, 2);
    }

    /// As in an HTTP `Date` header.
    pub(crate) fn http_date(&self, out: &mut Vec<u8>) {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        text(out, DAYS.get(self.weekday).unwrap_or(&"Sun"));
        text(out, ", ");
        padded(out, self.day, 2);
        out.push(b' ');
        let month = usize::try_from(self.month.saturating_sub(1)).unwrap_or(0);
        text(out, MONTHS.get(month).unwrap_or(&"Jan"));
        out.push(b' ');
        padded(out, self.year, 4);
        out.push(b' ');
        self.clock(out);
        text(out, " GMT");
    }

    fn date(&self, out: &mut Vec<u8>) {
        padded(out, self.year, 4);
        out.push(b'-');
        padded(out, self.month, 2);
        out.push(b'-');
        padded(out, self.day, 2);
    }

    fn clock(&self, out: &mut Vec<u8>) {
        padded(out, self.second_of_day / 3600, 2);
        out.push(b':');
        padded(out, self.second_of_day / 60 % 60, 2);
        out.push(b':');
        padded(out, self.second_of_day % 60, 2);
    }
}

pub(crate) fn rfc3339(time: UnixNanos) -> String {
    let mut out = Vec::with_capacity(40);
    Civil::of(time, 0).rfc3339_nano(&mut out, 0);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_go() {
        let time = UnixNanos::new(1_795_322_231_674_134_950);
        assert_eq!(rfc3339(time), "2026-11-22T04:37:11.67413495Z");
        let mut out = Vec::new();
        Civil::of(time, 480).rfc3339_nano(&mut out, 480);
        assert_eq!(out, b"2026-11-22T12:37:11.67413495+08:00");
        out.clear();
        Civil::of(time, 0).http_date(&mut out);
        assert_eq!(out, b"Sun, 22 Nov 2026 04:37:11 GMT");
    }

    #[test]
    fn strings_are_escaped_like_go() {
        let mut out = Vec::new();
        string(&mut out, "a<b>\"&\u{fc}\n");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\u003cb\\u003e\\\"\\u0026\u{fc}\\n\""
        );
    }
}
