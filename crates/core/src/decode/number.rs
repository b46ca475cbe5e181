//! Parses numbers of the expected type and range; an invalid one is an error, never 0.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

/// Prefix of this module's error texts, which distinguishes them from a wrong shape.
pub(super) const MARK: &str = "bad number";

/// Above any real token count, duration or status; sums of a million such numbers still fit.
const MAX: u64 = 1 << 40;

/// An integer from 0 to 2^40; `null` and a missing key are 0.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Count)
}

/// Milliseconds up to 10^12 (thirty years).
pub(super) fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match count(deserializer)? {
        millis @ 0..=1_000_000_000_000 => Ok(millis),
        more => Err(wrong(more)),
    }
}

/// An HTTP status, 0 to 999.
pub(super) fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let number = count(deserializer)?;
    match u16::try_from(number) {
        Ok(status) if status <= 999 => Ok(status),
        _ => Err(wrong(number)),
    }
}

fn wrong<E: Error>(what: impl fmt::Display) -> E {
    E::custom(format_args!("{MARK} {what}"))
}

struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_unit<E: Error>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_none<E: Error>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        if value <= MAX {
            Ok(value)
        } else {
            Err(wrong(value))
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        u64::try_from(value).map_or_else(|_negative| Err(wrong(value)), |v| self.visit_u64(v))
    }

    /// Accepts integers written as `3.0` or `1e3`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "whole and within 0..=2^40, where a double is exact"
    )]
    fn visit_f64<E: Error>(self, value: f64) -> Result<u64, E> {
        if value.fract() == 0.0 && value >= 0.0 && value <= MAX as f64 {
            Ok(value as u64)
        } else {
            Err(wrong(value))
        }
    }

    fn visit_str<E: Error>(self, _text: &str) -> Result<u64, E> {
        // Without the text: it may be a secret in the wrong field.
        Err(wrong("given as text"))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<u64, E> {
        Err(wrong(Unexpected::Bool(value)))
    }

    fn visit_map<A: MapAccess<'de>>(self, _map: A) -> Result<u64, A::Error> {
        Err(wrong("given as an object"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _seq: A) -> Result<u64, A::Error> {
        Err(wrong("given as an array"))
    }
}
