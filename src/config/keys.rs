//! All keys, as [`settings`](super::settings) declares them.
//!
//! File, environment, flags, `--help` and the test of `config.example.toml` read this table, so a
//! key exists in all of them.

use std::sync::LazyLock;

pub use super::key::{Key, Kind};
use super::{resolve::Section as _, settings::Config};

/// In the order of `--help` and of `config.example.toml`.
pub static ALL: LazyLock<Vec<Key>> = LazyLock::new(Config::keys);

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
        let zero_hold = ALL
            .iter()
            .find(|key| key.path == "metrics.zero_hold")
            .unwrap();
        assert_eq!(zero_hold.env(), "CPA_EXPORTER_METRICS_ZERO_HOLD");
    }
}
