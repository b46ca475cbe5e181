//! Names of accounts and clients in labels: chosen at first sight, stored, never reused.

use std::collections::HashSet;

use crate::model::{DimId, Dimension, OWN_ACCOUNT};

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
        Dimension::Account if value.starts_with(OWN_ACCOUNT) => return own(value, id, taken),
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
        | Dimension::Combo
        | Dimension::Status
        | Dimension::GatewayChannel
        | Dimension::GatewayModel
        | Dimension::GatewayStatus
        | Dimension::GatewayErrorType
        | Dimension::GatewayLogType => return None,
    };
    let ends = tail.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.skip(digits.saturating_sub(1))
        .filter_map(|end| Some(format!("{stem}-{}", tail.get(..end)?)))
        .chain([format!("{stem}-{tail}"), format!("{stem}-{tail}-{}", id.0)])
        .find(|name| !taken(name))
}

/// What accounts are called in a database that is still to be made: each by its index and
/// provider, in this order.
pub fn account_names<'a>(
    accounts: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<(Box<str>, String)> {
    let mut taken = HashSet::new();
    let mut named = Vec::new();
    for (id, (auth_index, provider)) in (1..).map(DimId).zip(accounts) {
        let dimension = Dimension::Account;
        let name = choose(dimension, auth_index, provider, id, |n| taken.contains(n));
        if let Some(name) = name {
            taken.insert(name.clone());
            named.push((auth_index.into(), name));
        }
    }
    named
}

/// The user has named the account.
fn own(value: &str, id: DimId, taken: impl Fn(&str) -> bool) -> Option<String> {
    let name = value.strip_prefix(OWN_ACCOUNT)?;
    let mut names = [name.to_owned(), format!("{name}-{}", id.0)].into_iter();
    names.find(|name| !taken(name))
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
    fn accounts_without_a_database_are_called_as_in_a_new_one() {
        let accounts = [("37e10dbe", "codex"), ("37e10dff", "codex"), ("0a", "")];
        let names: Vec<String> = account_names(accounts)
            .into_iter()
            .map(|(_, n)| n)
            .collect();
        assert_eq!(names, ["codex-37e10d", "codex-37e10df", "unknown-0a"]);
    }

    #[test]
    fn an_account_of_the_users_own_has_the_users_name() {
        let account = |taken: &[&str]| name(Dimension::Account, "own:work", taken).unwrap();
        assert_eq!(account(&[]), "work");
        assert_eq!(account(&["work"]), "work-7");
    }

    #[test]
    fn odd_values_still_get_a_name() {
        assert_eq!(name(Dimension::Account, "é", &[]).unwrap(), "codex-é");
        assert_eq!(name(Dimension::Client, "...", &[]).unwrap(), "...-");
    }
}
