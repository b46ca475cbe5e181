//! Rejects are kept for a later replay, but never with a secret in clear.

use std::ops::Range;

use super::clean::{Labels, cut};
use super::secrets::{Secrets, SourceKind, kind_of_source};

/// `payload` with its secrets masked, at most `max` bytes of it.
///
/// The payload is damaged, so this goes by text: the values behind the keys that hold secrets
/// become stored masks, cookies are emptied, and whatever else looks like a key is masked. What
/// is left decodes to the same client and source as the original.
pub(super) fn mask_payload(secrets: &Secrets, payload: &[u8], max: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(payload);
    let text = cut(&text, max);
    let value = |key: &str| string_after(text, key).unwrap_or_default();
    let get = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
    let (key, source) = (value("api_key"), value("source"));
    let (auth_type, provider) = (value("auth_type"), value("provider"));
    let kind = kind_of_source(get(&source), get(&key), get(&auth_type), get(&provider));
    let stored = |range: &Range<usize>| match get(range) {
        "" => String::new(),
        secret => secrets.masked(secret).to_string(),
    };
    let new_source = match kind {
        SourceKind::Key => stored(&source),
        SourceKind::None | SourceKind::Email | SourceKind::Project => get(&source).to_owned(),
    };
    let mut replacements = vec![(key.clone(), stored(&key)), (source.clone(), new_source)];
    replacements.extend(
        cookies(text)
            .into_iter()
            .map(|range| (range, String::new())),
    );
    replacements.retain(|(range, _)| !range.is_empty());
    replacements.sort_by_key(|(range, _)| range.start);

    let needle = if kind == SourceKind::Key {
        get(&source)
    } else {
        ""
    };
    let labels = Labels::new(secrets, get(&key), needle);
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
    out.into_bytes()
}

/// Where the text value of `key` stands, without its quotes; escapes stay as they are.
fn string_after(text: &str, key: &str) -> Option<Range<usize>> {
    let quoted = format!("\"{key}\"");
    let after_key = text.find(&quoted)? + quoted.len();
    let rest = text.get(after_key..)?;
    let value = rest
        .trim_start()
        .strip_prefix(':')?
        .trim_start()
        .strip_prefix('"')?;
    let start = text.len() - value.len();
    Some(start..start + string_len(value))
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

/// The texts within the lists of `Set-Cookie` and `Cookie` headers.
fn cookies(text: &str) -> Vec<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for (at, name) in lower.match_indices("cookie\"") {
        let mut from = at + name.len();
        let end = lower
            .get(from..)
            .and_then(|rest| rest.find(']'))
            .map(|end| from + end);
        let end = end.unwrap_or(text.len());
        while let Some(open) = text.get(from..end).and_then(|rest| rest.find('"')) {
            let start = from + open + 1;
            let len = string_len(text.get(start..end).unwrap_or_default());
            found.push(start..start + len);
            from = start + len + 1;
        }
    }
    found
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
}
