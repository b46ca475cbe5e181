//! An answer of the HTTP queue: a JSON array, taken apart without copying its elements.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The body is not a JSON array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON array")]
pub struct NotAnArray;

/// The elements of an array as they stand.
///
/// CPA wraps an item that is not JSON into a string; such an element is that string's content.
pub fn split_array(body: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, NotAnArray> {
    let elements: Vec<&RawValue> =
        serde_json::from_slice(body).map_err(|_quotes_the_body| NotAnArray)?;
    Ok(elements
        .into_iter()
        .map(RawValue::get)
        .map(content)
        .collect())
}

fn content(element: &str) -> Cow<'_, [u8]> {
    if element.starts_with('"')
        && let Ok(text) = serde_json::from_str::<String>(element)
    {
        Cow::Owned(text.into_bytes())
    } else {
        Cow::Borrowed(element.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stay_as_they_are() {
        let parts = split_array(br#" [ {"a": [1, 2]} ,"no \"json\"", 7 ] "#).unwrap();
        assert_eq!(parts, [&br#"{"a": [1, 2]}"#[..], br#"no "json""#, b"7"]);
        assert!(matches!(parts[0], Cow::Borrowed(_)));
        assert!(split_array(b"[]").unwrap().is_empty());
        for bad in [&b"{}"[..], b"[1", b"", b"[1] x", b"\xff"] {
            assert_eq!(split_array(bad), Err(NotAnArray));
        }
    }
}
