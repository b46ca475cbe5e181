//! Parsers for each kind of value. They do not guess: a value that does not parse is refused with
//! the expected format.

use std::{fmt, num::NonZeroU32, time::Duration};

use super::{
    keys::{Key, Kind},
    raw::Raw,
    resolve::Resolver,
    section::Field,
};

/// A kind of value of a key.
pub(super) trait Value: Sized + PartialOrd {
    /// Kind of the value, for `--help`.
    const NAME: &'static str = "VALUE";
    const KIND: Kind = Kind::Plain;
    /// Whether a wrong value may be quoted.
    const QUOTED: bool = true;

    /// The error completes "expected …".
    fn parse(raw: &Raw) -> Result<Self, String>;

    /// A remark on a valid value that was written as `text`.
    fn warning(&self, _text: &str) -> Option<String> {
        None
    }
}

impl<T: Value> Field for T {
    const KIND: Kind = T::KIND;
    const VALUE_NAME: &'static str = T::NAME;

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        resolver.value(key)
    }
}

pub(super) fn text<'a>(raw: &'a Raw, expected: &str) -> Result<&'a str, String> {
    match raw {
        Raw::Text(text) | Raw::Untyped(text) => Ok(text),
        Raw::Integer(_) | Raw::Boolean(_) | Raw::Table(_) | Raw::Other(_) => {
            Err(expected.to_owned())
        }
    }
}

impl Value for bool {
    const NAME: &'static str = "BOOL";
    const KIND: Kind = Kind::Switch;

    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Boolean(value) => Ok(*value),
            Raw::Untyped(text) if text == "true" => Ok(true),
            Raw::Untyped(text) if text == "false" => Ok(false),
            Raw::Untyped(_) | Raw::Text(_) | Raw::Integer(_) | Raw::Table(_) | Raw::Other(_) => {
                Err("true or false".to_owned())
            }
        }
    }
}

impl Value for NonZeroU32 {
    const NAME: &'static str = "NUMBER";

    fn parse(raw: &Raw) -> Result<Self, String> {
        let number = match raw {
            Raw::Integer(number) => u32::try_from(*number).ok(),
            Raw::Untyped(text) => text.parse().ok(),
            Raw::Text(_) | Raw::Boolean(_) | Raw::Table(_) | Raw::Other(_) => None,
        };
        number
            .and_then(Self::new)
            .ok_or_else(|| "a whole number from 1".to_owned())
    }
}

impl Value for Duration {
    const NAME: &'static str = "DURATION";

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

/// Parses a closed choice from its names.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident as $value_name:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The name in the configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl Value for $name {
            const NAME: &'static str = $value_name;

            fn parse(raw: &Raw) -> Result<Self, String> {
                const WORDS: &[&str] = &[$($word),+];
                let expected = || format!("one of {}", WORDS.join(", "));
                match text(raw, &expected())? {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(expected()),
                }
            }
        }
    };
}

choice! {
    /// Ingest mode.
    Mode as "MODE" {
        /// The best available mode, found by repeated probes.
        Auto = "auto",
        Pop = "pop",
        Subscribe = "subscribe",
        Http = "http",
    }
}

choice! {
    /// Price of a cache write of unknown lifetime.
    CacheWrites as "LIFETIME" {
        /// The five-minute write: a lower bound.
        FiveMinutes = "5m",
        /// The one-hour write: an upper bound.
        OneHour = "1h",
    }
}

choice! {
    /// Minimum level of written messages.
    LogLevel as "LEVEL" {
        Error = "error",
        Warn = "warn",
        Info = "info",
        Debug = "debug",
        Trace = "trace",
    }
}

choice! {
    /// Format of log lines.
    LogFormat as "FORMAT" {
        /// Text on a terminal, else JSON.
        Auto = "auto",
        Text = "text",
        Json = "json",
    }
}
