//! Tables with user-defined keys: aliases of accounts and clients.

use std::collections::BTreeMap;

use super::{
    keys::Key,
    problem::Origin,
    raw::{Entry, Raw},
    resolve::Resolver,
};
use crate::model::is_invisible;

/// Maximum length of an alias.
const MAX_ALIAS: usize = 64;

/// Longer than any label of a client key: probably the key itself.
const MAX_CLIENT_LABEL: usize = 48;

/// Reserved label values.
const RESERVED: [&str; 2] = ["other", "none"];

impl Resolver<'_> {
    pub(super) fn table(&mut self, key: &Key) -> Option<Vec<Entry>> {
        let Some(given) = self.given(key).cloned() else {
            return Some(Vec::new());
        };
        match given.raw {
            Raw::Table(entries) => Some(entries),
            Raw::Untyped(text) => Some(pairs(&text, &given.origin)),
            Raw::Text(_) | Raw::Integer(_) | Raw::Boolean(_) | Raw::Other(_) => {
                let text = format!("expected a table, found {}", given.raw.kind());
                self.problem(given.origin, key, text);
                None
            }
        }
    }

    /// Aliases by label; several labels may share one. The left side is not quoted: it may be a key
    /// by mistake.
    pub(super) fn names(&mut self, key: &Key) -> Option<BTreeMap<String, String>> {
        let entries = self.table(key)?;
        let before = self.problems.len();
        let mut names = BTreeMap::new();
        for entry in entries {
            match wrong_alias(&entry) {
                Some(text) => self.problem(entry.origin.clone(), key, text),
                None => {
                    names.insert(entry.name.clone(), alias(&entry));
                }
            }
        }
        (self.problems.len() == before).then_some(names)
    }
}

fn alias(entry: &Entry) -> String {
    match &entry.value {
        // Control characters stay, so that they are refused.
        Raw::Text(text) | Raw::Untyped(text) => text
            .chars()
            .filter(|c| c.is_control() || !is_invisible(*c))
            .collect(),
        Raw::Integer(_) | Raw::Boolean(_) | Raw::Table(_) | Raw::Other(_) => String::new(),
    }
}

fn wrong_alias(entry: &Entry) -> Option<&'static str> {
    let name = alias(entry);
    if entry.name.is_empty() {
        return Some("nothing stands before the =");
    }
    if entry.name.len() > MAX_CLIENT_LABEL {
        return Some("write the label as the metrics page shows it, never a whole key");
    }
    if name.trim().is_empty() {
        return Some("expected a name as text");
    }
    if name.chars().count() > MAX_ALIAS {
        return Some("the name is longer than 64 characters");
    }
    if name.chars().any(char::is_control) {
        return Some("the name holds a control character");
    }
    if RESERVED.contains(&name.as_str()) {
        return Some("the names other and none have a meaning already");
    }
    None
}

/// `a=b,c=d`, the format of a table in environment and flags.
fn pairs(text: &str, origin: &Origin) -> Vec<Entry> {
    let filled = text.split(',').filter(|pair| !pair.trim().is_empty());
    filled
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Entry {
                name: name.trim().to_owned(),
                value: Raw::Untyped(value.trim().to_owned()),
                origin: origin.clone(),
            }
        })
        .collect()
}
