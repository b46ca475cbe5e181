//! Names of accounts and clients in labels: chosen at first sight, stored, never reused.

use crate::model::{DimId, Dimension};

/// Hex digits of an account's id that its name starts with.
const ACCOUNT_DIGITS: usize = 6;
/// Hex digits of the keyed hash after a client's mask.
const CLIENT_DIGITS: usize = 4;

/// Chooses a name for a new value, the shortest that `taken` does not know.
///
/// `None` for dimensions whose label is the value itself. `provider` is the one that the account
/// was first seen with.
pub(super) fn choose(
    dimension: Dimension,
    value: &str,
    provider: &str,
    id: DimId,
    taken: impl Fn(&str) -> bool,
) -> Option<String> {
    let (stem, tail, digits) = match dimension {
        Dimension::Account => (
            if provider.is_empty() {
                "unknown"
            } else {
                provider
            },
            value,
            ACCOUNT_DIGITS,
        ),
        Dimension::Client => {
            let (mask, hash) = value.rsplit_once('#').unwrap_or((value, ""));
            (mask, hash, CLIENT_DIGITS)
        }
        Dimension::Provider
        | Dimension::Executor
        | Dimension::Model
        | Dimension::Alias
        | Dimension::Endpoint
        | Dimension::ServiceTier
        | Dimension::ReasoningEffort
        | Dimension::Source
        | Dimension::FailureText
        | Dimension::Reference
        | Dimension::Combo => return None,
    };
    let ends = tail.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.skip(digits.saturating_sub(1))
        .filter_map(|end| Some(format!("{stem}-{}", tail.get(..end)?)))
        .chain([format!("{stem}-{tail}"), format!("{stem}-{tail}-{}", id.0)])
        .find(|name| !taken(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(dimension: Dimension, value: &str, taken: &[&str]) -> Option<String> {
        choose(dimension, value, "codex", DimId(7), |n| taken.contains(&n))
    }

    #[test]
    fn names_are_short_and_grow_on_collision() {
        let account = |taken: &[&str]| name(Dimension::Account, "37e10dbe", taken).unwrap();
        assert_eq!(account(&[]), "codex-37e10d");
        assert_eq!(account(&["codex-37e10d"]), "codex-37e10db");
        assert_eq!(
            account(&["codex-37e10d", "codex-37e10db", "codex-37e10dbe"]),
            "codex-37e10dbe-7"
        );
        let client = name(Dimension::Client, "sk-...9f3x#7c21aaaabbbbcccc", &[]);
        assert_eq!(client.unwrap(), "sk-...9f3x-7c21");
        assert_eq!(name(Dimension::Model, "gpt-5", &[]), None);
    }

    #[test]
    fn odd_values_still_get_a_name() {
        assert_eq!(name(Dimension::Account, "é", &[]).unwrap(), "codex-é");
        assert_eq!(name(Dimension::Client, "...", &[]).unwrap(), "...-");
    }
}
