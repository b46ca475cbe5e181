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
    keys::{self, ENV_PREFIX, Key},
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
    Boolean(bool),
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
    /// Name of the kind, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Untyped(_) | Self::Text(_) => "text",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

/// Parses a file; a syntax error does not hide other errors in the file.
pub(super) fn file(path: &Path, text: &str) -> Layer {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut walk = Walk {
        path: Arc::from(path),
        text,
        layer: Layer::default(),
    };
    walk.table("", table.get_ref());
    let broken: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let origin = walk.origin(&error.span().unwrap_or(0..0));
            // Only the message: the whole error quotes the line, which may contain a secret.
            Problem::general(origin, format!("not valid TOML: {}", error.message()))
        })
        .collect();
    let mut layer = walk.layer;
    // Further errors on the line of a syntax error follow from it.
    layer
        .problems
        .retain(|problem| !broken.iter().any(|b| same_line(&b.origin, &problem.origin)));
    layer.unread = !broken.is_empty();
    layer.problems.extend(broken);
    layer
}

fn same_line(a: &Origin, b: &Origin) -> bool {
    match (a, b) {
        (Origin::File { line: a, .. }, Origin::File { line: b, .. }) => a == b,
        _ => false,
    }
}

struct Walk<'a> {
    path: Arc<Path>,
    text: &'a str,
    layer: Layer,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let origin = self.origin(&name.span());
            let name: &Cow<'_, str> = name.get_ref();
            let path = if prefix.is_empty() {
                name.clone().into_owned()
            } else {
                format!("{prefix}.{name}")
            };
            if let Some(key) = keys::find(&path) {
                let raw = self.raw(value);
                self.layer.values.insert(key.path, Given { raw, origin });
            } else if keys::is_section(&path) {
                match value.get_ref().as_table() {
                    Some(table) => self.table(&path, table),
                    None => self.problem(origin, &path, format!("write it as [{path}]")),
                }
            } else {
                let text = unknown(prefix, name);
                self.problem(origin, &path, text);
            }
        }
    }

    fn raw(&self, value: &Spanned<DeValue<'_>>) -> Raw {
        match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.clone().into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Raw::Other("a number that is too large"), Raw::Integer),
            DeValue::Boolean(value) => Raw::Boolean(*value),
            DeValue::Table(table) => Raw::Table(
                table
                    .iter()
                    .map(|(name, value)| Entry {
                        name: name.get_ref().clone().into_owned(),
                        value: self.raw(value),
                        origin: self.origin(&name.span()),
                    })
                    .collect(),
            ),
            DeValue::Float(_) => Raw::Other("a number with a fraction"),
            DeValue::Datetime(_) => Raw::Other("a date"),
            DeValue::Array(_) => Raw::Other("a list"),
        }
    }

    fn problem(&mut self, origin: Origin, key: &str, text: String) {
        self.layer.problems.push(Problem::new(origin, key, text));
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

/// Suggests a key: a right name may be in the wrong section, so both are searched.
fn unknown(section: &str, name: &str) -> String {
    let paths = || keys::ALL.iter().map(|key| key.path);
    let here = paths().filter_map(|path| {
        let rest = if section.is_empty() {
            Some(path)
        } else {
            path.strip_prefix(section)?.strip_prefix('.')
        };
        rest?.split('.').next()
    });
    if let Some(near) = did_you_mean(name, here) {
        return format!("unknown key; did you mean {near}?");
    }
    let elsewhere = paths().find(|path| path.rsplit('.').next() == Some(name));
    elsewhere.map_or_else(
        || "unknown key".to_owned(),
        |path| format!("unknown key; did you mean {path}?"),
    )
}

/// Reads `CPA_EXPORTER_*`; an empty variable counts as not set, because compose files set such.
pub(super) fn environment(env: &Env) -> Layer {
    let mut layer = Layer::default();
    let ours = keys::ALL.iter().map(|key| (key.env(), key.path));
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
    layer.warnings = unknown_variables(env);
    layer
}

/// Unknown variables with our prefix: a warning, because other programs may set them.
fn unknown_variables(env: &Env) -> Vec<Problem> {
    let known: Vec<String> = keys::ALL.iter().map(Key::env).collect();
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
pub(super) fn flags<'a>(given: impl Iterator<Item = (&'a str, &'a str)>) -> Layer {
    let mut layer = Layer::default();
    for (path, value) in given {
        let origin = Origin::Flag(path.replace('_', "-"));
        if let Some(key) = keys::find(path) {
            let raw = Raw::Untyped(value.to_owned());
            layer.values.insert(key.path, Given { raw, origin });
        } else {
            let problem = Problem::new(origin, path, "unknown key");
            layer.problems.push(problem);
        }
    }
    layer
}
