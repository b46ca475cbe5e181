//! How values of each type are read: one value, a secret, a file, a directory, an array of tables.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
};

use super::{
    Env, Secret,
    key::{Key, Kind},
    raw::Raw,
    resolve::{Field, Placed, Resolver, Section},
    value::Value,
};

impl<T: Value> Field for T {
    const KIND: Kind = T::KIND;
    const VALUE_NAME: &'static str = T::NAME;

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        resolver.value(key)
    }
}

/// The management key, or the secret in the file that a key with the ending `_file` names.
impl Field for Secret {
    const VALUE_NAME: &'static str = "FILE";

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        if !key.path.ends_with("_file") {
            return resolver.secret(key);
        }
        if resolver.given(key.path).is_none() {
            return resolver.missing(key);
        }
        resolver.secret_file(key)
    }
}

impl<T: Field> Field for Option<T> {
    const KIND: Kind = T::KIND;
    const VALUE_NAME: &'static str = T::VALUE_NAME;

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        if resolver.given(key.path).is_none() {
            return Some(None);
        }
        T::read(resolver, key).map(Some)
    }
}

/// An array of tables. Returns the valid ones, so that other problems are found too.
impl<S: Section> Field for Vec<Placed<S>> {
    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        let Some(given) = resolver.given(key.path).cloned() else {
            return Some(Self::new());
        };
        let Raw::List(elements) = given.raw else {
            let text = format!("write it as [[{}]]", key.path);
            resolver.problem(given.origin, key, text);
            return Some(Self::new());
        };
        let mut found = Self::new();
        for (index, element) in elements.into_iter().enumerate() {
            let Raw::Table(entries) = element.raw else {
                let text = format!("expected a table, found {}", element.raw.kind());
                resolver.problem(element.origin, key, text);
                continue;
            };
            let named = entries.iter().find(|entry| entry.name == "name");
            let name = match named.and_then(|entry| entry.value.text()) {
                Some(name) => format!("{} {name:?}", key.path),
                None => format!("{} {}", key.path, index + 1),
            };
            let origin = element.origin;
            if let Some(value) = resolver.nested(entries, origin.clone(), &format!("{name}: ")) {
                let name = format!("{}{name}", resolver.within);
                found.push(Placed {
                    value,
                    origin,
                    name,
                });
            }
        }
        Some(found)
    }
}

/// A file that is readable now.
#[derive(Clone, Debug, PartialEq)]
pub struct FilePath(PathBuf);

impl Deref for FilePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Field for FilePath {
    const VALUE_NAME: &'static str = "FILE";

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        let path = resolver.path(key)?;
        resolver.text(&path, key)?;
        Some(Self(path))
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
