//! Decides whether a word is known to be harmless.

use std::sync::LazyLock;

use foldhash::{HashSet, HashSetExt as _};

use super::super::timestamp;

/// Maximum length of a known word, with its joints.
const MAX_WORD: usize = 64;
/// More digits are an id, a key or a card number; a time in milliseconds has 13.
const MAX_DIGITS: usize = 13;
/// Maximum number of digits in a word without letters and with joints, such as a version or date.
const MAX_JOINED_DIGITS: usize = 8;
/// Maximum length of a part of letters and digits, such as `v1beta` or `128k`.
const MAX_MIXED: usize = 10;

/// Maximum number of single letters and parts with digits in a word: more are a key in groups.
const MAX_SHORT: usize = 2;

/// Words of error messages, codes, hosts and models, in lower case.
static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let mut words = HashSet::new();
    words.extend(include_str!("words.txt").split_whitespace());
    words
});

/// Units and single letters that occur beside digits: `30m`, `17s`, `gpt-4o`, `v2`.
const UNITS: [&str; 26] = [
    "a", "b", "d", "h", "k", "m", "o", "p", "q", "s", "t", "v", "w", "x", "ms", "us", "ns", "kb",
    "mb", "gb", "kib", "mib", "st", "th", "am", "pm",
];

/// Whether every part of a word is known.
pub(in super::super) fn is_harmless(word: &str) -> bool {
    if word.len() > MAX_WORD || word.bytes().filter(u8::is_ascii_digit).count() > MAX_DIGITS {
        return timestamp::parse(Some(word)).is_some();
    }
    let word = word.strip_suffix('%').unwrap_or(word);
    let (mut parts, mut short) = (0, 0);
    let mut letters = false;
    for part in word.split(is_hyphen).filter(|part| !part.is_empty()) {
        parts += 1;
        let alphabetic = part.contains(char::is_alphabetic);
        letters |= alphabetic;
        short += usize::from(alphabetic && (part.len() == 1 || part.contains(is_digit)));
        if !is_known(part) {
            return timestamp::parse(Some(word)).is_some() || is_duration(word);
        }
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if short > MAX_SHORT {
        return is_duration(word);
    }
    // Four numbers are an address.
    letters || parts < 2 || (parts < 4 && digits <= MAX_JOINED_DIGITS) || is_decimal(word)
}

/// Chinese words; longer ones first, because the first match counts.
pub(super) fn phrases() -> impl Iterator<Item = &'static str> {
    include_str!("phrases.txt").split_whitespace()
}

/// A part without joints or hyphens: a known word, several in camel case, a number, or a mixture.
fn is_known(part: &str) -> bool {
    let is_word = |word: &str| WORDS.contains(word.to_ascii_lowercase().as_str());
    if part.bytes().all(|b| b.is_ascii_digit() || b == b'*') || is_word(part) {
        return true;
    }
    if part.bytes().any(|b| b.is_ascii_digit()) {
        return is_mixed(part);
    }
    part.is_ascii() && camel_parts(part).all(is_word)
}

/// Up to three runs of letters and digits: `v1beta`, `128k`, `http2`.
fn is_mixed(part: &str) -> bool {
    let (mut rest, mut runs) = (part, 0);
    while let Some(first) = rest.chars().next() {
        let digits = is_digit(first);
        let end = rest.find(|c| is_digit(c) != digits).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let run = run.to_ascii_lowercase();
        if !digits && !UNITS.contains(&run.as_str()) && !WORDS.contains(run.as_str()) {
            return false;
        }
        rest = after;
        runs += 1;
    }
    part.len() <= MAX_MIXED && runs <= 3
}

/// `camelCase` and `HTTPError` at their capitals.
pub(super) fn camel_parts(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let bytes = rest.as_bytes();
        let upper = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_uppercase);
        let lower = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_lowercase);
        let starts = |&at: &usize| upper(at) && (lower(at - 1) || lower(at + 1));
        let end = (1..bytes.len()).find(starts).unwrap_or(bytes.len());
        let (part, after) = rest.split_at_checked(end)?;
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// Whether a character belongs to a text without spaces between words.
pub(super) fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}')
}

/// Go's form of a duration: `1h30m0s`.
fn is_duration(word: &str) -> bool {
    let units = ["h", "m", "s", "ms", "ns"];
    let mut parts = word.split_inclusive(char::is_alphabetic);
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.len() <= 24
        && parts.all(|part| {
            let number = part.trim_end_matches(char::is_alphabetic);
            let unit = part.get(number.len()..).unwrap_or_default();
            units.contains(&unit) && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        })
}

pub(super) fn is_number(word: &str) -> bool {
    word.len() <= MAX_JOINED_DIGITS && word.bytes().all(|b| b.is_ascii_digit())
}

fn is_decimal(word: &str) -> bool {
    word.matches('.').count() == 1 && word.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// Joins parts to one word.
fn is_hyphen(c: char) -> bool {
    "-_.+*~!$^".contains(c)
}
