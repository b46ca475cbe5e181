//! The JSON structure of CPA's record, versions v6.9.38 to v8.
//!
//! Every key may be missing or `null`; unknown keys are skipped. Text borrows from the payload.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use super::headers::{Headers, Text};
use super::number::{self, MARK};
use crate::model::RejectReason;

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) timestamp: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "number::millis")]
    pub(super) latency_ms: u64,
    #[serde(deserialize_with = "number::millis")]
    pub(super) ttft_ms: u64,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) source: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) auth_index: Cow<'a, str>,
    #[serde(deserialize_with = "object")]
    pub(super) tokens: FlatTokens,
    #[serde(deserialize_with = "or_default")]
    pub(super) failed: bool,
    #[serde(deserialize_with = "or_true")]
    pub(super) generate: bool,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) fail: Fail<'a>,
    #[serde(borrow)]
    pub(super) response_headers: Headers<'a>,
    #[serde(deserialize_with = "some_object")]
    pub(super) token_breakdown: Option<Breakdown>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) provider: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) executor_type: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) model: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) alias: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) endpoint: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) auth_type: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) api_key: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) request_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) reasoning_effort: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) service_tier: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) response_service_tier: Cow<'a, str>,
    /// v8: unique for each attempt.
    #[serde(borrow, deserialize_with = "text")]
    pub(super) execution_id: Cow<'a, str>,
    /// Since v8.
    #[serde(deserialize_with = "or_default")]
    pub(super) stream: bool,
}

impl Default for Record<'_> {
    fn default() -> Self {
        Self {
            timestamp: None,
            latency_ms: 0,
            ttft_ms: 0,
            source: Cow::default(),
            auth_index: Cow::default(),
            tokens: FlatTokens::default(),
            failed: false,
            // CPA before v7.2.78 does not send the field; its records are generations.
            generate: true,
            fail: Fail::default(),
            response_headers: Headers::default(),
            token_breakdown: None,
            provider: Cow::default(),
            executor_type: Cow::default(),
            model: Cow::default(),
            alias: Cow::default(),
            endpoint: Cow::default(),
            auth_type: Cow::default(),
            api_key: Cow::default(),
            request_id: Cow::default(),
            reasoning_effort: Cow::default(),
            service_tier: Cow::default(),
            response_service_tier: Cow::default(),
            execution_id: Cow::default(),
            stream: false,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fail<'a> {
    #[serde(deserialize_with = "number::status")]
    pub(super) status_code: u16,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) body: Cow<'a, str>,
}

/// The semantics of these counts depend on the provider.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FlatTokens {
    #[serde(deserialize_with = "number::count")]
    pub(super) input_tokens: u64,
    #[serde(deserialize_with = "number::count")]
    pub(super) output_tokens: u64,
    #[serde(deserialize_with = "number::count")]
    pub(super) reasoning_tokens: u64,
    #[serde(deserialize_with = "number::count")]
    pub(super) cached_tokens: u64,
    /// Absent before v7.0.3.
    #[serde(deserialize_with = "some_count")]
    pub(super) cache_read_tokens: Option<u64>,
    /// Whether `cache_read_tokens` is valid even if it is 0; since v7.2.74.
    #[serde(deserialize_with = "or_default")]
    pub(super) cache_read_tokens_present: bool,
    #[serde(deserialize_with = "number::count")]
    pub(super) cache_creation_tokens: u64,
    /// Parts of `cache_creation_tokens` by lifetime; CPA does not send them yet.
    #[serde(deserialize_with = "number::count")]
    pub(super) cache_creation_5m_tokens: u64,
    #[serde(deserialize_with = "number::count")]
    pub(super) cache_creation_1h_tokens: u64,
    #[serde(deserialize_with = "number::count")]
    pub(super) total_tokens: u64,
}

/// CPA's own disjoint breakdown, since v7.2.97.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Breakdown {
    #[serde(deserialize_with = "quality")]
    pub(super) quality: Option<Quality>,
    #[serde(deserialize_with = "number::count")]
    pub(super) total_tokens: u64,
    #[serde(deserialize_with = "object")]
    pub(super) input: InputBreakdown,
    #[serde(deserialize_with = "object")]
    pub(super) output: OutputBreakdown,
    #[serde(deserialize_with = "number::count")]
    pub(super) unclassified_tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quality {
    Complete,
    Unclassified,
    Inconsistent,
}

#[expect(clippy::struct_field_names, reason = "CPA's own names")]
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct InputBreakdown {
    #[serde(deserialize_with = "some_count")]
    pub(super) total_tokens: Option<u64>,
    #[serde(deserialize_with = "number::count")]
    pub(super) uncached_tokens: u64,
    #[serde(deserialize_with = "number::count")]
    pub(super) cache_read_tokens: u64,
    #[serde(deserialize_with = "number::count")]
    pub(super) cache_write_tokens: u64,
}

#[expect(clippy::struct_field_names, reason = "CPA's own names")]
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OutputBreakdown {
    #[serde(deserialize_with = "some_count")]
    pub(super) total_tokens: Option<u64>,
    #[serde(deserialize_with = "number::count")]
    pub(super) non_reasoning_tokens: u64,
    #[serde(deserialize_with = "number::count")]
    pub(super) reasoning_tokens: u64,
}

/// Parses a payload, or returns the kind and position of the error.
pub(super) fn parse(payload: &[u8]) -> Result<Record<'_>, (RejectReason, String)> {
    if payload
        .trim_ascii_start()
        .first()
        .is_some_and(|b| *b != b'{')
    {
        // Distinguishes valid JSON of another shape from noise.
        let other = serde_json::from_slice::<serde::de::IgnoredAny>(payload);
        let reason = match other {
            Ok(_) => RejectReason::Shape,
            Err(_) => RejectReason::Json,
        };
        return Err((reason, "not an object".to_owned()));
    }
    // Validating the whole payload once is cheaper than validating each text.
    let text = str::from_utf8(payload).map_err(|error| {
        (
            RejectReason::Json,
            format!("no UTF-8 at byte {}", error.valid_up_to()),
        )
    })?;
    serde_json::from_str(text).map_err(|error| {
        let text = error.to_string();
        let reason = match error.classify() {
            Category::Data if text.starts_with(MARK) => RejectReason::Number,
            Category::Data => RejectReason::Shape,
            // Nesting beyond serde_json's limit; only its message says so.
            _ if text.starts_with("recursion limit") => RejectReason::Size,
            _ if text.starts_with("number out of range") => RejectReason::Number,
            Category::Syntax | Category::Eof | Category::Io => RejectReason::Json,
        };
        // Not serde's message: it can quote the value.
        let at = format!("line {} column {}", error.line(), error.column());
        (reason, at)
    })
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    let text = Option::<Text<'de>>::deserialize(deserializer)?;
    Ok(text.map(|text| text.0).unwrap_or_default())
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An object or `null`. serde would also accept a list, by position.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(some_object(deserializer)?.unwrap_or_default())
}

fn some_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E: serde::de::Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    deserializer.deserialize_any(Object(PhantomData))
}

fn or_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(true))
}

fn some_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    number::count(deserializer).map(Some)
}

/// An unknown quality from a later version is treated as unreliable.
fn quality<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Quality>, D::Error> {
    let text = text(deserializer)?;
    Ok(match text.as_ref() {
        "" => None,
        "complete" => Some(Quality::Complete),
        "unclassified" => Some(Quality::Unclassified),
        _ => Some(Quality::Inconsistent),
    })
}
