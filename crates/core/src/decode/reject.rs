//! Masks rejects so that they can be stored for a later replay.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::harmless::is_harmless;
use super::headers::is_kept;
use super::sanitize::{Labels, cut};
use super::secrets::{Secrets, looks_secret};

/// Maximum length of an error text, so that the keys after it are not truncated.
const MAX_TEXT: usize = 4096;
/// Maximum length of a number in valid JSON.
const MAX_NUMBER: usize = 24;
/// Maximum length of a number outside valid JSON, where it could be part of a secret.
const MAX_LONE_NUMBER: usize = 13;

/// Keys whose texts are not secret, except for embedded secrets. Numeric keys are included: a
/// number given as text is a cause of rejects.
const PLAIN: [&str; 33] = [
    "latency_ms",
    "ttft_ms",
    "failed",
    "generate",
    "stream",
    "status_code",
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "total_tokens",
    "uncached_tokens",
    "cache_write_tokens",
    "non_reasoning_tokens",
    "unclassified_tokens",
    "cache_read_tokens_present",
    "timestamp",
    "auth_index",
    "provider",
    "executor_type",
    "model",
    "alias",
    "endpoint",
    "auth_type",
    "request_id",
    "execution_id",
    "reasoning_effort",
    "service_tier",
    "response_service_tier",
    "quality",
    "body",
];

/// Masks the secrets of `payload` and returns at most `max` bytes.
///
/// The structure stays: punctuation, numbers and literals, and keys of known words. A string is
/// kept only as the value of a key of [`PLAIN`] or of a used header; `api_key` and `source` become
/// stored masks, so that the result decodes to the same client and source as the original. If the
/// payload is no JSON, a string may have lost its key and a key its colon, so even those strings
/// keep only what is known to be harmless.
pub(super) fn mask_payload(secrets: &Secrets, payload: &[u8], max: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(payload);
    let pieces = pieces(&text);
    let value = |key| value_of(&pieces, key);
    let (api_key, source) = (value("api_key"), value("source"));
    let masker = Masker {
        secrets,
        labels: Labels::new(secrets, &api_key, &source),
        is_json: serde_json::from_str::<IgnoredAny>(&text).is_ok(),
        models: [&value("model"), &value("alias")],
    };
    let mut out = String::with_capacity(text.len().min(max));
    let mut key = "";
    for piece in &pieces {
        match piece {
            Piece::Key(name) => {
                key = name;
                masker.push_key(&mut out, name);
            }
            // Only the first string belongs to the key: later ones have lost theirs.
            Piece::Text(text) => {
                push_quoted(&mut out, &masker.text(std::mem::take(&mut key), text));
            }
            Piece::Other(other) => masker.push_other(&mut out, other),
        }
        if out.len() > max {
            break;
        }
    }
    cut(&out, max).as_bytes().to_vec()
}

/// The string after a key; empty without one.
fn value_of<'a>(pieces: &'a [Piece<'_>], key: &str) -> Cow<'a, str> {
    let is_key = |piece: &Piece<'_>| matches!(piece, Piece::Key(name) if name == key);
    let at = pieces.iter().position(is_key);
    let after = at.and_then(|at| pieces.get(at + 1..)).unwrap_or_default();
    let value = after.iter().find(|piece| !matches!(piece, Piece::Other(_)));
    match value {
        Some(Piece::Text(text)) => Cow::Borrowed(text),
        Some(Piece::Key(_) | Piece::Other(_)) | None => Cow::Borrowed(""),
    }
}

struct Masker<'s> {
    secrets: &'s Secrets,
    labels: Labels<'s>,
    is_json: bool,
    models: [&'s str; 2],
}

impl Masker<'_> {
    fn text(&self, key: &str, text: &str) -> String {
        match key {
            _ if text.is_empty() => String::new(),
            "api_key" | "source" => self.secrets.masked(text).to_string(),
            "body" if self.is_json => self.labels.harmless(cut(text, MAX_TEXT), self.models),
            "endpoint" if self.is_json => self.labels.endpoint(text.into()).into_owned(),
            key if PLAIN.contains(&key) || is_kept(key) => {
                if self.is_json {
                    self.labels.masked(cut(text, MAX_TEXT))
                } else {
                    self.labels.harmless(cut(text, MAX_TEXT), ["", ""])
                }
            }
            _ => String::new(),
        }
    }

    /// Keeps names of known words; anything else could be a secret.
    fn push_key(&self, out: &mut String, name: &str) {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let is_header = || self.is_json && is_kept(name) && name.bytes().all(is_name);
        let is_known = is_harmless(name) || (is_header() && !looks_secret(name));
        let is_known = is_known && !self.labels.is_own_secret(name);
        push_quoted(out, if is_known { name } else { "?" });
    }

    /// Between strings, only punctuation, numbers and three literals are valid; anything else may
    /// be part of a secret.
    fn push_other(&self, out: &mut String, other: &str) {
        let is_word = |c: char| !(c.is_whitespace() || "{}[],:".contains(c));
        let max = if self.is_json {
            MAX_NUMBER
        } else {
            MAX_LONE_NUMBER
        };
        for part in other.split_inclusive(|c: char| !is_word(c)) {
            let word = part.trim_end_matches(|c: char| !is_word(c));
            let is_number = word.len() <= max && word.parse::<f64>().is_ok();
            let known = is_number || ["", "true", "false", "null"].contains(&word);
            out.push_str(if known { word } else { "?" });
            out.push_str(part.get(word.len()..).unwrap_or_default());
        }
    }
}

/// A key (a string followed by a colon), another string, or the text between strings.
enum Piece<'a> {
    Key(Cow<'a, str>),
    Text(Cow<'a, str>),
    Other(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('"') {
        pieces.push(Piece::Other(before));
        let len = literal_len(after);
        let (literal, after) = after.split_at(len);
        let value = unescape(literal);
        rest = after.strip_prefix('"').unwrap_or_default();
        pieces.push(if rest.trim_start().starts_with(':') {
            Piece::Key(value)
        } else {
            Piece::Text(value)
        });
    }
    pieces.push(Piece::Other(rest));
    pieces
}

/// Bytes up to the closing quote, or to the end of a truncated text.
fn literal_len(text: &str) -> usize {
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

/// Go writes `&` as `\u0026`; the mask must be that of the unescaped key.
fn unescape(literal: &str) -> Cow<'_, str> {
    if !literal.contains('\\') {
        return Cow::Borrowed(literal);
    }
    match serde_json::from_str(&format!("\"{literal}\"")) {
        Ok(text) => Cow::Owned(text),
        Err(_damaged) => Cow::Borrowed(literal),
    }
}

fn push_quoted(out: &mut String, text: &str) {
    // Serializing a string cannot fail.
    if let Ok(quoted) = serde_json::to_string(text) {
        out.push_str(&quoted);
    }
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
    fn secrets_are_masked_and_the_rest_is_kept() {
        let text = r#"{"timestamp":"bad","latency_ms":12,"source":"vk-fix-aa","auth_type":"apikey","client_ip":"1.2.3.4","api_key": "ck-\"alice-01","fail":{"body":"key vk-fix-aa"},"response_headers":{"Set-Cookie":["__cf=fake; path=/","b=c"],"X":["y"]},"failed":true}"#;
        let out = masked(text);
        for secret in ["vk-fix-aa", "alice", "__cf", "b=c", "1.2.3.4", "\"y\""] {
            assert!(!out.contains(secret), "{secret}: {out}");
        }
        assert!(
            out.starts_with(r#"{"timestamp":"bad","latency_ms":12,"source":"...#"#),
            "{out}"
        );
        assert!(
            out.contains(r#""Set-Cookie":["",""],"X":[""]},"failed":true}"#),
            "{out}"
        );
    }

    #[test]
    fn damaged_keys_and_missing_quotes_reveal_nothing() {
        for text in [
            r#"{"api_key*:"sk-live-0123456789","source":"x"}"#,
            r#"{"api_key":"ck-alice-01","api_key":"ck-bob-02"}"#,
            r#"{"apy_key":"ck-alice-01"}"#,
            r#"{"api_key:"ck-alice-01"}"#,
            r"{api_key:ck-alice-01}",
            r#"{"api_key":"sk-live-01234"#,
        ] {
            let out = masked(text);
            for secret in ["0123", "alice", "bob"] {
                assert!(!out.contains(secret), "{text} → {out}");
            }
        }
    }

    #[test]
    fn masking_is_idempotent() {
        let text = r#"{"source":"someone@example.com","auth_type":"oauth","api_key":"sk-live-0123456789abcdef9f3x","alias":"other@example.com"}"#;
        let once = masked(text);
        assert!(once.contains(r#""source":"som....com#"#), "{once}");
        assert!(!once.contains("@example.com"), "{once}");
        assert_eq!(masked(&once), once);
    }

    #[test]
    fn project_is_masked_in_every_field() {
        let out = masked(
            r#"{"source":"my-project-12","auth_type":"oauth","provider":"vertex","fail":{"body":"no quota in projects/my-project-12/x"}}"#,
        );
        assert!(!out.contains("my-project-12"), "{out}");
        assert!(out.contains(r#""source":"my...12#"#), "{out}");
    }

    #[test]
    fn escapes_do_not_change_a_mask() {
        let plain = masked(r#"{"api_key":"ck-a&b-0123456"}"#);
        assert_eq!(masked(r#"{"api_key":"ck-a\u0026b-0123456"}"#), plain);
    }

    #[test]
    fn long_error_text_does_not_truncate_the_keys() {
        let body = "x ".repeat(200_000);
        let text = format!(r#"{{"fail":{{"body":"{body}"}},"api_key":"ck-alice-01"}}"#);
        let out = masked(&text);
        assert!(
            out.len() < 10_000 && out.contains("ck...01#"),
            "{}",
            out.len()
        );
    }
}
