//! Keeps the harmless parts of an error text and masks the rest.
//!
//! An upstream can quote a secret in any form, so nothing is searched for: a word is kept if it is
//! known to be harmless, and every other word becomes `...`. Known are the words of error messages
//! and of model names, numbers, times, and the names of the record's own models.

mod known;

use super::escapes::unescape;
use super::timestamp;
pub(super) use known::is_harmless;
use known::{camel_parts, is_ideograph, is_number, phrases};

/// Replaces what is not known to be harmless.
pub(super) const MASKED: &str = "...";
/// Names whose values are secret or personal, even if they consist of known words.
const SECRET_NAMES: [&str; 26] = [
    "key",
    "keys",
    "apikey",
    "token",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "cookie",
    "authorization",
    "credential",
    "credentials",
    "session",
    "sessionid",
    "sid",
    "signature",
    "jwt",
    "email",
    "mail",
    "user",
    "username",
    "login",
    "account",
    "project",
    "organization",
];
/// Schemes of `Authorization`, which stand before the secret.
const SCHEMES: [&str; 4] = ["bearer", "basic", "token", "digest"];
/// Parts of a path that precede an id.
const COLLECTIONS: [&str; 10] = [
    "projects",
    "project",
    "accounts",
    "account",
    "users",
    "user",
    "organizations",
    "orgs",
    "workspaces",
    "teams",
];
/// `text` with everything masked that is neither known nor one of `names`; `secrets` are masked
/// even if they are known words.
pub(super) fn keep_harmless(text: &str, names: &[&str], secrets: [&str; 2]) -> String {
    let text = unescape(text);
    let mut filter = Filter {
        out: String::with_capacity(text.len()),
        names,
        secrets,
        value: Value::Free,
        last: "",
        after_scheme: false,
    };
    let mut rest = text.as_ref();
    while !rest.is_empty() {
        let end = rest.find(is_delimiter).unwrap_or(rest.len());
        let (chunk, after) = rest.split_at(end);
        if !chunk.is_empty() {
            filter.chunk(chunk);
        }
        let end = after.find(|c: char| !is_delimiter(c) && !is_assignment(c));
        let (delimiters, after) = after.split_at(end.unwrap_or(after.len()));
        filter.delimiters(delimiters);
        rest = filter.escape(delimiters, after);
    }
    filter.out
}

/// Expectation about the next chunk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Free,
    /// The value of a secret name, which ends with the chunk.
    Secret,
    /// The value of a secret name, which ends with its quote.
    Quoted,
}

struct Filter<'a> {
    out: String,
    names: &'a [&'a str],
    secrets: [&'a str; 2],
    value: Value,
    /// The last name before a delimiter.
    last: &'a str,
    /// Whether the last word was the name of an authorization scheme.
    after_scheme: bool,
}

impl<'a> Filter<'a> {
    /// Letters, digits and joints without white space or quotes.
    fn chunk(&mut self, chunk: &'a str) {
        let is_scheme = SCHEMES
            .iter()
            .any(|scheme| chunk.eq_ignore_ascii_case(scheme));
        let follows_scheme = std::mem::replace(&mut self.after_scheme, is_scheme);
        if is_scheme && self.value == Value::Secret {
            self.out.push_str(chunk);
            return;
        }
        let is_secret = follows_scheme && chunk.bytes().any(|b| b.is_ascii_digit());
        if self.value != Value::Free || is_secret {
            self.mask();
            if self.value == Value::Secret {
                self.value = Value::Free;
            }
            self.last = "";
            return;
        }
        let end = chunk.trim_end_matches(is_stop).len();
        let (word, stop) = chunk.split_at(end);
        if let Some((scheme, rest)) = word.split_once("://") {
            self.push(scheme);
            self.out.push_str("://");
            self.address(rest);
        } else if self.names.contains(&word) || timestamp::parse(Some(word)).is_some() {
            self.out.push_str(word);
        } else {
            self.joined(word);
        }
        self.last = word;
        self.out.push_str(stop);
        if stop.ends_with(':') && is_secret_name(word) {
            self.value = Value::Secret;
        }
    }

    /// Decides from the characters between two chunks whether the next one is a secret's value.
    fn delimiters(&mut self, delimiters: &str) {
        self.out.push_str(delimiters);
        self.after_scheme &= delimiters.chars().all(char::is_whitespace);
        let assignment = delimiters.rfind(is_assignment);
        let value = delimiters.get(assignment.map_or(0, |at| at + 1)..);
        let value: String = value.unwrap_or_default().replace('\\', "");
        let value = value.trim_start();
        let quoted = value.contains(['"', '\'']);
        let empty = ["\"\"", "''"].iter().any(|empty| value.starts_with(empty));
        match self.value {
            Value::Quoted if quoted => self.value = Value::Free,
            Value::Secret if quoted => self.value = Value::Quoted,
            Value::Free if assignment.is_some() && is_secret_name(self.last) && !empty => {
                self.value = if quoted { Value::Quoted } else { Value::Secret };
            }
            Value::Free | Value::Secret | Value::Quoted => {}
        }
    }

    /// Skips the letter of an escape such as `\n`, and masks half a character such as `\ud83d`.
    fn escape(&mut self, delimiters: &str, rest: &'a str) -> &'a str {
        let backslashes = delimiters.len() - delimiters.trim_end_matches('\\').len();
        if backslashes == 0 {
            return rest;
        }
        match rest.as_bytes().first() {
            Some(b'n' | b'r' | b't' | b'b' | b'f') => {
                let (letter, after) = rest.split_at(1);
                self.out.push_str(letter);
                after
            }
            Some(b'u') => {
                self.mask();
                rest.get(5..).unwrap_or_default()
            }
            _ => rest,
        }
    }

    fn address(&mut self, rest: &'a str) {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let host = match authority.rsplit_once('@') {
            Some((_, host)) => {
                self.out.push_str("...@");
                host
            }
            None => authority,
        };
        let (host, port) = host.rsplit_once(':').unwrap_or((host, ""));
        self.push(host);
        if !port.is_empty() {
            self.out.push(':');
            self.push(port);
        }
        let end = path.find(['?', '#']).unwrap_or(path.len());
        let (path, query) = path.split_at(end);
        self.joined(path);
        if let Some(mark) = query.get(..1) {
            self.out.push_str(mark);
            self.mask();
        }
    }

    /// Words with `/`, `=` and similar between them; a value of a parameter is kept only if it is a
    /// short number.
    fn joined(&mut self, chunk: &'a str) {
        let (mut name, mut joint) = ("", ' ');
        for part in chunk.split_inclusive(is_joint) {
            let word = part.trim_end_matches(is_joint);
            let hidden = match joint {
                '=' => !is_number(word) || is_secret_name(name),
                ':' => is_secret_name(name),
                '/' => COLLECTIONS.contains(&name.to_ascii_lowercase().as_str()),
                _ => false,
            };
            if hidden && !word.is_empty() {
                self.mask();
            } else {
                self.push(word);
            }
            self.out
                .push_str(part.get(word.len()..).unwrap_or_default());
            joint = part
                .chars()
                .next_back()
                .filter(|c| is_joint(*c))
                .unwrap_or(' ');
            name = word;
        }
        if matches!(joint, '=' | ':') && is_secret_name(name) {
            self.value = Value::Secret;
        }
    }

    fn push(&mut self, word: &str) {
        let known = self.names.contains(&word) || is_harmless(word);
        if word.is_empty() || (known && !self.secrets.contains(&word)) {
            self.out.push_str(word);
        } else if word.contains(is_ideograph) {
            self.push_chinese(word);
        } else {
            self.mask();
        }
    }

    /// Chinese has no spaces: each known word is found within the text.
    fn push_chinese(&mut self, word: &str) {
        let mut rest = word;
        while let Some(first) = rest.chars().next() {
            let end = if !is_ideograph(first) {
                rest.find(is_ideograph).unwrap_or(rest.len())
            } else if let Some(known) = phrases().find(|known| rest.starts_with(known)) {
                known.len()
            } else {
                first.len_utf8()
            };
            let (run, after) = rest.split_at(end);
            rest = after;
            if phrases().any(|known| known == run) || (!is_ideograph(first) && is_harmless(run)) {
                self.out.push_str(run);
            } else {
                self.mask();
            }
        }
    }

    /// Neighbouring masks become one.
    fn mask(&mut self) {
        let end = self.out.trim_end().len();
        if self.out.get(..end).is_some_and(|out| out.ends_with(MASKED)) {
            self.out.truncate(end);
        } else {
            self.out.push_str(MASKED);
        }
    }
}

/// Whether the last part of a name, such as `x-api-key`, is that of a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let last = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let start = last.rfind(|c: char| !c.is_ascii_alphanumeric());
    let last = last.get(start.map_or(0, |at| at + 1)..).unwrap_or_default();
    let lower = last.to_ascii_lowercase();
    let camel = || camel_parts(last).last().map(str::to_ascii_lowercase);
    SECRET_NAMES.contains(&lower.as_str())
        || camel().is_some_and(|last| SECRET_NAMES.contains(&last.as_str()))
}

/// Separates chunks. Punctuation outside ASCII, such as a typographic quote, is one, too.
fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || "\"'`,;()<>[]{}|\\".contains(c) || (!c.is_ascii() && !c.is_alphanumeric())
}

fn is_assignment(c: char) -> bool {
    c == ':' || c == '='
}

/// Joins names to one chunk.
fn is_joint(c: char) -> bool {
    "/=:&?#".contains(c)
}

/// Ends a sentence.
fn is_stop(c: char) -> bool {
    ".!:?".contains(c)
}

#[cfg(test)]
mod tests;
