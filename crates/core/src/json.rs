//! Lenient access to JSON of unknown structure: a missing value or one of another type than
//! expected is absent.

use serde_json::Value;

use crate::model::{Name, UnixNanos, Window, WindowRole, figure, is_plausible_time, whole};

/// A bare number below this is in seconds since 1970, above it in milliseconds.
const SECONDS_END: f64 = 1e12;
/// Maximum number of entries read from one list.
const MAX_ITEMS: usize = 500;

/// A position in a response, possibly empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    value: Option<&'a Value>,
    at: UnixNanos,
}

impl<'a> Node<'a> {
    pub(crate) fn of(value: &'a Value, at: UnixNanos) -> Self {
        Self {
            value: Some(value),
            at,
        }
    }

    fn with(self, value: Option<&'a Value>) -> Self {
        Self {
            value: value.filter(|value| !value.is_null()),
            at: self.at,
        }
    }

    pub(crate) fn get(self, key: &str) -> Self {
        self.with(self.value.and_then(|value| value.get(key)))
    }

    /// The first of these keys with a value.
    pub(crate) fn any(self, keys: &[&str]) -> Self {
        let found = keys.iter().map(|key| self.get(key));
        found
            .into_iter()
            .find(|node| node.exists())
            .unwrap_or(self.with(None))
    }

    /// An RFC 6901 pointer.
    pub(crate) fn pointer(self, pointer: &str) -> Self {
        self.with(self.value.and_then(|value| value.pointer(pointer)))
    }

    /// Whether the key exists, even with `null`.
    pub(crate) fn has_key(self, key: &str) -> bool {
        self.value.is_some_and(|value| value.get(key).is_some())
    }

    /// Whether there is a value other than `null`.
    pub(crate) fn exists(self) -> bool {
        self.value.is_some_and(|value| !value.is_null())
    }

    pub(crate) fn or(self, other: Self) -> Self {
        if self.exists() { self } else { other }
    }

    pub(crate) fn is_object(self) -> bool {
        self.value.is_some_and(Value::is_object)
    }

    pub(crate) fn items(self) -> impl Iterator<Item = Self> {
        let list = self.value.and_then(Value::as_array);
        let items = list.into_iter().flatten().take(MAX_ITEMS);
        items.map(move |value| self.with(Some(value)))
    }

    pub(crate) fn is_list(self) -> bool {
        self.value.is_some_and(Value::is_array)
    }

    pub(crate) fn entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        let object = self.value.and_then(Value::as_object);
        let entries = object.into_iter().flatten().take(MAX_ITEMS);
        entries.map(move |(key, value)| (key.as_str(), self.with(Some(value))))
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        let text = self.value.and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty())
    }

    pub(crate) fn name(self) -> Option<Name> {
        self.text().and_then(Name::new)
    }

    pub(crate) fn flag(self) -> Option<bool> {
        self.value.and_then(Value::as_bool)
    }

    /// A [`figure`], or a text that is one.
    pub(crate) fn number(self) -> Option<f64> {
        figure(self.signed())
    }

    /// As [`Self::number`], for the few numbers that may be negative, such as balances.
    pub(crate) fn signed(self) -> Option<f64> {
        let value = self.value?;
        value.as_f64().or_else(|| signed(value.as_str()?))
    }

    /// The window of this many units of `unit` seconds; `role` where no length is stated, `None`
    /// where the stated one is no number or negative.
    pub(crate) fn window(self, unit: f64, role: WindowRole) -> Option<Window> {
        if self.exists() {
            Window::of_seconds(Some(self.number()? * unit), role)
        } else {
            Some(Window::Role(role))
        }
    }

    pub(crate) fn integer(self) -> Option<i64> {
        let value = self.value?;
        value
            .as_i64()
            .or_else(|| value.as_str()?.trim().parse().ok())
    }

    /// `0.72`, `"0.72"` or `"72%"`.
    pub(crate) fn fraction(self) -> Option<f64> {
        let percent = || {
            let text = self.text()?.strip_suffix('%')?;
            Some(number(text)? / 100.0)
        };
        self.number().or_else(percent)
    }

    /// ISO 8601 with or without time of day, or seconds or milliseconds since 1970.
    pub(crate) fn time(self) -> Option<UnixNanos> {
        match self.number() {
            Some(bare) => from_bare_number(bare),
            None => iso(self.text()?),
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn time_ms(self) -> Option<UnixNanos> {
        at_seconds(self.number()? / 1000.0)
    }

    /// A time relative to now.
    pub(crate) fn in_seconds(self) -> Option<UnixNanos> {
        after(self.at, self.number()?)
    }

    /// An end time: the time under one of the first keys, else the seconds from now under one of
    /// the others.
    pub(crate) fn end(self, at: &[&str], within: &[&str]) -> Option<UnixNanos> {
        let within = || self.any(within).in_seconds();
        self.any(at).time().or_else(within)
    }

    pub(crate) fn in_millis(self) -> Option<UnixNanos> {
        after(self.at, self.number()? / 1000.0)
    }

    pub(crate) fn observed(self) -> UnixNanos {
        self.at
    }
}

/// A [`figure`] in a header.
pub(crate) fn number(text: &str) -> Option<f64> {
    figure(signed(text))
}

/// A plain decimal number: neither `NaN` nor `inf`, which Rust would read, too.
pub(crate) fn signed(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
    if text.is_empty() || text.len() > 40 || !text.bytes().all(plain) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A time in a header, in the formats of [`Node::time`].
pub(crate) fn time(text: &str) -> Option<UnixNanos> {
    match number(text) {
        Some(bare) => from_bare_number(bare),
        None => iso(text),
    }
}

fn from_bare_number(number: f64) -> Option<UnixNanos> {
    if number < SECONDS_END {
        at_seconds(number)
    } else {
        at_seconds(number / 1000.0)
    }
}

/// Double precision suffices: times are whole seconds or milliseconds. 0 means that there is no
/// time.
pub(crate) fn at_seconds(seconds: f64) -> Option<UnixNanos> {
    let in_range = seconds > 0.0 && seconds <= 9e9;
    let millis = whole(seconds * 1000.0).filter(|_| in_range)?;
    let at = UnixNanos::from_millis(i64::try_from(millis).ok()?);
    is_plausible_time(at).then_some(at)
}

/// `seconds` after `at`, at most ten years.
pub(crate) fn after(at: UnixNanos, seconds: f64) -> Option<UnixNanos> {
    let in_range = (0.0..=315_360_000.0).contains(&seconds);
    in_range.then(|| at.saturating_add(std::time::Duration::from_secs_f64(seconds)))
}

fn iso(text: &str) -> Option<UnixNanos> {
    let stamp = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let date: jiff::civil::Date = text.parse().ok()?;
        date.to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    })?;
    i64::try_from(stamp.as_nanosecond())
        .ok()
        .map(UnixNanos::new)
        .filter(|at| is_plausible_time(*at))
}
