//! The values as the user wrote them, with their places; only the existence of keys is checked.
//!
//! The file is read as a table with positions and not through serde, because serde stops at the
//! first wrong value, and its messages quote the value, which may be a secret.

use std::{borrow::Cow, collections::BTreeMap, ops::Range, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    env::Env,
    key::{ENV_PREFIX, Key},
    problem::{Origin, Problem, did_you_mean},
};

/// Path of the configuration file when the flag is not set.
pub(super) const CONFIG_FILE_ENV: &str = "CPA_EXPORTER_CONFIG_FILE";

/// Variables with an established name of their own.
const SHORT_ENV: [(&str, &str); 2] = [
    ("CPA_MANAGEMENT_KEY", "cpa.management_key"),
    ("CPA_MANAGEMENT_KEY_FILE", "cpa.management_key_file"),
];

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    /// From environment or flag: a text of any type.
    Untyped(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Given>),
    Table(Vec<Entry>),
    /// A kind that no key has; the kind's name.
    Other(&'static str),
}

/// An entry of a table with user-defined keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: Raw,
    pub(super) origin: Origin,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// The values of one layer.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) values: BTreeMap<&'static str, Given>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// A file that could not be read completely.
    pub(super) unread: bool,
}

impl Raw {
    /// Kind of a key without a value.
    pub(super) const NOTHING: &'static str = "no value";

    /// Name of the kind, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Untyped(_) | Self::Text(_) => "text",
            Self::Integer(_) => "a number",
            Self::Float(_) => "a number with a fraction",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) | Self::Untyped(text) = self {
            return Some(text);
        }
        None
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "limits are exact below 2^53")]
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Untyped(text) => text.trim().parse().ok(),
            Self::Text(_) | Self::Boolean(_) | Self::List(_) | Self::Table(_) | Self::Other(_) => {
                None
            }
        }
    }

    /// The items of a list, which is `a,b` where values have no type.
    pub(super) fn list<T>(&self, item: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        match self {
            Self::List(items) => items.iter().map(|it| item(&it.raw)).collect(),
            Self::Untyped(text) => {
                let items = text.split(',').map(|it| Self::Untyped(it.to_owned()));
                items.map(|it| item(&it)).collect()
            }
            Self::Text(_)
            | Self::Integer(_)
            | Self::Float(_)
            | Self::Boolean(_)
            | Self::Table(_)
            | Self::Other(_) => None,
        }
    }
}

/// A file as it is written.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) entries: Vec<Entry>,
    /// Syntax errors, which do not hide other errors in the file.
    pub(super) broken: Vec<Problem>,
}

impl Document {
    /// Drops errors on the line of a syntax error, which follow from it.
    pub(super) fn keep_causes(&self, problems: &mut Vec<Problem>) {
        let on = |line: &Origin| {
            let mut lines = self.broken.iter().map(|broken| broken.origin.line());
            line.line().is_some() && lines.any(|broken| broken == line.line())
        };
        problems.retain(|problem| !on(&problem.origin));
        problems.extend(self.broken.iter().cloned());
    }
}

/// Parses TOML.
pub(super) fn document(path: &Path, text: &str) -> Document {
    let (table, errors) = DeTable::parse_recoverable(text);
    let source = Source {
        path: Arc::from(path),
        text,
    };
    let broken = errors.iter().map(|error| {
        let origin = source.origin(&error.span().unwrap_or(0..0));
        // Only the message: the whole error quotes the line, which may contain a secret.
        Problem::general(origin, format!("not valid TOML: {}", error.message()))
    });
    Document {
        broken: broken.collect(),
        entries: source.entries(table.get_ref()),
    }
}

struct Source<'a> {
    path: Arc<Path>,
    text: &'a str,
}

impl Source<'_> {
    fn entries(&self, table: &DeTable<'_>) -> Vec<Entry> {
        let entry = |(name, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| Entry {
            name: name.get_ref().clone().into_owned(),
            value: self.raw(value),
            origin: self.origin(&name.span()),
        };
        table.iter().map(entry).collect()
    }

    fn raw(&self, value: &Spanned<DeValue<'_>>) -> Raw {
        match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.clone().into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Raw::Other("a number that is too large"), Raw::Integer),
            DeValue::Float(number) => number
                .as_str()
                .parse()
                .map_or(Raw::Other("a number with a fraction"), Raw::Float),
            DeValue::Boolean(value) => Raw::Boolean(*value),
            DeValue::Table(table) => Raw::Table(self.entries(table)),
            DeValue::Array(items) => Raw::List(
                items
                    .iter()
                    .map(|item| Given {
                        raw: self.raw(item),
                        origin: self.origin(&item.span()),
                    })
                    .collect(),
            ),
            DeValue::Datetime(_) => Raw::Other("a date"),
        }
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        Origin::File {
            path: Arc::clone(&self.path),
            line: before.matches('\n').count() + 1,
            column: in_line.chars().count() + 1,
        }
    }
}

/// Reads the configuration file.
pub(super) fn file(keys: &[Key], path: &Path, text: &str) -> Layer {
    let mut document = document(path, text);
    let mut layer = Layer {
        unread: !document.broken.is_empty(),
        ..Layer::default()
    };
    layer.add(keys, "", std::mem::take(&mut document.entries));
    document.keep_causes(&mut layer.problems);
    layer
}

impl Layer {
    fn add(&mut self, keys: &[Key], section: &str, entries: Vec<Entry>) {
        for Entry {
            name,
            value,
            origin,
        } in entries
        {
            let path = if section.is_empty() {
                name.clone()
            } else {
                format!("{section}.{name}")
            };
            let wrong = if let Some(key) = find(keys, &path) {
                self.values.insert(key.path, Given { raw: value, origin });
                continue;
            } else if !is_section(keys, &path) {
                unknown(keys, section, &name)
            } else if let Raw::Table(entries) = value {
                self.add(keys, &path, entries);
                continue;
            } else {
                format!("write it as [{path}]")
            };
            self.problems.push(Problem::new(origin, &path, wrong));
        }
    }
}

fn find<'a>(keys: &'a [Key], path: &str) -> Option<&'a Key> {
    keys.iter().find(|key| key.path == path)
}

/// Whether `path` is a table of keys, such as `metrics.caps`.
fn is_section(keys: &[Key], path: &str) -> bool {
    keys.iter()
        .filter_map(|key| key.path.strip_prefix(path))
        .any(|rest| rest.starts_with('.'))
}

/// Suggests a key: a right name may be in the wrong section, so both are searched.
fn unknown(keys: &[Key], section: &str, name: &str) -> String {
    let paths = || keys.iter().map(|key| key.path);
    let here = paths().filter_map(|path| {
        let rest = if section.is_empty() {
            Some(path)
        } else {
            path.strip_prefix(section)?.strip_prefix('.')
        };
        rest?.split('.').next()
    });
    let elsewhere = || paths().find(|path| path.rsplit('.').next() == Some(name));
    unknown_key(did_you_mean(name, here).or_else(elsewhere))
}

pub(super) fn unknown_key(near: Option<&str>) -> String {
    near.map_or_else(
        || "unknown key".to_owned(),
        |near| format!("unknown key; did you mean {near}?"),
    )
}

/// Reads `CPA_EXPORTER_*`; an empty variable counts as not set, because compose files set such.
pub(super) fn environment(keys: &[Key], env: &Env) -> Layer {
    let mut layer = Layer::default();
    let ours = keys.iter().map(|key| (key.env(), key.path));
    let short = SHORT_ENV.map(|(name, path)| (name.to_owned(), path));
    // The long name is more specific: it is read first and wins.
    for (name, path) in ours.chain(short) {
        let Some(value) = env.get(&name).filter(|value| !value.is_empty()) else {
            continue;
        };
        let origin = Origin::Environment(name);
        match value.to_str() {
            Some(text) => {
                let raw = Raw::Untyped(text.to_owned());
                let given = Given { raw, origin };
                layer.values.entry(path).or_insert(given);
            }
            None => layer
                .problems
                .push(Problem::new(origin, path, "the value is not valid UTF-8")),
        }
    }
    layer.warnings = unknown_variables(keys, env);
    layer
}

/// Unknown variables with our prefix: a warning, because other programs may set them.
fn unknown_variables(keys: &[Key], env: &Env) -> Vec<Problem> {
    let known: Vec<String> = keys.iter().map(Key::env).collect();
    env.names()
        .filter(|name| name.starts_with(ENV_PREFIX) && *name != CONFIG_FILE_ENV)
        .filter(|name| !known.iter().any(|known| known == name) && !is_service_link(name))
        .map(|name| {
            let near = did_you_mean(name, known.iter().map(String::as_str));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
            let origin = Origin::Environment(name.to_owned());
            Problem::general(origin, format!("no key has this name, it is ignored{hint}"))
        })
        .collect()
}

/// Kubernetes sets `CPA_EXPORTER_SERVICE_HOST`, `CPA_EXPORTER_PORT_10317_TCP` and the like for a
/// service that is called cpa-exporter.
fn is_service_link(name: &str) -> bool {
    name.strip_prefix(ENV_PREFIX).is_some_and(|rest| {
        ["SERVICE_", "PORT_"]
            .iter()
            .any(|start| rest.starts_with(start))
            || rest == "PORT"
    })
}

/// The values of the command line.
pub(super) fn flags<'a>(keys: &[Key], given: impl Iterator<Item = (&'a str, &'a str)>) -> Layer {
    let mut layer = Layer::default();
    for (path, value) in given {
        let origin = Origin::Flag(path.replace('_', "-"));
        if let Some(key) = find(keys, path) {
            let raw = Raw::Untyped(value.to_owned());
            layer.values.insert(key.path, Given { raw, origin });
        } else {
            let problem = Problem::new(origin, path, "unknown key");
            layer.problems.push(problem);
        }
    }
    layer
}
