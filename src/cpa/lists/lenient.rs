//! Lenient fields: an invalid value affects neither its entry nor the list.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::decode;
use crate::model::UnixNanos;

/// The value, or `None` if it is null or of another type.
pub(crate) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A text; empty if it is none. Borrows where possible, so that keys are not copied.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    Ok(lenient::<D, Text<'de>>(deserializer)?.map_or(Cow::Borrowed(""), |text| text.0))
}

/// Whether it is `true`.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(lenient(deserializer)?.unwrap_or(false))
}

/// A time; Go's zero time is `None`.
pub(crate) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<UnixNanos>, D::Error> {
    let text = lenient::<D, Text<'de>>(deserializer)?;
    Ok(text.and_then(|text| decode::timestamp(Some(&text.0))))
}

/// The raw entries of a list; empty if it is none.
pub(crate) fn list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<&'de RawValue>, D::Error> {
    Ok(lenient(deserializer)?.unwrap_or_default())
}

/// A `Cow` that borrows; serde borrows only with this attribute.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
