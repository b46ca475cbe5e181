//! Keeps the few response headers that are used; drops all others, including cookies and ids.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Maximum number of quota headers per record; the largest real set has about thirty.
const MAX_HEADERS: usize = 64;
/// Maximum length of a value; quota headers hold numbers and short words.
const MAX_VALUE: usize = 256;

/// The used parts of `response_headers`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Headers<'a> {
    /// Whether the response was an event stream; `None` without a `Content-Type`.
    pub(super) event_stream: Option<bool>,
    pub(super) quota: Vec<(Box<str>, Cow<'a, str>)>,
}

enum Wanted {
    ContentType,
    Quota,
}

/// Header names are case-insensitive: CPA writes Go's canonical form, a proxy may write another.
fn wanted(name: &str) -> Option<Wanted> {
    let starts = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if name.eq_ignore_ascii_case("content-type") {
        Some(Wanted::ContentType)
    } else if starts("x-codex-")
        || starts("anthropic-ratelimit-unified-")
        || name.eq_ignore_ascii_case("retry-after")
    {
        Some(Wanted::Quota)
    } else {
        None
    }
}

/// Whether headers of this name are used.
pub(super) fn is_kept(name: &str) -> bool {
    wanted(name).is_some()
}

impl<'de: 'a, 'a> Deserialize<'de> for Headers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of headers")
    }

    fn visit_unit<E: Error>(self) -> Result<Headers<'de>, E> {
        Ok(Headers::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers<'de>, A::Error> {
        let mut headers = Headers::default();
        while let Some(Text(name)) = map.next_key()? {
            match wanted(&name) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(Wanted::ContentType) => {
                    let First(value) = map.next_value()?;
                    let media = value.split(';').next().unwrap_or_default().trim();
                    let stream = media.eq_ignore_ascii_case("text/event-stream");
                    headers.event_stream = Some(stream);
                }
                Some(Wanted::Quota) => {
                    let First(value) = map.next_value()?;
                    if headers.quota.len() < MAX_HEADERS && value.len() <= MAX_VALUE {
                        let name = name.to_ascii_lowercase().into_boxed_str();
                        headers.quota.push((name, value));
                    }
                }
            }
        }
        Ok(headers)
    }
}

/// Text that borrows where possible; serde copies a bare `Cow` inside another type.
#[derive(serde::Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The first value of a header: Go writes a list.
struct First<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for First<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FirstVisitor)
    }
}

struct FirstVisitor;

impl<'de> Visitor<'de> for FirstVisitor {
    type Value = First<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<First<'de>, E> {
        Ok(First(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<First<'de>, E> {
        Ok(First(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<First<'de>, E> {
        Ok(First(Cow::Borrowed("")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First<'de>, A::Error> {
        let first = list.next_element::<Option<Text<'de>>>()?.flatten();
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(First(first.map(|text| text.0).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Headers<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn only_quota_headers_are_kept() {
        let headers = read(
            r#"{"X-Codex-Primary-Used-Percent":["12"],"Set-Cookie":["a=b"],"RETRY-AFTER":["5","6"],
               "Anthropic-Organization-Id":["x"],"anthropic-ratelimit-unified-5h-status":["allowed"],
               "Content-Type":["text/event-stream; charset=utf-8"]}"#,
        );
        assert_eq!(headers.event_stream, Some(true));
        let kept: Vec<_> = headers
            .quota
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        assert_eq!(
            kept,
            [
                "x-codex-primary-used-percent=12",
                "retry-after=5",
                "anthropic-ratelimit-unified-5h-status=allowed"
            ]
        );
    }

    #[test]
    fn malformed_headers_are_tolerated_and_bounded() {
        assert_eq!(read("null"), Headers::default());
        assert_eq!(read(r#"{"Content-Type":[]}"#).event_stream, Some(false));
        assert_eq!(read(r#"{"Content-Type":null}"#).event_stream, Some(false));
        assert_eq!(
            read(r#"{"Content-Type":"text/event-stream"}"#).event_stream,
            Some(true)
        );
        let many: Vec<_> = (0..500)
            .map(|n| format!(r#""X-Codex-{n}":["1"]"#))
            .collect();
        let json = format!("{{{}}}", many.join(","));
        assert_eq!(read(&json).quota.len(), MAX_HEADERS);
        let long = format!(r#"{{"X-Codex-A":["{}"]}}"#, "9".repeat(300));
        assert!(read(&long).quota.is_empty());
    }
}
