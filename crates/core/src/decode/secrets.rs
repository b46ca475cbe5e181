//! Detects and masks secrets.
//!
//! Detection is by content, not by field: CPA writes the client's key into `source`, and a client
//! can write anything into a model name.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use super::record::Record;
use crate::model::Masked;

/// Key of this installation's hashes.
#[derive(Clone, Copy)]
pub struct HashKey(pub [u8; 16]);

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// Masks secrets.
#[derive(Clone, Debug)]
pub struct Secrets {
    key: HashKey,
}

/// The client key and the credential of a record.
pub(super) struct Identity {
    pub(super) client: Option<Masked>,
    pub(super) source: Option<Masked>,
}

impl Secrets {
    pub fn new(key: HashKey) -> Self {
        Self { key }
    }

    /// The mask of a key, an e-mail or a project: recognizable to its owner, useless to anybody
    /// else. The stored form of a mask is returned unchanged.
    pub fn masked(&self, key: &str) -> Masked {
        if let Some(masked) = parse_mask(key) {
            return masked;
        }
        let mut hasher = SipHasher24::new_with_key(&self.key.0);
        hasher.write(key.as_bytes());
        Masked::new(mask(key), hasher.finish())
    }

    /// How a secret shows in a label that expected none.
    pub(super) fn label(&self, secret: &str) -> String {
        let masked = self.masked(secret);
        format!("{}-{:04x}", masked.mask(), masked.hash() >> 48)
    }

    pub(super) fn identity(&self, record: &Record<'_>) -> Identity {
        let of = |text: &str| (!text.is_empty()).then(|| self.masked(text));
        Identity {
            client: of(&record.api_key),
            source: of(&record.source),
        }
    }
}

/// First and last characters of a long key, fewer of a shorter one, none of a short one.
fn mask(key: &str) -> String {
    let len = key.chars().count();
    let (first, last) = match len {
        0..10 => (0, 0),
        10..16 => (2, 2),
        _ => (3, 4),
    };
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '?'
        }
    };
    let start = key.chars().take(first).map(plain);
    let end = key.chars().skip(len - last).map(plain);
    start.chain("...".chars()).chain(end).collect()
}

/// Parses the stored form of [`Masked`], which replayed rejects contain.
fn parse_mask(text: &str) -> Option<Masked> {
    let (mask, hash) = text.rsplit_once('#')?;
    let is_mask = mask.len() <= 10 && mask.contains("...");
    let lower_hex = hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_mask || hash.len() != 16 || !lower_hex {
        return None;
    }
    Some(Masked::new(mask, u64::from_str_radix(hash, 16).ok()?))
}

/// An e-mail address: a word, `@`, and a domain that ends in letters. `model@20240620` is none.
fn is_email(text: &str) -> bool {
    let Some((user, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let Some((host, top)) = domain.rsplit_once('.') else {
        return false;
    };
    !user.is_empty()
        && !host.is_empty()
        && top.len() >= 2
        && top.chars().all(char::is_alphabetic)
        && !text.contains(char::is_whitespace)
}

/// Prefixes that only keys and tokens have, and the minimum length of the whole.
const PREFIXES: [(&str, usize); 12] = [
    ("sk-", 8),
    ("sk_", 8),
    ("AIza", 12),
    ("ya29.", 12),
    ("1//", 20),
    ("eyJ", 16),
    ("ghp_", 12),
    ("gho_", 12),
    ("github_pat_", 16),
    ("glpat-", 12),
    ("AKIA", 16),
    ("Bearer ", 12),
];
/// A run of letters and digits of this length in mixed case is an id or a key.
const MIXED_RUN: usize = 24;
/// A run of hex digits of this length is a fingerprint or a key.
const HEX_RUN: usize = 32;

/// Whether a word has the form of a key or token.
pub(super) fn looks_secret(word: &str) -> bool {
    let prefixed =
        |(prefix, least): &(&str, usize)| word.len() >= *least && word.starts_with(prefix);
    let encoded_email = || word.contains("%40") && is_email(&word.replace("%40", "@"));
    if PREFIXES.iter().any(prefixed) || is_email(word) || encoded_email() {
        return true;
    }
    // A shorter word cannot contain a run; most words end here.
    word.len() >= MIXED_RUN
        && word
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|run| is_mixed(run) || is_long_hex(run))
}

fn is_mixed(run: &str) -> bool {
    let any = |test: fn(&u8) -> bool| run.as_bytes().iter().any(test);
    run.len() >= MIXED_RUN
        && any(u8::is_ascii_lowercase)
        && any(u8::is_ascii_uppercase)
        && any(u8::is_ascii_digit)
}

fn is_long_hex(run: &str) -> bool {
    run.len() >= HEX_RUN && run.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        Secrets::new(HashKey([7; 16]))
    }

    #[test]
    fn masks_reveal_little_and_are_equal_for_equal_keys() {
        let of = |key: &str| secrets().masked(key).mask().to_owned();
        assert_eq!(of("sk-live-0123456789abcdef9f3x"), "sk-...9f3x");
        assert_eq!(of("ck-alice-01"), "ck...01");
        assert_eq!(of("short"), "...");
        assert_eq!(of("ck-ci-β-03"), "ck...03");
        assert_eq!(
            of("β\n-0123456789abcdefβ#\"x"),
            "??-...?#?x".replace('#', "?")
        );
        assert_eq!(secrets().masked("a-key"), secrets().masked("a-key"));
        assert_ne!(secrets().masked("a-key"), secrets().masked("b-key"));
        let other = Secrets::new(HashKey([8; 16]));
        assert_ne!(
            secrets().masked("a-key").hash(),
            other.masked("a-key").hash()
        );
    }

    #[test]
    fn stored_mask_is_returned_unchanged() {
        let masked = secrets().masked("sk-live-0123456789abcdef9f3x");
        assert_eq!(secrets().masked(&masked.to_string()), masked);
        for other in ["x#0000000000000000", "...#00", "...#ZZZZZZZZZZZZZZZZ"] {
            assert!(parse_mask(other).is_none(), "{other}");
        }
    }

    #[test]
    fn keys_and_addresses_are_distinguished_from_names() {
        for secret in [
            "sk-live-UPSTREAM0002",
            "AIzaSyA1234567890",
            "someone@example.com",
            "eyJhbGciOiJIUzI1NiIsInR5",
            "xai-aB3dE5fG7hI9jK1lM3nO5pQ7rS9t",
            "73785c5800f78b2cf8715d2876cd3afc",
        ] {
            assert!(looks_secret(secret), "{secret}");
        }
        for name in [
            "claude-haiku-4-5-20251001",
            "meta/llama-4-70b",
            "gpt-5.3-codex-spark",
            "openai-compatible-router-café",
            "claude-3-5-sonnet@20240620",
            "xai-grok-4-fast-reasoning",
            "POST /v1beta/models/*action",
            "CodexWebsocketsExecutor",
            "019a0b1c-2d3e-7f5a-8bcd-0123456789ab",
        ] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
