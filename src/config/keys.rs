//! The keys of the configuration, as [`settings`](super::settings) declares them.
//!
//! File, environment, flags, `--help` and the test of `config.example.toml` read this table, so a
//! key exists in all of them.

use std::sync::LazyLock;

use super::{Config, section::Section as _};

/// A configuration key.
#[derive(Debug)]
pub struct Key {
    /// Path in the file, `section.key`.
    pub path: &'static str,
    pub kind: Kind,
    /// Kind of the value, for `--help`.
    pub value_name: &'static str,
    /// As the user would write it; `None` when the default is not one text.
    pub default: Option<&'static str>,
    /// Smallest and largest value, as the user would write them.
    pub bounds: Option<(&'static str, &'static str)>,
    /// The documentation of the field.
    pub(super) help: &'static str,
    /// Heading in `--help`.
    pub heading: &'static str,
}

/// How a key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// Its flag alone means true.
    Switch,
    /// A table with user-defined keys.
    Table,
    /// Must not be on a command line.
    Secret,
}

impl Key {
    /// Long flag without dashes; `None` for a value that must not be on a command line.
    pub fn flag(&self) -> Option<String> {
        (self.kind != Kind::Secret).then(|| self.path.replace('_', "-"))
    }

    /// `cpa.poll_interval` is `CPA_EXPORTER_CPA_POLL_INTERVAL`.
    pub fn env(&self) -> String {
        let path = self.path.replace('.', "_").to_ascii_uppercase();
        format!("{ENV_PREFIX}{path}")
    }

    pub fn help(&self) -> &'static str {
        self.help.trim()
    }
}

pub(crate) const ENV_PREFIX: &str = "CPA_EXPORTER_";

/// In the order of `--help` and of `config.example.toml`.
pub static ALL: LazyLock<Vec<Key>> = LazyLock::new(Config::keys);

pub(super) fn find(path: &str) -> Option<&'static Key> {
    ALL.iter().find(|key| key.path == path)
}

/// Whether `path` is a table of keys, such as `metrics.caps`.
pub(super) fn is_section(path: &str) -> bool {
    ALL.iter()
        .filter_map(|key| key.path.strip_prefix(path))
        .any(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn flags_are_the_paths_with_dashes_and_nothing_is_listed_twice() {
        let mut seen = BTreeSet::new();
        for key in ALL.iter() {
            assert!(seen.insert(key.path), "{} twice", key.path);
            assert!(!key.help().is_empty(), "{}", key.path);
            match key.flag() {
                Some(flag) => assert_eq!(flag, key.path.replace('_', "-")),
                None => assert_eq!(key.path, "cpa.management_key"),
            }
        }
    }

    #[test]
    fn an_environment_name_belongs_to_one_key() {
        let names: BTreeSet<String> = ALL.iter().map(Key::env).collect();
        assert_eq!(names.len(), ALL.len());
        let zero_hold = find("metrics.zero_hold").unwrap();
        assert_eq!(zero_hold.env(), "CPA_EXPORTER_METRICS_ZERO_HOLD");
    }
}
