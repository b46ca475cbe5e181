//! Extracts codes, statuses and disabled subjects from an error text.

use std::borrow::Cow;

/// Keys whose values are error codes. Providers use them at any depth.
const KEYS: [&str; 6] = ["code", "type", "status", "reason", "error", "status_code"];
/// Keys whose values are messages.
const MESSAGE_KEYS: [&str; 4] = ["message", "detail", "msg", "error"];
/// Texts that precede a status.
const BEFORE_STATUS: [&str; 9] = [
    "status ",
    "status: ",
    "status code ",
    "status code: ",
    "http ",
    "http/1.1 ",
    "<title>",
    "<h1>",
    "error code ",
];
/// Subjects that can be disabled.
const SUBJECTS: [&str; 12] = [
    "account",
    "organization",
    "organisation",
    "workspace",
    "team",
    "project",
    "subscription",
    "token",
    "api key",
    "this key",
    "user",
    "credential",
];
const LINKS: [&str; 10] = [
    " has been temporarily ",
    " has been permanently ",
    " is temporarily ",
    " is currently ",
    " has been ",
    " have been ",
    " was ",
    " is ",
    " been ",
    " ",
];
const DEAD: [&str; 7] = [
    "disabled",
    "suspended",
    "banned",
    "deactivated",
    "terminated",
    "revoked",
    "locked",
];

/// Values of [`KEYS`] in a text in lower case. The text need not be valid JSON: it may be
/// truncated, have a prefix, or contain escaped JSON.
pub(super) fn codes(text: &str) -> Vec<&str> {
    let bare = |part: &str| part.trim_end_matches('\\').len();
    let parts: Vec<&str> = text
        .split('"')
        .map(|part| part.get(..bare(part)).unwrap_or_default())
        .collect();
    let mut codes = Vec::new();
    for (at, key) in parts.iter().enumerate() {
        let Some(after) = parts.get(at + 1).map(|part| part.trim()) else {
            break;
        };
        let Some(value) = after.strip_prefix(':').filter(|_| KEYS.contains(key)) else {
            continue;
        };
        let value = value.trim();
        if value.is_empty() {
            codes.extend(parts.get(at + 2).map(|part| part.trim()));
        } else {
            let end = value.find(|c: char| !c.is_ascii_digit());
            let number = value.get(..end.unwrap_or(value.len()));
            codes.extend(number.filter(|number| !number.is_empty()));
        }
    }
    codes
}

/// The provider's own words in the response to an invalid request: such a response can quote the
/// client's text, which can contain any word. Returns the message without quoted parts, up to the
/// first colon, which precedes a value or follows its position.
pub(super) fn own_words(text: &str) -> Cow<'_, str> {
    let Some(message) = message(text) else {
        return Cow::Borrowed(text);
    };
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (mut words, mut open, mut before) = (String::new(), None, None);
    let mut rest = message.chars().peekable();
    while let Some(c) = rest.next() {
        let is_apostrophe = c == '\'' && is_word(before) && is_word(rest.peek().copied());
        match (open, closing(c)) {
            (Some(end), _) if c == end && !is_apostrophe => open = None,
            (None, Some(end)) if !is_apostrophe => open = Some(end),
            (None, None) if c == ':' => break,
            (None, _) => words.push(c),
            (Some(_), _) => {}
        }
        before = Some(c);
    }
    Cow::Owned(words)
}

/// The mark that ends a quotation which this one begins.
const fn closing(mark: char) -> Option<char> {
    match mark {
        '"' | '\'' | '`' => Some(mark),
        '“' => Some('”'),
        '‘' => Some('’'),
        '«' => Some('»'),
        _ => None,
    }
}

/// The innermost message of a JSON text, or a text that contains no JSON.
fn message(text: &str) -> Option<&str> {
    if !text.contains('{') {
        return Some(text);
    }
    let found = MESSAGE_KEYS.iter().find_map(|key| {
        let mut places = text.rmatch_indices(key);
        places.find_map(|(at, _)| value_after(text, at, key.len()))
    });
    found.filter(|message| message.contains(' '))
}

/// The text value of a key at `at`. In JSON within a JSON text, quotes have backslashes before them.
fn value_after(text: &str, at: usize, length: usize) -> Option<&str> {
    let quote = text.get(..at)?.strip_suffix('"')?;
    let depth = quote.len() - quote.trim_end_matches('\\').len();
    let mark = format!("{}\"", "\\".repeat(depth));
    let after = text.get(at + length..)?.strip_prefix(mark.as_str())?;
    let value = after.trim_start().strip_prefix(':')?.trim_start();
    let value = value.strip_prefix(mark.as_str())?;
    let is_end = |end: &usize| !value.get(..*end).is_some_and(|text| text.ends_with('\\'));
    let end = value.match_indices(mark.as_str()).map(|(end, _)| end);
    value.get(..end.into_iter().find(is_end).unwrap_or(value.len()))
}

/// The HTTP status that a text in lower case contains.
pub(super) fn status_in(text: &str, codes: &[&str]) -> Option<u16> {
    let failure = |number: &str| number.parse().ok().filter(|s| (400..=599).contains(s));
    let of_codes = codes.iter().find_map(|code| failure(code));
    let at_start = || leading_number(text.trim_start()).and_then(failure);
    let within = || {
        BEFORE_STATUS.iter().find_map(|before| {
            let mut rests = text.split(before).skip(1);
            rests.find_map(|rest| leading_number(rest).and_then(failure))
        })
    };
    of_codes.or_else(at_start).or_else(within)
}

fn leading_number(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.get(..end.unwrap_or(text.len()))
        .filter(|number| number.len() == 3)
}

/// Matches "This organization has been disabled" and similar texts, but not "your organization has
/// disabled it".
pub(super) fn names_disabled_subject(text: &str) -> bool {
    let dead = |word: &str| {
        text.match_indices(word).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            let link = LINKS.iter().find_map(|link| before.strip_suffix(link));
            link.is_some_and(|before| SUBJECTS.iter().any(|subject| before.ends_with(subject)))
        })
    };
    DEAD.iter().any(|word| dead(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_every_form() {
        let table: [(&str, &[&str]); 8] = [
            (
                r#"{"error":{"code":"1113","message":"no"}}"#,
                &["1113"] as &[&str],
            ),
            (
                r#"{"type":"error","error":{"type":"api_error"}}"#,
                &["error", "api_error"],
            ),
            (
                r#"{"error": {"code": 429, "status" : "x y"}}"#,
                &["429", "x y"],
            ),
            (r#"failed: {"error":"invalid_grant"}"#, &["invalid_grant"]),
            (
                r#"{"message":"{\"error\":{\"code\":500,\"status\":\"internal\"}}"}"#,
                &["500", "internal"],
            ),
            (r#"{"error":{"code":"half"#, &["half"]),
            (r#"{"code":null,"type":{"a":1},"status":[]}"#, &[]),
            (r#""code""#, &[]),
        ];
        for (text, expected) in table {
            assert_eq!(codes(text), expected, "{text}");
        }
    }

    #[test]
    fn own_words_exclude_quotations_and_what_follows_a_colon() {
        let table = [
            (
                r#"{"error":{"message":"you're out of credits."}}"#,
                "you're out of credits.",
            ),
            (
                r#"{"error":{"message":"invalid value \"a b\" in 'c d' for x"}}"#,
                r"invalid value \ in  for x",
            ),
            (
                r#"{"error":{"message":"invalid “a b” or `c d` here"}}"#,
                "invalid  or  here",
            ),
            (
                r#"{"message":"{\"error\":{\"message\":\"no such \\\"a b\\\" here\"}}"}"#,
                r"no such \\\ here",
            ),
            (r#"{"detail":"messages.0.text: a b"}"#, "messages.0.text"),
            (r#"{"error":{"message":"it is ' half"#, "it is "),
            ("no json 'a b' here", "no json  here"),
            // No message.
            (
                r#"x: {"error": "invalid_grant"}"#,
                r#"x: {"error": "invalid_grant"}"#,
            ),
        ];
        for (text, expected) in table {
            assert_eq!(own_words(text), expected, "{text}");
        }
    }

    #[test]
    fn status_is_found_where_texts_contain_it() {
        let table = [
            ("status 500", Some(500)),
            ("token refresh failed with status 401: x", Some(401)),
            ("unexpected status code: 503", Some(503)),
            ("504 gateway time-out", Some(504)),
            ("<html><head><title>502 bad gateway</title>", Some(502)),
            (r#"{"error":{"code":"529"}}"#, Some(529)),
            (r#"{"error":{"code":1113}}"#, None),
            (r#"{"status":"200"}"#, None),
            ("status 5000", None),
            ("status", None),
            ("é", None),
        ];
        for (text, expected) in table {
            assert_eq!(status_in(text, &codes(text)), expected, "{text}");
        }
    }

    #[test]
    fn only_accounts_and_similar_subjects_can_be_disabled() {
        for text in [
            "this organization has been disabled.",
            "your account was suspended",
            "account is temporarily locked",
            "workspace deactivated",
            "oauth token has been revoked",
            "the organization associated with this key is disabled",
            "your api key was revoked",
            "user has been suspended",
        ] {
            assert!(names_disabled_subject(text), "{text}");
        }
        for text in [
            "your organization has disabled this model",
            "thinking has been disabled",
            "the feature is disabled for your account",
            "",
        ] {
            assert!(!names_disabled_subject(text), "{text}");
        }
    }
}
