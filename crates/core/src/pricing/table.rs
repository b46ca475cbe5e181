//! Combines all price lists and finds the price of a model.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::file::{Listed, PriceFile, Unpriced};
use super::plan::Prices;
use super::rate::CacheWrites;
use super::schedule::start_of;
use crate::model::UnixNanos;

/// Maximum number of alias steps to a model: a list may turn another list's model into an alias.
const MAX_STEPS: usize = 4;
/// The built-in list, with a source for each price.
const BUILT_IN: &str = include_str!("../../../../prices/list.json");

/// Origin of a price. Later variants override earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    BuiltIn,
    /// Written by `prices set` and `prices import`.
    Commands,
    /// The file of `cost.price_file`.
    User,
}

impl Layer {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Commands => "set",
            Self::User => "file",
        }
    }
}

/// An unusable price and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{model}: {text}")]
pub struct PriceProblem {
    pub model: String,
    pub text: String,
}

/// Identifies one state of the price lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceVersion {
    /// Day and hash: `2026-11-22-1a2b3c4d`.
    pub name: String,
    /// The lists used: `built-in+set+file`.
    pub source: String,
}

/// The price of a model and its layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub listed: Listed,
    pub layer: Layer,
    pub prices: Prices,
}

/// How a model was matched to its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    Exact,
    Alias,
    Pattern,
}

/// All prices in force.
#[derive(Clone, Debug)]
pub struct PriceTable {
    entries: Vec<Entry>,
    by_model: HashMap<Box<str>, usize>,
    /// From alias to model.
    aliases: HashMap<Box<str>, Box<str>>,
    patterns: Vec<(Box<str>, usize)>,
    unpriced: HashMap<Box<str>, String>,
    version: PriceVersion,
    day: Option<String>,
    writes: CacheWrites,
}

/// The list built into this program.
pub fn built_in() -> Result<PriceFile, String> {
    PriceFile::parse("list.json", BUILT_IN)
}

impl PriceTable {
    /// Combines the lists in the order of [`Layer`]. Reports all problems at once.
    pub fn new(
        files: &[(Layer, PriceFile)],
        writes: CacheWrites,
    ) -> Result<Self, Vec<PriceProblem>> {
        let mut this = Self {
            entries: Vec::new(),
            by_model: HashMap::new(),
            aliases: HashMap::new(),
            patterns: Vec::new(),
            unpriced: HashMap::new(),
            version: version(files, writes),
            day: newest(files).map(str::to_owned),
            writes,
        };
        let mut problems = Vec::new();
        for (layer, file) in files {
            if let Some(day) = file.as_of.as_ref().filter(|day| start_of(day).is_none()) {
                problems.push(PriceProblem {
                    model: "as_of".to_owned(),
                    text: format!("{day} is not a day like 2026-11-22"),
                });
            }
            this.add(*layer, file, &mut problems);
        }
        for (_, file) in files {
            for (alias, model) in &file.aliases {
                if this.by_name(&key(model)).is_none() {
                    let text = format!("alias of {model}, which is not in any list");
                    problems.push(PriceProblem {
                        model: alias.clone(),
                        text,
                    });
                }
            }
        }
        if problems.is_empty() {
            Ok(this)
        } else {
            Err(problems)
        }
    }

    fn add(&mut self, layer: Layer, file: &PriceFile, problems: &mut Vec<PriceProblem>) {
        let mut names = BTreeMap::new();
        for listed in &file.prices {
            let mut problem = |text: String| {
                problems.push(PriceProblem {
                    model: listed.model.clone(),
                    text,
                });
            };
            for name in std::iter::once(&listed.model).chain(&listed.aliases) {
                if name.is_empty() {
                    problem("a name is empty".to_owned());
                } else if let Some(other) = names.insert(key(name), &listed.model) {
                    problem(format!("{name} is listed twice, under {other} as well"));
                }
            }
            if layer != Layer::User && !listed.patterns.is_empty() {
                problem("patterns belong into the file of cost.price_file".to_owned());
            }
            match Prices::new(listed) {
                Ok(prices) => self.insert(layer, listed, prices),
                Err(text) => problem(text),
            }
        }
        for (alias, model) in &file.aliases {
            self.insert_alias(layer, alias, model);
        }
        for unpriced in &file.unpriced {
            self.unpriced
                .insert(key(&unpriced.model), unpriced.reason.clone());
        }
    }

    fn insert(&mut self, layer: Layer, listed: &Listed, prices: Prices) {
        let entry = Entry {
            listed: listed.clone(),
            layer,
            prices,
        };
        let at = self.entries.len();
        self.entries.push(entry);
        self.by_model.insert(key(&listed.model), at);
        for alias in &listed.aliases {
            self.insert_alias(layer, alias, &listed.model);
        }
        for pattern in &listed.patterns {
            self.patterns.push((key(pattern), at));
        }
    }

    /// Removes the name from a model of an earlier list; a model of the same list keeps it.
    fn insert_alias(&mut self, layer: Layer, alias: &str, model: &str) {
        let (alias, model) = (key(alias), key(model));
        let taken = self.by_model.get(&alias).and_then(|at| self.entry(*at));
        if taken.is_some_and(|entry| entry.layer < layer) && alias != model {
            self.by_model.remove(&alias);
        }
        self.aliases.insert(alias, model);
    }

    /// Finds the price of a model by its id, by an alias, or by a pattern in the user's list. Never
    /// by similarity of names, which would give gpt-5.4-pro a twelfth of its price.
    pub fn find(&self, model: &str) -> Option<(&Entry, Match)> {
        let (at, how) = self.place(model)?;
        Some((self.entries.get(at)?, how))
    }

    pub(super) fn position(&self, model: &str) -> Option<usize> {
        self.place(model).map(|(at, _)| at)
    }

    pub(super) fn entry(&self, at: usize) -> Option<&Entry> {
        self.entries.get(at)
    }

    fn place(&self, model: &str) -> Option<(usize, Match)> {
        let name = key(model);
        let by_pattern = || {
            let fits = |(pattern, _): &&(Box<str>, usize)| matches(pattern, &name);
            Some((self.patterns.iter().find(fits)?.1, Match::Pattern))
        };
        self.by_name(&name).or_else(by_pattern)
    }

    fn by_name(&self, name: &str) -> Option<(usize, Match)> {
        if let Some(at) = self.by_model.get(name) {
            return Some((*at, Match::Exact));
        }
        let mut name = name;
        for _ in 0..MAX_STEPS {
            name = self.aliases.get(name)?;
            if let Some(at) = self.by_model.get(name) {
                return Some((*at, Match::Alias));
            }
        }
        None
    }

    /// Reason why a model has no price per token, if known.
    pub fn why_unpriced(&self, model: &str) -> Option<&str> {
        self.unpriced.get(&*key(model)).map(String::as_str)
    }

    /// The entries in force, sorted by model.
    pub fn entries(&self) -> Vec<&Entry> {
        let mut names: Vec<(&Box<str>, &usize)> = self.by_model.iter().collect();
        names.sort_unstable();
        names
            .into_iter()
            .filter_map(|(_, at)| self.entries.get(*at))
            .collect()
    }

    /// Merges all prices in force into one list.
    pub fn export(&self) -> PriceFile {
        let entries = self.entries();
        let listed = |name: &str| {
            let named = |entry: &&Entry| {
                entry
                    .listed
                    .aliases
                    .iter()
                    .any(|alias| *key(alias) == *name)
            };
            entries.iter().any(named)
        };
        let others = self.aliases.iter().filter(|(alias, _)| !listed(alias));
        let reasons = self.unpriced.iter().collect::<BTreeMap<_, _>>();
        PriceFile {
            as_of: self.day.clone(),
            aliases: others
                .map(|(alias, model)| (alias.to_string(), model.to_string()))
                .collect(),
            prices: entries.iter().map(|entry| entry.listed.clone()).collect(),
            unpriced: reasons
                .into_iter()
                .map(|(model, reason)| Unpriced {
                    model: model.to_string(),
                    channel: None,
                    reason: reason.clone(),
                })
                .collect(),
        }
    }

    pub fn version(&self) -> &PriceVersion {
        &self.version
    }

    /// When the lists were last verified.
    pub fn as_of(&self) -> Option<UnixNanos> {
        self.day.as_deref().and_then(start_of)
    }

    pub fn writes(&self) -> CacheWrites {
        self.writes
    }
}

fn key(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into()
}

fn version(files: &[(Layer, PriceFile)], writes: CacheWrites) -> PriceVersion {
    let mut hasher = SipHasher13::new();
    for (layer, file) in files {
        // A list is plain data, so serialization cannot fail.
        let text = serde_json::to_string(file).unwrap_or_default();
        hasher.write(text.as_bytes());
        hasher.write_u8(*layer as u8);
    }
    hasher.write_u8(writes as u8);
    let hash = hasher.finish() >> 32;
    let sources: Vec<&str> = files.iter().map(|(layer, _)| layer.as_str()).collect();
    PriceVersion {
        name: format!("{}-{hash:08x}", newest(files).unwrap_or("undated")),
        source: sources.join("+"),
    }
}

/// The latest `as_of` day of the lists.
fn newest(files: &[(Layer, PriceFile)]) -> Option<&str> {
    let days = files.iter().filter_map(|(_, file)| file.as_of.as_deref());
    days.filter(|day| start_of(day).is_some()).max()
}

/// Whether `name` matches a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}
