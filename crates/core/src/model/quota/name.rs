use std::fmt;

use super::super::is_invisible;

/// Longest name in characters.
const MAX_CHARS: usize = 64;
/// A run of letters and digits of this length is an id, not a name.
const ID_RUN: usize = 20;
/// A run of hex digits of this length is an id, too.
const HEX_RUN: usize = 16;

/// Name of an account's limit: `main`, or the provider's own name in lower case with `_` for
/// blanks, so that it is readable as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Limit(Box<str>);

impl Limit {
    pub fn main() -> Self {
        Self("main".into())
    }

    /// `None` if no usable character is left, or if the name could be a personal id or address.
    pub fn new(name: &str) -> Option<Self> {
        let name = Name::new(name)?;
        let mut slug = String::with_capacity(name.0.len());
        for c in name.0.chars().flat_map(char::to_lowercase) {
            if c.is_alphanumeric() || "-.".contains(c) {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('_') {
                slug.push('_');
            }
        }
        // Some letters become two in lower case.
        let slug: String = slug.trim_end_matches('_').chars().take(MAX_CHARS).collect();
        (!slug.is_empty()).then(|| Self(slug.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name from a provider that is safe to show: one line, short, no personal id or address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// `None` if no usable character is left, or if the text could be a personal id or address.
    pub fn new(text: &str) -> Option<Self> {
        let printable: String = text
            .chars()
            .take(4 * MAX_CHARS)
            .map(|c| if c.is_control() { ' ' } else { c })
            .filter(|c| !is_invisible(*c))
            .collect();
        let words = printable.split_whitespace().collect::<Vec<_>>().join(" ");
        if is_personal(&words) {
            return None;
        }
        let cut: String = words.chars().take(MAX_CHARS).collect();
        let cut = cut.trim();
        (!cut.is_empty()).then(|| Self(cut.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text could identify a person, an account or a key.
fn is_personal(text: &str) -> bool {
    let is_hex = |run: &str| run.bytes().all(|b| b.is_ascii_hexdigit());
    let is_id = |run: &str| {
        let mixed = run.bytes().any(|b| b.is_ascii_digit());
        mixed && (run.len() >= ID_RUN || (run.len() >= HEX_RUN && is_hex(run)))
    };
    let has_uuid = || {
        let runs: Vec<&str> = text.split(|c: char| !c.is_ascii_hexdigit()).collect();
        runs.windows(5)
            .any(|five| five.iter().map(|run| run.len()).eq([8, 4, 4, 4, 12]))
    };
    let starts = [
        "sk-", "sk_", "eyJ", "ya29.", "AIza", "ghp_", "gho_", "Bearer ",
    ];
    text.contains('@')
        || starts.iter().any(|start| text.starts_with(start))
        || text.split(|c: char| !c.is_ascii_alphanumeric()).any(is_id)
        || has_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_labels() {
        let table = [
            ("GPT-5.3-Codex-Spark", "gpt-5.3-codex-spark"),
            ("Claude and GPT models", "claude_and_gpt_models"),
            ("  Grok\tCode\n", "grok_code"),
            ("codex_bengalfox", "codex_bengalfox"),
            ("Modèle (été)", "modèle_été"),
        ];
        for (name, label) in table {
            assert_eq!(Limit::new(name).unwrap().as_str(), label);
        }
        assert_eq!(
            Limit::new(&"é".repeat(500))
                .unwrap()
                .as_str()
                .chars()
                .count(),
            64
        );
        assert_eq!(
            Limit::new(&"İ".repeat(64))
                .unwrap()
                .as_str()
                .chars()
                .count(),
            64
        );
        for nothing in ["", " \n", "!!!", "_"] {
            assert_eq!(Limit::new(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn ids_and_addresses_are_rejected_as_names() {
        for personal in [
            "alice@example.com",
            "Workspace of bob@example.org",
            "11111111-2222-4333-8444-555555555550",
            "org 99999999-2222-4333-8444-555555555555 x",
            "user-0123456789abcdef",
            "acct_A1b2C3d4E5f6G7h8I9j0",
            "sk-live-1",
            "eyJhbGciOi",
        ] {
            assert_eq!(Limit::new(personal), None, "{personal}");
            assert_eq!(Name::new(personal), None, "{personal}");
        }
        assert_eq!(
            Name::new("self_serve_business_usage_based")
                .unwrap()
                .as_str(),
            "self_serve_business_usage_based"
        );
    }
}
