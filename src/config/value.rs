//! Parsers for each kind of value. They do not guess: a value that does not parse is refused with
//! the expected format.

use std::{fmt, num::NonZeroU32, time::Duration};

use super::{key::Kind, raw::Raw};
use crate::model::{Limit, Name};

/// A kind of value of a key.
pub(super) trait Value: Sized {
    /// Kind of the value, for `--help`.
    const NAME: &'static str = "VALUE";
    const KIND: Kind = Kind::Plain;
    /// Whether a wrong value may be quoted.
    const QUOTED: bool = true;

    /// The error completes "expected …".
    fn parse(raw: &Raw) -> Result<Self, String>;

    fn is_within(&self, _least: &Self, _most: &Self) -> bool {
        true
    }

    /// A remark on a valid value that was written as `text`.
    fn warning(&self, _text: &str) -> Option<String> {
        None
    }
}

pub(super) fn text<'a>(raw: &'a Raw, expected: &str) -> Result<&'a str, String> {
    raw.text().ok_or_else(|| expected.to_owned())
}

/// The bounds of a type with an order.
macro_rules! ordered {
    () => {
        fn is_within(&self, least: &Self, most: &Self) -> bool {
            (least..=most).contains(&self)
        }
    };
}

impl Value for bool {
    const NAME: &'static str = "BOOL";
    const KIND: Kind = Kind::Switch;

    fn parse(raw: &Raw) -> Result<Self, String> {
        if let Raw::Boolean(value) = raw {
            return Ok(*value);
        }
        if let Raw::Untyped(text) = raw
            && let Ok(value) = text.parse()
        {
            return Ok(value);
        }
        Err("true or false".to_owned())
    }
}

/// A whole number, in environment and flags as text.
fn whole<T: TryFrom<i64>>(raw: &Raw) -> Option<T> {
    match raw {
        Raw::Integer(number) => T::try_from(*number).ok(),
        Raw::Untyped(text) => T::try_from(text.parse::<i64>().ok()?).ok(),
        Raw::Text(_)
        | Raw::Float(_)
        | Raw::Boolean(_)
        | Raw::List(_)
        | Raw::Table(_)
        | Raw::Other(_) => None,
    }
}

impl Value for u8 {
    ordered!();

    fn parse(raw: &Raw) -> Result<Self, String> {
        whole(raw).ok_or_else(|| "a whole number, at most 255".to_owned())
    }
}

impl Value for u32 {
    const NAME: &'static str = "NUMBER";

    ordered!();

    fn parse(raw: &Raw) -> Result<Self, String> {
        whole(raw).ok_or_else(|| "a whole number from 0".to_owned())
    }
}

impl Value for u16 {
    ordered!();

    fn parse(raw: &Raw) -> Result<Self, String> {
        whole(raw).ok_or_else(|| "a whole number, at most 65535".to_owned())
    }
}

impl Value for String {
    fn parse(raw: &Raw) -> Result<Self, String> {
        text(raw, "text").map(str::to_owned)
    }
}

impl Value for Name {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a name, which does not look like an id or an address";
        Self::new(text(raw, EXPECTED)?).ok_or_else(|| EXPECTED.to_owned())
    }
}

impl Value for Limit {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a name, which does not look like an id or an address";
        Self::new(text(raw, EXPECTED)?).ok_or_else(|| EXPECTED.to_owned())
    }
}

/// One text or several.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Patterns(pub(super) Vec<String>);

impl Value for Patterns {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let one = raw.text().map(|text| vec![text.to_owned()]);
        let all = one.or_else(|| raw.list(|it| it.text().map(str::to_owned)));
        let filled = |all: &Vec<String>| !all.is_empty() && all.iter().all(|it| !it.is_empty());
        all.filter(filled)
            .map(Self)
            .ok_or_else(|| "a text or a list of texts, none of them empty".to_owned())
    }
}

impl Value for NonZeroU32 {
    const NAME: &'static str = "NUMBER";

    ordered!();

    fn parse(raw: &Raw) -> Result<Self, String> {
        let number = whole(raw).and_then(Self::new);
        number.ok_or_else(|| "a whole number from 1".to_owned())
    }
}

impl Value for Duration {
    const NAME: &'static str = "DURATION";

    ordered!();

    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a duration with its unit, such as \"250ms\", \"5s\" or \"1m30s\"";
        humantime::parse_duration(text(raw, EXPECTED)?).map_err(|_bad| EXPECTED.to_owned())
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// In the largest unit without a fraction.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, size): &&(&str, u64)| self.0 >= *size && self.0.is_multiple_of(*size);
        let (unit, size) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl Value for ByteSize {
    const NAME: &'static str = "SIZE";

    ordered!();

    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str =
            "a size such as \"256KiB\", \"64MiB\", \"1GiB\" or a number of bytes";
        if let Raw::Integer(bytes) = raw {
            return u64::try_from(*bytes)
                .map(Self)
                .map_err(|_negative| EXPECTED.to_owned());
        }
        let text = text(raw, EXPECTED)?.trim();
        let (digits, size) = UNITS
            .iter()
            .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)))
            .unwrap_or((text, 1));
        digits
            .trim_end()
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(size))
            .map(Self)
            .ok_or_else(|| EXPECTED.to_owned())
    }
}

/// Parses a closed choice from its words; declares the enum, or takes one that exists.
macro_rules! words {
    ($(#[$doc:meta])* $vis:vis enum $name:ident $(as $value_name:literal)? {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[$variant_doc])* $variant),+ }

        words! { $name $(as $value_name)? { $($variant = $word),+ } }
    };
    ($name:ident $(as $value_name:literal)? { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $crate::config::value::Value for $name {
            $(const NAME: &'static str = $value_name;)?

            fn parse(raw: &$crate::config::raw::Raw) -> Result<Self, String> {
                let words = [$($word),+].join(", ");
                match raw.text() {
                    $(Some($word) => Ok(Self::$variant),)+
                    _ => Err(format!("one of {words}")),
                }
            }
        }
    };
}
pub(super) use words;

words! {
    /// Ingest mode.
    pub enum Mode as "MODE" {
        /// The best available mode, found by repeated probes.
        Auto = "auto",
        Pop = "pop",
        Subscribe = "subscribe",
        Http = "http",
    }
}

words! {
    /// Price of a cache write of unknown lifetime.
    pub enum CacheWrites as "LIFETIME" {
        /// The five-minute write: a lower bound.
        FiveMinutes = "5m",
        /// The one-hour write: an upper bound.
        OneHour = "1h",
    }
}

words! {
    /// Minimum level of written messages.
    pub enum LogLevel as "LEVEL" {
        Error = "error",
        Warn = "warn",
        Info = "info",
        Debug = "debug",
        Trace = "trace",
    }
}

words! {
    /// Format of log lines.
    pub enum LogFormat as "FORMAT" {
        /// Text on a terminal, else JSON.
        Auto = "auto",
        Text = "text",
        Json = "json",
    }
}
