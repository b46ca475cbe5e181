//! Fields that may be anything: one that is wrong spoils neither its entry nor the list.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::decode;
use crate::model::UnixNanos;

/// The value, or `None` when it is null or of another kind than expected.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A text; empty when it is none. Borrowed where it can be, so that no copy of a key is made.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    Ok(lenient::<D, Text<'de>>(deserializer)?.map_or(Cow::Borrowed(""), |text| text.0))
}

/// Whether it is `true`.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(lenient(deserializer)?.unwrap_or(false))
}

/// A time; Go's zero time is none.
pub(super) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<UnixNanos>, D::Error> {
    let text = lenient::<D, Text<'de>>(deserializer)?;
    Ok(text.and_then(|text| decode::timestamp(Some(&text.0))))
}

/// A list, entry by entry as it stands; empty when it is none.
pub(super) fn list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<&'de RawValue>, D::Error> {
    Ok(lenient(deserializer)?.unwrap_or_default())
}

/// The same as a `Cow` of serde's, which borrows only when told to.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
