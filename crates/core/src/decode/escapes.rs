//! Escapes in a text that quotes JSON.

use std::borrow::Cow;

/// Decodes JSON's `\u4f59`, as which many servers write non-ASCII characters. Surrogates are left
/// unchanged.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    const MARK: &str = r"\u";
    if !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(MARK);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part
            .get(..4)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if let Some(character) = code.and_then(char::from_u32) {
            out.push(character);
            out.push_str(part.get(4..).unwrap_or_default());
        } else {
            out.push_str(MARK);
            out.push_str(part);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_malformed_ones_kept() {
        for (text, read) in [
            (r"\u4f59\u989D!", "余额!"),
            (r"a\u003cb", "a<b"),
            (r"\\u4f59", r"\余"),
            (r"\ud83d\ude00", r"\ud83d\ude00"),
            (r"\u12", r"\u12"),
            (r"\u+123", r"\u+123"),
            (r"\ué", r"\ué"),
            ("plain é", "plain é"),
        ] {
            assert_eq!(unescape(text), read, "{text}");
        }
    }
}
