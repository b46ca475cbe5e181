//! Sanitizes texts for labels and tables: short, printable, free of secrets.

use std::borrow::Cow;
use std::cell::RefCell;

use foldhash::HashSet;

use super::harmless::{is_secret_name, keep_harmless};
use super::secrets::{Secrets, looks_secret};
use crate::model::{has_invisible, visible};

/// Maximum length of a label value in bytes.
const MAX_LABEL: usize = 128;
/// Maximum length of an error excerpt in bytes.
const MAX_EXCERPT: usize = 256;
/// Maximum length of error text read for an excerpt.
const MAX_BODY: usize = 2048;
/// Shorter secrets are not searched for: they would match ordinary words.
const MIN_NEEDLE: usize = 8;

/// Sanitizes the texts of one record, whose own secrets are known.
pub(super) struct Labels<'s> {
    secrets: &'s Secrets,
    /// Values of this record that must not occur in another field.
    needles: [&'s str; 2],
    clean: Option<&'s CleanTexts>,
}

/// Cache of texts that contain no secret, independent of the record. Models, routes and tiers
/// repeat in every record, and checking them again takes a tenth of the decode time.
#[derive(Clone, Debug, Default)]
pub(super) struct CleanTexts(RefCell<HashSet<Box<str>>>);

/// Maximum number of cached texts, so that invented ones cannot fill memory.
const MAX_KNOWN: usize = 4096;

impl CleanTexts {
    fn has(&self, text: &str) -> bool {
        self.0.borrow().contains(text)
    }

    fn remember(&self, text: &str) {
        let mut known = self.0.borrow_mut();
        if known.len() < MAX_KNOWN {
            known.insert(text.into());
        }
    }
}

impl Secrets {
    /// A text for a label: short, printable, secrets masked.
    pub fn sanitize(&self, text: &str) -> Box<str> {
        Labels::new(self, "", "").label(text.into()).into()
    }

    /// CPA's id of a credential as records give it, so that both mean the same account.
    pub fn id(&self, text: &str) -> Box<str> {
        Labels::new(self, "", "").id(text.into()).into()
    }
}

impl<'s> Labels<'s> {
    pub(super) fn new(secrets: &'s Secrets, api_key: &'s str, source: &'s str) -> Self {
        Self {
            secrets,
            needles: [api_key, source],
            clean: None,
        }
    }

    /// Uses a cache of texts that need no further check.
    pub(super) fn with_cache(mut self, clean: &'s CleanTexts) -> Self {
        self.clean = Some(clean);
        self
    }

    pub(super) fn label<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        // First, because a secret may contain invisible characters.
        let text = if has_invisible(&text) {
            Cow::Owned(visible(&text))
        } else {
            text
        };
        let needs_no_look = is_figure(&text) || self.clean.is_some_and(|clean| clean.has(&text));
        if needs_no_look && !self.is_own_secret(&text) && !self.holds_own_secret(&text) {
            return text;
        }
        if self.is_secret(&text) {
            return Cow::Owned(self.secrets.label(&text));
        }
        if text.len() >= MIN_NEEDLE && self.holds_secret(&text) {
            return Cow::Owned(cut(&self.masked(&text), MAX_LABEL).to_owned());
        }
        if text.len() > MAX_LABEL {
            return Cow::Owned(cut(&text, MAX_LABEL).to_owned());
        }
        if let Some(clean) = self.clean.filter(|_| text.is_ascii()) {
            clean.remember(&text);
        }
        text
    }

    /// Like [`Self::label`]; an empty text becomes `unknown`, as in CPA.
    pub(super) fn or_unknown<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        let clean = self.label(text);
        if clean.is_empty() {
            Cow::Borrowed("unknown")
        } else {
            clean
        }
    }

    /// CPA's id of a credential: 16 hex digits, or another short word.
    pub(super) fn id<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        if text.is_empty() || (is_word(&text) && !self.is_secret(&text)) {
            text
        } else {
            Cow::Owned(format!("{:016x}", self.secrets.masked(&text).hash()))
        }
    }

    /// Exposed as an exemplar, so restricted to the characters of an id.
    pub(super) fn request_id<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        if is_word(&text) && !self.is_secret(&text) {
            text
        } else {
            Cow::Borrowed("")
        }
    }

    /// The start of an error text on one line; for an HTML page, its title.
    pub(super) fn excerpt(&self, body: &str, models: [&str; 2]) -> String {
        let text = html_title(cut(body, MAX_BODY)).unwrap_or_else(|| whole_words(body, MAX_BODY));
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let harmless = self.harmless(&line, models);
        cut(&harmless, MAX_EXCERPT).to_owned()
    }

    /// An error text without anything that is not known to be harmless. Names of models are known
    /// if they pass as labels.
    pub(super) fn harmless(&self, text: &str, models: [&str; 2]) -> String {
        let visible = visible(text);
        let mut text = Cow::Borrowed(visible.as_str());
        let masks = self.needles.map(|needle| self.secrets.label(needle));
        for (needle, mask) in self.needles.iter().zip(&masks) {
            if needle.len() >= MIN_NEEDLE && text.contains(needle) {
                text = Cow::Owned(text.replace(needle, mask));
            }
        }
        let models = models
            .into_iter()
            .filter(|model| self.label(Cow::Borrowed(model)) == *model);
        let names: Vec<&str> = models.chain(masks.iter().map(String::as_str)).collect();
        keep_harmless(&text, &names, self.needles)
    }

    /// A route: a query or fragment could contain a key.
    pub(super) fn endpoint<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        match text.find(['?', '#']) {
            None => self.label(text),
            Some(end) => self.label(Cow::Owned(cut(&text, end).to_owned())),
        }
    }

    /// Replaces every secret in `text` by its mask and reduces URLs to host and path.
    pub(super) fn masked(&self, text: &str) -> String {
        let mut text = Cow::Borrowed(text);
        for needle in self.needles.iter().filter(|n| n.len() >= MIN_NEEDLE) {
            if text.contains(needle) {
                text = Cow::Owned(text.replace(needle, &self.secrets.label(needle)));
            }
        }
        let mut out = String::with_capacity(text.len());
        let mut after_scheme = false;
        for part in text.split_inclusive(is_delimiter) {
            let word = part.trim_end_matches(is_delimiter);
            if after_scheme && word.len() > 4 {
                out.push_str(&self.secrets.label(word));
            } else {
                self.push_word(&mut out, word);
            }
            if !word.is_empty() {
                let is = |scheme| word.eq_ignore_ascii_case(scheme);
                after_scheme = is("bearer") || is("basic");
            }
            out.push_str(part.get(word.len()..).unwrap_or_default());
        }
        out
    }

    /// A word without white space; it may be a URL that contains keys.
    fn push_word(&self, out: &mut String, word: &str) {
        let (word, stop) = word.split_at(word.trim_end_matches(is_stop).len());
        self.push_bare_word(out, word);
        out.push_str(stop);
    }

    fn push_bare_word(&self, out: &mut String, word: &str) {
        if looks_secret(word) {
            out.push_str(&self.secrets.label(word));
            return;
        }
        let (word, query) = match word.split_once('?') {
            Some((path, query)) if path.contains('/') && query.contains('=') => (path, "?..."),
            _ => (word, ""),
        };
        let word = match word.split_once("://").zip(word.rsplit_once('@')) {
            Some(((scheme, _), (_, host))) => {
                out.push_str(scheme);
                out.push_str("://...@");
                host
            }
            None => word,
        };
        let mut before = "";
        for part in word.split_inclusive(is_joint) {
            let name = part.trim_end_matches(is_joint);
            if !name.is_empty() && (looks_secret(name) || assigns_secret(before)) {
                out.push_str(&self.secrets.label(name));
            } else {
                out.push_str(name);
            }
            out.push_str(part.get(name.len()..).unwrap_or_default());
            before = part;
        }
        out.push_str(query);
    }

    /// Whether `text` equals one of this record's own secrets.
    pub(super) fn is_own_secret(&self, text: &str) -> bool {
        !text.is_empty() && self.needles.contains(&text)
    }

    fn is_secret(&self, text: &str) -> bool {
        self.is_own_secret(text) || looks_secret(text)
    }

    /// Whether `text` contains one of this record's own secrets.
    fn holds_own_secret(&self, text: &str) -> bool {
        let is_part = |n: &&str| (MIN_NEEDLE..=text.len()).contains(&n.len()) && text.contains(*n);
        self.needles.iter().any(is_part)
    }

    /// Whether `text` contains a secret.
    fn holds_secret(&self, text: &str) -> bool {
        let ends_word = |c| is_delimiter(c) || is_joint(c);
        self.holds_own_secret(text)
            || text.split_inclusive(ends_word).any(|part| {
                let word = part.trim_end_matches(ends_word);
                looks_secret(word.trim_end_matches(is_stop)) || assigns_secret(part)
            })
    }
}

/// Whether a part of a word, such as `token=`, precedes a secret.
fn assigns_secret(part: &str) -> bool {
    part.strip_suffix(['=', ':']).is_some_and(is_secret_name)
}

/// Separates words in a text.
fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || "\"'`,;()<>[]{}|\\".contains(c) || (!c.is_ascii() && !c.is_alphanumeric())
}

/// A short number, as most quota headers have, needs no further check.
fn is_figure(text: &str) -> bool {
    text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Ends a sentence.
fn is_stop(c: char) -> bool {
    ".!:".contains(c)
}

/// Joins names to one word.
fn is_joint(c: char) -> bool {
    "/=:&?#".contains(c)
}

/// The start of `text`, cut between words: part of a key would pass every check.
fn whole_words(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let start = cut(text, max);
    start
        .rfind(char::is_whitespace)
        .and_then(|at| start.get(..at))
        .unwrap_or_default()
}

/// 1 to 64 letters, digits, `-` or `_`.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// At most `max` bytes of `text`, whole characters.
pub(super) fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

fn html_title(body: &str) -> Option<&str> {
    let start = body.trim_start();
    let is_html = ["<!doctype html", "<html"].iter().any(|tag| {
        start
            .get(..tag.len())
            .is_some_and(|s| s.eq_ignore_ascii_case(tag))
    });
    if !is_html {
        return None;
    }
    let find = |text: &str, tag: &str| text.to_ascii_lowercase().find(tag);
    let open = find(body, "<title")?;
    let content = body.get(open..)?.split_once('>')?.1;
    content.get(..find(content, "</title")?)
}

#[cfg(test)]
mod tests {
    use super::super::secrets::HashKey;
    use super::*;

    fn with<T>(test: impl FnOnce(&Labels<'_>) -> T) -> T {
        let secrets = Secrets::new(HashKey([7; 16]));
        test(&Labels::new(&secrets, "ck-alice-01", "vk-fix-aa"))
    }

    #[test]
    fn labels_are_short_printable_and_free_of_secrets() {
        with(|labels| {
            let label = |text: &str| labels.label(Cow::Owned(text.to_owned())).into_owned();
            assert_eq!(label("meta/llama-4-70b"), "meta/llama-4-70b");
            assert_eq!(label("router-café"), "router-café");
            assert_eq!(label("a\u{7}b\nc"), "abc");
            assert_eq!(label("gpt\u{200b}-5\u{202e}\u{feff}"), "gpt-5");
            assert_eq!(label("\u{2066}"), "");
            assert!(label("ck-ali\u{200d}ce-01").starts_with("ck...01-"));
            assert_eq!(label(&"é".repeat(100)).len(), 128);
            assert!(label("ck-alice-01").starts_with("ck...01-"));
            assert!(label("vk-fix-aa").starts_with("...-"));
            assert!(label("someone@example.com").starts_with("som....com-"));
            assert!(matches!(
                labels.label(Cow::Borrowed("gpt-5")),
                Cow::Borrowed(_)
            ));
        });
    }

    #[test]
    fn ids_are_words_or_hashes() {
        with(|labels| {
            assert_eq!(labels.id("37e10dbedbcae9c4".into()), "37e10dbedbcae9c4");
            assert_eq!(labels.id("../../etc/passwd".into()).len(), 16);
            assert_eq!(labels.id("".into()), "");
            assert_eq!(labels.request_id("a1b2c3d4".into()), "a1b2c3d4");
            assert_eq!(labels.request_id("x y".into()), "");
            assert_eq!(labels.request_id("ck-alice-01".into()), "");
        });
    }

    #[test]
    fn excerpts_contain_no_secrets_queries_or_markup() {
        with(|labels| {
            let body = "Post \"https://h/x?key=AIzaSecret123456&a=b\": bad\n key  ck-alice-01 \
                        of someone@example.com, Authorization: Bearer abcdefgh";
            let excerpt = labels.excerpt(body, ["", ""]);
            for secret in ["AIza", "ck-alice-01", "someone@", "abcdefgh"] {
                assert!(!excerpt.contains(secret), "{excerpt}");
            }
            assert!(
                excerpt.starts_with("Post \"https://h/x?...\": bad key "),
                "{excerpt}"
            );
            let hidden = labels.excerpt("bad key ck-ali\u{2060}ce-01", ["", ""]);
            assert!(!hidden.contains("ck-alice-01"), "{hidden}");
            let page = "<html><head><TITLE>502 Bad gateway</title></head><body>…";
            assert_eq!(labels.excerpt(page, ["", ""]), "502 Bad gateway");
            assert!(labels.excerpt(&"ü ".repeat(100_000), ["", ""]).len() <= MAX_EXCERPT);
        });
    }

    #[test]
    fn cached_text_is_checked_again_for_other_secrets() {
        let secrets = Secrets::new(HashKey([7; 16]));
        let known = CleanTexts::default();
        let label = |api_key: &str, text: &str| {
            let labels = Labels::new(&secrets, api_key, "").with_cache(&known);
            labels.label(text.to_owned().into()).into_owned()
        };
        assert_eq!(label("ck-alice-01", "plain-model-name"), "plain-model-name");
        assert!(known.has("plain-model-name"));
        assert_ne!(
            label("plain-model-name", "plain-model-name"),
            "plain-model-name"
        );
        assert!(!label("model-name", "plain-model-name").contains("model-name"));
        assert!(!label("1234567890", "1234567890").contains("1234567890"));
    }
}
