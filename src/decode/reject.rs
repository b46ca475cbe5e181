//! Rejects are kept for a later replay, but never with a secret in clear.

use std::borrow::Cow;
use std::ops::Range;

use super::clean::{Labels, cut};
use super::secrets::{Secrets, SourceKind, kind_of_source};

/// `payload` with its secrets masked, at most `max` bytes of it.
///
/// The payload is damaged, so this goes by text: the values behind the keys that hold secrets
/// become stored masks, cookies are emptied, and whatever else looks like a key is masked. What
/// is left decodes to the same client and source as the original.
pub(super) fn mask_payload(secrets: &Secrets, payload: &[u8], max: usize) -> Vec<u8> {
    let whole = String::from_utf8_lossy(payload);
    // The client's key stands near the end, after an error text of any length.
    let first = |key: &str| {
        let range = texts_after(&whole, &whole, &format!("\"{key}\"")).next();
        range.and_then(|range| whole.get(range)).unwrap_or_default()
    };
    let (key, source) = (first("api_key"), first("source"));
    let kind = kind_of_source(
        &unescaped(source),
        &unescaped(key),
        first("auth_type"),
        first("provider"),
    );
    let text = cut(&whole, max);
    let stored = |range: Range<usize>| match text.get(range.clone()) {
        None | Some("") => (range, String::new()),
        Some(secret) => (range, secrets.masked(&unescaped(secret)).to_string()),
    };
    let lower = text.to_ascii_lowercase();
    let dropped = texts_after(&lower, text, "cookie\"")
        .chain(texts_after(text, text, "\"access_token_sha256\""))
        .map(|range| (range, String::new()));
    let mut replacements: Vec<_> = texts_after(text, text, "\"api_key\"")
        .map(stored)
        .chain(dropped)
        .collect();
    if kind == SourceKind::Key {
        replacements.extend(texts_after(text, text, "\"source\"").map(stored));
    } else {
        let kept = |range: Range<usize>| {
            (
                range.clone(),
                text.get(range).unwrap_or_default().to_owned(),
            )
        };
        replacements.extend(texts_after(text, text, "\"source\"").take(1).map(kept));
    }
    replacements.sort_by_key(|(range, _)| range.start);

    let needle = if kind == SourceKind::Key { source } else { "" };
    let labels = Labels::new(secrets, key, needle);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (range, replacement) in replacements {
        if range.start < done {
            continue;
        }
        out.push_str(&labels.masked(text.get(done..range.start).unwrap_or_default()));
        out.push_str(&replacement);
        done = range.end;
    }
    out.push_str(&labels.masked(text.get(done..).unwrap_or_default()));
    // A mask can be longer than its secret.
    out.truncate(out.floor_char_boundary(max));
    out.into_bytes()
}

/// Where the texts stand that are the value of a key, or are listed as its value, without their
/// quotes; escapes stay as they are. The key is searched for in `haystack`, which is `text` or
/// `text` in lower case, and ends with its quote.
fn texts_after<'t>(
    haystack: &'t str,
    text: &'t str,
    key: &str,
) -> impl Iterator<Item = Range<usize>> + use<'t> {
    let ends: Vec<usize> = haystack
        .match_indices(key)
        .map(|(at, key)| at + key.len())
        .collect();
    ends.into_iter().flat_map(move |end| values(text, end))
}

/// The texts of the value whose colon comes at `from`; none if no colon does, for then this was
/// no key.
fn values(text: &str, from: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut rest = text.get(from..).unwrap_or_default().trim_start();
    let Some(value) = rest.strip_prefix(':') else {
        return found;
    };
    rest = value.trim_start();
    let list = rest.strip_prefix('[');
    rest = list.unwrap_or(rest).trim_start();
    while let Some(content) = rest.strip_prefix('"') {
        let start = text.len() - content.len();
        let len = string_len(content);
        found.push(start..start + len);
        if list.is_none() {
            break;
        }
        let after = content.get(len + 1..).unwrap_or_default();
        rest = after.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
    }
    found
}

/// Bytes up to the closing quote, or to the end of a cut text.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// What a JSON text says, so that its mask is that of the decoded one.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    serde_json::from_str(&format!("\"{text}\"")).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::super::secrets::HashKey;
    use super::*;

    fn masked(text: &str) -> String {
        let secrets = Secrets::new(HashKey([7; 16]));
        String::from_utf8(mask_payload(&secrets, text.as_bytes(), 10_000)).unwrap()
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let text = r#"{"timestamp":"bad","source":"vk-fix-aa","auth_type":"apikey","api_key": "ck-\"alice-01","fail":{"body":"key vk-fix-aa"},"response_headers":{"Set-Cookie":["__cf=fake; path=/","b=c"],"X":["y"]},"access_token_sha256":"73785c5800f78b2cf8715d2876cd3afc9bdbb848bf7fcb3b6452667501a4e8dd"}"#;
        let out = masked(text);
        for secret in ["vk-fix-aa", "alice", "__cf", "b=c", "73785c"] {
            assert!(!out.contains(secret), "{secret}: {out}");
        }
        assert!(out.contains(r#""Set-Cookie":["",""],"X":["y"]"#), "{out}");
        assert!(
            out.starts_with(r#"{"timestamp":"bad","source":"...#"#),
            "{out}"
        );
    }

    #[test]
    fn masking_twice_changes_nothing_and_addresses_of_accounts_stay() {
        let text = r#"{"source":"someone@example.com","auth_type":"oauth","api_key":"sk-live-0123456789abcdef9f3x","x":"other@example.com"}"#;
        let once = masked(text);
        assert!(once.contains(r#""source":"someone@example.com""#), "{once}");
        assert!(!once.contains("other@example.com"), "{once}");
        assert_eq!(masked(&once), once);
    }

    #[test]
    fn torn_texts_lose_nothing_but_secrets() {
        let text = r#"{"api_key":"sk-live-0123456789abcdef"#;
        assert!(!masked(text).contains("0123456789"));
        assert_eq!(masked(r#"{"api_key"#), r#"{"api_key"#);
        assert_eq!(masked(r#"x"cookie"#), r#"x"cookie"#);
    }

    #[test]
    fn keys_are_found_wherever_and_however_they_stand() {
        // A value that reads like a key's name comes first.
        let text = r#"{"alias":"api_key","user_agent":"my cookie","api_key":"ck-alice-01"}"#;
        let out = masked(text);
        assert!(!out.contains("ck-alice-01"), "{out}");
        assert!(
            out.contains(r#""alias":"api_key","user_agent":"my cookie","api_key":""#),
            "{out}"
        );
        for text in [
            r#"{"api_key":["ck-alice-01"]}"#,
            r#"{"api_key":"x","api_key":"ck-alice-01"}"#,
            r#"{"Set-Cookie":["a]b","ck-alice-01"]}"#,
            r#"{"Set-Cookie":"ck-alice-01"}"#,
        ] {
            assert!(!masked(text).contains("ck-alice-01"), "{text}");
        }
    }

    #[test]
    fn an_escaped_key_has_the_mask_of_what_it_says() {
        let secrets = Secrets::new(HashKey([7; 16]));
        let stored = secrets.masked("ck-<alice>&01").to_string();
        let text = r#"{"api_key":"ck-\u003calice\u003e\u002601"}"#;
        assert_eq!(masked(&text), format!(r#"{{"api_key":"{stored}"}}"#));
    }

    #[test]
    fn a_key_behind_the_cut_is_known_before_it() {
        let secrets = Secrets::new(HashKey([7; 16]));
        let text = format!(
            r#"{{"body":"of ck-alice-01 {}","api_key":"ck-alice-01"}}"#,
            "x ".repeat(500)
        );
        let out = mask_payload(&secrets, text.as_bytes(), 100);
        assert!(!String::from_utf8(out).unwrap().contains("alice"));
    }
}
