//! Resolves each value from the layers: the first layer with a value wins, and problems are
//! collected, so that none hides the next.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use super::{
    Config, Env, Problem, Problems, Secret,
    keys::{self, Key},
    problem::Origin,
    raw::{Given, Layer, Raw},
    section::Field,
    value::{Value, text},
};
use crate::platform;

/// Reads values from the layers, first layer first, and collects problems.
pub(super) struct Resolver<'a> {
    layers: [Layer; 3],
    pub(super) env: &'a Env,
    pub(super) problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(mut layers: [Layer; 3], env: &'a Env) -> Self {
        let take = |of: fn(&mut Layer) -> &mut Vec<Problem>, layers: &mut [Layer; 3]| {
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
        }
    }

    pub(super) fn finish(self) -> (Problems, Vec<Problem>) {
        (Problems(self.problems), self.warnings)
    }

    /// Checks limits that depend on each other.
    pub(super) fn check_together(&mut self, config: &Config) {
        let least = config.cpa.pop_bytes.get().saturating_mul(4);
        if config.storage.spool_limit.get() < least {
            let key = "storage.spool_limit";
            let text = format!(
                "{} has no room for four pops of cpa.pop_bytes = {}",
                config.storage.spool_limit, config.cpa.pop_bytes
            );
            self.problems
                .push(Problem::new(self.origin(key), key, text));
        }
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
        self.problems.push(Problem::new(origin, key.path, text));
    }

    /// The given value, or the default; `None` after a problem, or for a key without default.
    pub(super) fn value<T: Value>(&mut self, key: &Key) -> Option<T> {
        let given = self.given(key.path).cloned().or_else(|| {
            let raw = Raw::Untyped(key.default?.to_owned());
            let origin = Origin::Default;
            Some(Given { raw, origin })
        })?;
        let checked = T::parse(&given.raw)
            .map_err(|expected| format!("expected {expected}"))
            .and_then(|value| within(value, key));
        match checked {
            Ok(value) => {
                if let Raw::Text(text) | Raw::Untyped(text) = &given.raw
                    && let Some(text) = value.warning(text)
                {
                    let warning = Problem::new(given.origin, key.path, text);
                    self.warnings.push(warning);
                }
                Some(value)
            }
            Err(text) => {
                let found = found(T::QUOTED, &given.raw);
                self.problem(given.origin, key, format!("{text}{found}"));
                None
            }
        }
    }

    /// A path in a file is relative to that file; `None` after a problem.
    fn path(&mut self, key: &Key) -> Option<PathBuf> {
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
                let text = format!("expected a path{}", found(true, &given.raw));
                self.problem(given.origin, key, text);
                None
            }
        }
    }

    /// A file that must be readable now.
    fn readable_file(&mut self, key: &Key) -> Option<PathBuf> {
        let path = self.path(key)?;
        if let Err(error) = File::open(&path) {
            let remedy = platform::access_remedy(&path, &error);
            let text = format!("{} cannot be read: {error}{remedy}", path.display());
            self.problem(self.origin(key.path), key, text);
            return None;
        }
        Some(path)
    }

    /// The secret of `key`, or the file that the key with the ending `_file` names. The first layer
    /// with either wins; both in one layer are an error.
    fn secret(&mut self, key: &Key) -> Option<Secret> {
        let file = &Key {
            path: keys::find(&format!("{}_file", key.path))?.path,
            ..*key
        };
        let lookup = |layer: &Layer, key: &Key| layer.values.get(key.path).cloned();
        let first = self.layers.iter().find_map(|layer| {
            let given = (lookup(layer, key), lookup(layer, file));
            (given != (None, None)).then_some(given)
        });
        match first {
            // The unread file may contain it.
            None if self.layers.iter().any(|layer| layer.unread) => None,
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
            Some((None, _)) => self.secret_file(file),
        }
    }

    fn secret_value(&mut self, key: &Key, given: Given) -> Option<Secret> {
        let (Raw::Text(text) | Raw::Untyped(text)) = given.raw else {
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

    fn secret_file(&mut self, key: &Key) -> Option<Secret> {
        let secret = Secret::from_file(self.path(key)?);
        let origin = self.origin(key.path);
        self.warn_if_exposed(&secret, origin.clone(), key);
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

    fn warn_if_exposed(&mut self, secret: &Secret, origin: Origin, key: &Key) {
        if secret.is_world_readable() {
            let text = "everybody on this machine can read the file; chmod 600 helps";
            self.warnings.push(Problem::new(origin, key.path, text));
        }
    }
}

/// The management key, or a secret with a file of its own.
impl Field for Secret {
    const VALUE_NAME: &'static str = "FILE";

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        resolver.secret(key)
    }
}

/// A file with a secret, if it is given.
impl Field for Option<Secret> {
    const VALUE_NAME: &'static str = "FILE";

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        let path = Option::<PathBuf>::read(resolver, key)?;
        Some(path.map(Secret::from_file))
    }
}

/// A readable file, if it is given.
impl Field for Option<PathBuf> {
    const VALUE_NAME: &'static str = "FILE";

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        if resolver.given(key.path).is_none() {
            return Some(None);
        }
        resolver.readable_file(key).map(Some)
    }
}

/// The data directory.
impl Field for PathBuf {
    const VALUE_NAME: &'static str = "DIR";

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        if resolver.given(key.path).is_none() {
            return Some(default_directory(resolver.env));
        }
        resolver.path(key)
    }
}

fn within<T: Value>(value: T, key: &Key) -> Result<T, String> {
    let bound = |text: &str| T::parse(&Raw::Untyped(text.to_owned()));
    if let Some((low, high)) = key.bounds {
        let (least, most) = (bound(low)?, bound(high)?);
        if value < least || value > most {
            return Err(format!("must be between {low} and {high}"));
        }
    }
    Ok(value)
}

/// The found value for a message: the value if it may be shown and is short, else its kind, unless
/// the kind is as expected.
fn found(shown: bool, raw: &Raw) -> String {
    match raw {
        Raw::Text(text) | Raw::Untyped(text) if shown && text.chars().count() <= 40 => {
            format!(", found {text:?}")
        }
        Raw::Integer(number) if shown => format!(", found {number}"),
        Raw::Text(_) | Raw::Untyped(_) => String::new(),
        Raw::Integer(_) | Raw::Boolean(_) | Raw::Table(_) | Raw::Other(_) => {
            format!(", found {}", raw.kind())
        }
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

/// Under systemd the unit's state directory; else the platform's directory of user data; else a
/// directory below the working directory.
fn default_directory(env: &Env) -> PathBuf {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty());
    if let Some(listed) = set("STATE_DIRECTORY") {
        // systemd separates several directories by colons.
        let first = listed.to_str().and_then(|all| all.split(':').next());
        return first.map_or_else(|| PathBuf::from(listed), PathBuf::from);
    }
    let (base, below) = if cfg!(windows) {
        (set("LOCALAPPDATA"), "cpa-exporter")
    } else if cfg!(target_os = "macos") {
        (set("HOME"), "Library/Application Support/cpa-exporter")
    } else if let Some(data) = set("XDG_DATA_HOME") {
        (Some(data), "cpa-exporter")
    } else {
        (set("HOME"), ".local/share/cpa-exporter")
    };
    base.map_or_else(
        || PathBuf::from("cpa-exporter-data"),
        |base| Path::new(base).join(below),
    )
}
