//! Resolves each value from the layers: the first layer with a value wins, and problems are
//! collected, so that none hides the next.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    Env, Problem, Problems, Secret, input,
    key::{Key, Kind},
    problem::{Origin, did_you_mean},
    raw::{self, Document, Entry, Given, Layer, Raw, unknown_key},
    value::{Value, text},
};
use crate::platform;

/// A table whose keys are the fields of a struct.
pub(super) trait Section: Sized {
    /// In the order of the declaration.
    fn keys() -> Vec<Key>;

    /// Reads all keys before it returns, so that all problems are found; `None` after a problem.
    fn read(resolver: &mut Resolver<'_>) -> Option<Self>;
}

/// The value of a key.
pub(super) trait Field: Sized {
    const KIND: Kind = Kind::Plain;
    const VALUE_NAME: &'static str = "VALUE";

    /// `None` after a problem.
    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self>;
}

/// Reads values from the layers, first layer first, and collects problems.
pub(super) struct Resolver<'a> {
    layers: Vec<Layer>,
    pub(super) env: &'a Env,
    /// Where a key is missing.
    place: Origin,
    /// What precedes a key in messages: `quota "free": `.
    pub(super) within: String,
    /// Whether wrong values are quoted; one in another file may be a secret.
    quotes: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// An element of an array of tables.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
    /// For messages: `quota "free"`.
    pub(super) name: String,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(mut layers: Vec<Layer>, env: &'a Env) -> Self {
        let take = |of: fn(&mut Layer) -> &mut Vec<Problem>, layers: &mut Vec<Layer>| {
            layers
                .iter_mut()
                .flat_map(|layer| std::mem::take(of(layer)))
                .collect()
        };
        Self {
            problems: take(|layer| &mut layer.problems, &mut layers),
            warnings: take(|layer| &mut layer.warnings, &mut layers),
            layers,
            env,
            place: Origin::Default,
            within: String::new(),
            quotes: true,
        }
    }

    pub(super) fn finish(self) -> (Problems, Vec<Problem>) {
        (Problems(self.problems), self.warnings)
    }

    pub(super) fn given(&self, path: &str) -> Option<&Given> {
        let mut layers = self.layers.iter();
        layers.find_map(|layer| layer.values.get(path))
    }

    pub(super) fn origin(&self, path: &str) -> Origin {
        self.given(path)
            .map_or(Origin::Default, |given| given.origin.clone())
    }

    pub(super) fn problem(&mut self, origin: Origin, key: &Key, text: impl Into<String>) {
        let key = format!("{}{}", self.within, key.path);
        self.problems.push(Problem::new(origin, &key, text));
    }

    /// The given value, or the default; also after a problem, so that others are found too.
    pub(super) fn value<T: Value>(&mut self, key: &Key) -> Option<T> {
        let default = || T::parse(&Raw::Untyped(key.default?.to_owned())).ok();
        let Some(given) = self.given(key.path).cloned() else {
            return default().or_else(|| self.missing(key));
        };
        let shown = T::QUOTED && self.quotes;
        let found = |text: String| {
            // "expected a number from 1, found a number" would say nothing.
            let is_said = !shown && text.contains(given.raw.kind());
            let found = if is_said {
                String::new()
            } else {
                found(shown, &given.raw)
            };
            text + &found
        };
        let checked = T::parse(&given.raw)
            .map_err(|expected| found(format!("expected {expected}")))
            .and_then(|value| {
                within(value, key).map_err(|text| if shown { found(text) } else { text })
            });
        match checked {
            Ok(value) => {
                let warning = given.raw.text().and_then(|text| value.warning(text));
                let warning = warning.map(|text| Problem::new(given.origin, key.path, text));
                self.warnings.extend(warning);
                Some(value)
            }
            Err(text) => {
                self.problem(given.origin, key, text);
                default()
            }
        }
    }

    pub(super) fn missing<T>(&mut self, key: &Key) -> Option<T> {
        self.problem(self.place.clone(), key, "a value is required");
        None
    }

    /// A table inside another one, or its defaults.
    pub(super) fn table<S: Section>(&mut self, key: &Key) -> Option<S> {
        let name = format!("{}.", key.path);
        match self.given(key.path).cloned() {
            None => self.nested(Vec::new(), self.place.clone(), &name),
            Some(Given {
                raw: Raw::Table(entries),
                origin,
            }) => self.nested(entries, origin, &name),
            Some(given) => {
                let text = format!("expected a table, found {}", given.raw.kind());
                self.problem(given.origin, key, text);
                None
            }
        }
    }

    pub(super) fn nested<S: Section>(
        &mut self,
        entries: Vec<Entry>,
        place: Origin,
        name: &str,
    ) -> Option<S> {
        let keys = S::keys();
        let mut child = Resolver {
            place,
            within: format!("{}{name}", self.within),
            quotes: false,
            ..Resolver::new(Vec::new(), self.env)
        };
        let mut layer = Layer::default();
        for entry in entries {
            let name = &entry.name;
            if let Some(key) = keys.iter().find(|key| key.path == *name) {
                let (raw, origin) = (entry.value, entry.origin);
                if raw != Raw::Other(Raw::NOTHING) {
                    layer.values.insert(key.path, Given { raw, origin });
                }
            } else {
                let near = did_you_mean(name, keys.iter().map(|key| key.path));
                let key = format!("{}{name}", child.within);
                let text = unknown_key(near);
                child.problems.push(Problem::new(entry.origin, &key, text));
            }
        }
        child.layers.push(layer);
        let read = S::read(&mut child);
        self.problems.append(&mut child.problems);
        self.warnings.append(&mut child.warnings);
        read
    }

    /// Converts each element that is valid; messages name it. `convert` has the names so far.
    pub(super) fn each<T, U>(
        &mut self,
        elements: Vec<Placed<T>>,
        convert: impl Fn(&mut Self, T, &mut BTreeSet<String>) -> Result<U, &'static str>,
    ) -> Vec<U> {
        let mut seen = BTreeSet::new();
        let mut converted = Vec::new();
        for element in elements {
            match convert(self, element.value, &mut seen) {
                Ok(value) => converted.push(value),
                Err(text) => {
                    let problem = Problem::new(element.origin, &element.name, text);
                    self.problems.push(problem);
                }
            }
        }
        converted
    }

    /// Reads the TOML file of `key` as one table; the default without a file and after a problem.
    pub(super) fn file<S: Section, T: Default>(
        &mut self,
        key: &Key,
        convert: impl FnOnce(&mut Self, S) -> T,
    ) -> Option<T> {
        self.file_in(raw::document, key, convert)
    }

    /// As [`Self::file`], in the format of `parse`.
    pub(super) fn file_in<S: Section, T: Default>(
        &mut self,
        parse: fn(&Path, &str) -> Document,
        key: &Key,
        convert: impl FnOnce(&mut Self, S) -> T,
    ) -> Option<T> {
        if self.given(key.path).is_none() {
            return Some(T::default());
        }
        let Some(path) = self.path(key) else {
            return Some(T::default());
        };
        let Some(text) = self.text(&path, key) else {
            return Some(T::default());
        };
        let document = parse(&path, &text);
        let earlier = std::mem::take(&mut self.problems);
        let read = self.nested(document.entries.clone(), Origin::Path(path), "");
        let value = read.map(|read| convert(self, read));
        document.keep_causes(&mut self.problems);
        self.problems.splice(..0, earlier);
        value.or_else(|| Some(T::default()))
    }

    pub(super) fn text(&mut self, path: &Path, key: &Key) -> Option<String> {
        match input::read_text(path) {
            Ok(text) => Some(text),
            Err(error) => {
                let remedy = platform::access_remedy(path, &error);
                let text = format!("{} cannot be read: {error}{remedy}", path.display());
                self.problem(self.origin(key.path), key, text);
                None
            }
        }
    }

    /// A path in a file is relative to that file; `None` after a problem.
    pub(super) fn path(&mut self, key: &Key) -> Option<PathBuf> {
        let given = self.given(key.path)?.clone();
        match text(&given.raw, "a path") {
            Ok(path) if !path.is_empty() => Some(match &given.origin {
                Origin::File { path: file, .. } => file
                    .parent()
                    .map_or_else(|| path.into(), |dir| dir.join(path)),
                Origin::Path(_) | Origin::Environment(_) | Origin::Flag(_) | Origin::Default => {
                    path.into()
                }
            }),
            Ok(_) | Err(_) => {
                let text = format!("expected a path{}", found(self.quotes, &given.raw));
                self.problem(given.origin, key, text);
                None
            }
        }
    }

    /// Whether a switch is given as false.
    fn is_off(&self, path: &str) -> bool {
        let given = self.given(path).map(|given| bool::parse(&given.raw));
        matches!(given, Some(Ok(false)))
    }

    /// The secret of `key`, or the file that the key with the ending `_file` names. The first layer
    /// with either wins; both in one layer are an error.
    pub(super) fn secret(&mut self, key: &Key) -> Option<Secret> {
        let file = format!("{}_file", key.path);
        let first = self.layers.iter().find_map(|layer| {
            let value = layer.values.get(key.path).cloned();
            let file = layer.values.get_key_value(&*file).map(|(path, _)| *path);
            (value.is_some() || file.is_some()).then_some((value, file))
        });
        match first {
            // The unread file may contain it.
            None if self.layers.iter().any(|layer| layer.unread) => None,
            None if self.is_off("cpa.enabled") => Some(Secret::absent()),
            None => {
                let text = "no management key: set cpa.management_key_file in the file, \
                            --cpa.management-key-file, CPA_MANAGEMENT_KEY_FILE or \
                            CPA_MANAGEMENT_KEY";
                self.problem(Origin::Default, key, text);
                None
            }
            Some((Some(given), Some(_))) => {
                let text = "management_key and management_key_file exclude each other";
                self.problem(given.origin, key, text);
                None
            }
            Some((Some(given), None)) => self.secret_value(key, given),
            Some((None, file)) => {
                let file = Key {
                    path: file?,
                    ..*key
                };
                let secret = self.secret_file(&file)?;
                self.warn_if_exposed(&secret, self.origin(file.path), &file);
                Some(secret)
            }
        }
    }

    fn secret_value(&mut self, key: &Key, given: Given) -> Option<Secret> {
        let Some(text) = given.raw.text() else {
            let text = format!("expected text, found {}", given.raw.kind());
            self.problem(given.origin, key, text);
            return None;
        };
        if let Origin::File { path, .. } = &given.origin {
            self.warn_if_exposed(&Secret::from_file(&**path), given.origin.clone(), key);
        }
        Secret::from_value(text)
            .map_err(|error| self.problem(given.origin, key, error.to_string()))
            .ok()
    }

    pub(super) fn secret_file(&mut self, key: &Key) -> Option<Secret> {
        let secret = Secret::from_file(self.path(key)?);
        let origin = self.origin(key.path);
        if let Err(error) = secret.read() {
            let cause = std::error::Error::source(&error)
                .map_or_else(String::new, |cause| format!(": {cause}"));
            let place = secret.file().map_or_else(String::new, place);
            let remedy = secret.access_remedy(&error);
            self.problem(origin, key, format!("{place}{error}{cause}{remedy}"));
            return None;
        }
        Some(secret)
    }

    pub(super) fn warn_if_exposed(&mut self, secret: &Secret, origin: Origin, key: &Key) {
        if secret.is_world_readable() {
            let text = "everybody on this machine can read the file; chmod 600 helps";
            self.warnings.push(Problem::new(origin, key.path, text));
        }
    }
}

fn within<T: Value>(value: T, key: &Key) -> Result<T, String> {
    let bound = |text: &str| T::parse(&Raw::Untyped(text.to_owned()));
    if let Some((low, high)) = key.bounds {
        let (least, most) = (bound(low)?, bound(high)?);
        if !value.is_within(&least, &most) {
            return Err(format!("must be between {low} and {high}"));
        }
    }
    Ok(value)
}

/// The found value for a message: the value if it may be shown and is short, else its kind, unless
/// the kind is as expected.
fn found(shown: bool, raw: &Raw) -> String {
    if let Raw::Integer(number) = raw
        && shown
    {
        return format!(", found {number}");
    }
    match raw.text() {
        Some(text) if shown && text.chars().count() <= 40 => format!(", found {text:?}"),
        Some(_) => String::new(),
        None => format!(", found {}", raw.kind()),
    }
}

/// A key written in place of a file's path must not appear in the log.
fn place(path: &Path) -> String {
    if path.components().count() > 1 {
        format!("{}: ", path.display())
    } else {
        String::new()
    }
}
