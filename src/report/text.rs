//! Small texts: numbers, spans of time, and what fits into a given width.

use jiff::{SignedDuration, Timestamp};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::model::is_invisible;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Cells of a terminal that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// One line that a terminal takes for nothing but text.
pub(super) fn line(text: &str) -> String {
    let shown = |c: char| if is_invisible(c) { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// What fits, with a mark where something is missing.
pub(super) fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut taken = 0;
    for c in text.chars() {
        taken += c.width().unwrap_or_default();
        if taken >= cells {
            break;
        }
        kept.push(c);
    }
    if cells > 0 {
        kept.push('…');
    }
    kept
}

/// A moment in Unix seconds; `None` where no calendar reaches.
pub(super) fn moment(seconds: f64) -> Option<Timestamp> {
    let since = SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(since).ok()
}

/// `6d 4h`, `3h 12m`, `12m`, `45s`: the two largest units.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let two = |large: i64, l: char, small: i64, s: char| {
        let (whole, rest) = (seconds / large, seconds % large / small);
        if rest == 0 {
            format!("{whole}{l}")
        } else {
            format!("{whole}{l} {rest}{s}")
        }
    };
    match seconds {
        DAY.. => two(DAY, 'd', HOUR, 'h'),
        HOUR.. => two(HOUR, 'h', MINUTE, 'm'),
        MINUTE.. => format!("{}m", seconds / MINUTE),
        _ => format!("{seconds}s"),
    }
}

/// `5d`, `3h`, `12m`, `45s`: the largest unit alone.
pub(super) fn age(seconds: i64) -> String {
    let text = span(seconds);
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// A number for people: `280`, `0.5`, `12.3k`, `1.25M`.
pub(super) fn number(number: f64) -> String {
    let (scaled, unit, digits) = match number.abs() {
        1e9.. => (number / 1e9, "G", 2),
        1e6.. => (number / 1e6, "M", 2),
        1e4.. => (number / 1e3, "k", 1),
        _ => (number, "", 2),
    };
    format!("{}{unit}", trimmed(scaled, digits))
}

/// Without zeros at the end.
fn trimmed(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_and_ages_one() {
        let table = [
            (-5, "0s", "0s"),
            (59, "59s", "59s"),
            (61, "1m", "1m"),
            (3600, "1h", "1h"),
            (11_520, "3h 12m", "3h"),
            (86_400, "1d", "1d"),
            (532_800, "6d 4h", "6d"),
        ];
        for (seconds, as_span, as_age) in table {
            assert_eq!(span(seconds), as_span);
            assert_eq!(age(seconds), as_age);
        }
    }

    #[test]
    fn numbers_are_short() {
        let table = [
            (0.0, "0"),
            (-0.001, "0"),
            (0.5, "0.5"),
            (280.0, "280"),
            (9999.0, "9999"),
            (12_345.0, "12.3k"),
            (1_250_000.0, "1.25M"),
            (2e9, "2G"),
            (-12_000.0, "-12k"),
        ];
        for (value, text) in table {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn what_is_cut_fits() {
        assert_eq!(cut("codex", 5), "codex");
        assert_eq!(cut("codex-1", 5), "code…");
        // Two cells each: the third would stand half outside.
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("x", 0), "");
        assert_eq!(line("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
    }

    #[test]
    fn moments_beyond_the_calendar_are_none() {
        assert_eq!(moment(1.5).unwrap().as_millisecond(), 1500);
        for wrong in [f64::NAN, f64::INFINITY, 1e300, 1e15] {
            assert_eq!(moment(wrong), None);
        }
    }
}
