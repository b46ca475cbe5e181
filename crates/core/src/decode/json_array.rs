//! Splits the JSON array of an HTTP queue response without copying its elements.

use std::borrow::Cow;

use serde_json::Deserializer;
use serde_json::value::RawValue;

/// Start of every record that CPA writes, in all versions.
const RECORD_START: &[u8] = b",{\"timestamp\"";

/// The elements of an array, unchanged.
///
/// CPA encodes an item that is not JSON as a string; that element is the string's content. Damage
/// affects only the element that contains it: preceding elements are kept, following ones are found
/// by the start of a record, and the damaged part is returned as an element that is not a record.
pub fn split_array(body: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut elements = Vec::new();
    let Some(mut rest) = body.trim_ascii().strip_prefix(b"[") else {
        return vec![Cow::Borrowed(body)];
    };
    loop {
        rest = rest.trim_ascii_start();
        if rest == b"]" {
            return elements;
        }
        let mut stream = Deserializer::from_slice(rest).into_iter::<&RawValue>();
        let element = stream.next().and_then(Result::ok);
        let after = rest
            .get(stream.byte_offset()..)
            .unwrap_or_default()
            .trim_ascii_start();
        match (element, after.split_first()) {
            (Some(element), Some((b',', after))) => {
                elements.push(content(element.get()));
                rest = after;
            }
            (Some(element), Some((b']', []))) => {
                elements.push(content(element.get()));
                return elements;
            }
            _damaged => {
                let next = find(rest, RECORD_START);
                let (damaged, after) = rest.split_at(next.unwrap_or(rest.len()));
                if !damaged.is_empty() {
                    elements.push(Cow::Borrowed(damaged));
                }
                match after.split_first() {
                    Some((_comma, after)) => rest = after,
                    None => return elements,
                }
            }
        }
    }
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

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_unchanged() {
        let parts = split_array(br#" [ {"a": [1, 2]} ,"no \"json\"", 7 ] "#);
        assert_eq!(parts, [&br#"{"a": [1, 2]}"#[..], br#"no "json""#, b"7"]);
        assert!(matches!(parts[0], Cow::Borrowed(_)));
        assert!(split_array(b"[]").is_empty());
    }

    #[test]
    fn damage_affects_only_its_element() {
        let body = br#"[{"timestamp":1},{"timestamp":2,"x":},{"timestamp":3},{"timesta"#;
        let parts = split_array(body);
        assert_eq!(
            parts,
            [
                &br#"{"timestamp":1}"#[..],
                br#"{"timestamp":2,"x":}"#,
                br#"{"timestamp":3}"#,
                br#"{"timesta"#
            ]
        );
        for whole in [&b"{}"[..], b"", b"\xff", b"x[1]"] {
            assert_eq!(split_array(whole), [whole]);
        }
        assert_eq!(split_array(b"[1] x"), [&b"1] x"[..]]);
    }
}
