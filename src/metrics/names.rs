use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::labels::{Aliases, Caps, LabelKind, LabelTexts, OTHER};
use crate::model::{DimId, Dimension};

/// What an account is called in labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountLabel {
    Named(Box<str>),
    /// More accounts than the cap allows: its gauges are left out.
    BeyondCap,
}

/// The names of all accounts ever seen, by CPA's index of the credential. The ingest thread
/// chooses them, everybody reads them.
///
/// Credentials that share an alias share their counters, which add up. Gauges of several would be one
/// series with two values: the newest credential has the alias, the ones before it have the
/// alias and the start of their index.
#[derive(Clone, Debug, Default)]
pub struct AccountNames(Arc<ArcSwap<HashMap<Box<str>, Names>>>);

#[derive(Clone, Debug)]
struct Names {
    own: AccountLabel,
    shared: AccountLabel,
}

impl AccountNames {
    /// What the credential alone is called. `None` for an account that has no name yet.
    pub fn get(&self, auth_index: &str) -> Option<AccountLabel> {
        self.0.load().get(auth_index).map(|names| names.own.clone())
    }

    /// What the credential's counters are called.
    pub fn in_counters(&self, auth_index: &str) -> Option<AccountLabel> {
        let names = self.0.load();
        names.get(auth_index).map(|names| names.shared.clone())
    }

    /// Names of accounts without counters, by the same rules. Each account has CPA's index and its
    /// default name.
    pub fn of(caps: Caps, aliases: Aliases, accounts: Vec<(Box<str>, String)>) -> Self {
        let shared = Self::default();
        let mut texts = LabelTexts::new(caps, aliases);
        let mut named = NamedAccounts::new(shared.clone());
        for (id, (auth_index, label)) in (1..).map(DimId).zip(accounts) {
            texts.name(Dimension::Account, id, &auth_index, &label);
            named.name(&auth_index, &label, id);
        }
        named.publish(&mut texts);
        shared
    }
}

/// Collects the names of accounts and publishes them when there are new ones.
#[derive(Debug)]
pub(super) struct NamedAccounts {
    known: Vec<Account>,
    published: usize,
    names: AccountNames,
}

#[derive(Debug)]
struct Account {
    auth_index: Box<str>,
    id: DimId,
    /// Without an alias: its provider and the start of its index.
    default_name: Box<str>,
}

impl NamedAccounts {
    pub(super) fn new(names: AccountNames) -> Self {
        Self {
            known: Vec::new(),
            published: 0,
            names,
        }
    }

    pub(super) fn name(&mut self, auth_index: &str, default_name: &str, id: DimId) {
        self.known.push(Account {
            auth_index: auth_index.into(),
            id,
            default_name: default_name.into(),
        });
    }

    /// False when there is no new one.
    pub(super) fn publish(&mut self, texts: &mut LabelTexts) -> bool {
        if self.published == self.known.len() {
            return false;
        }
        self.published = self.known.len();
        // Ids grow with time, and gauges have the provider beside the account.
        let mut newest: HashMap<(u32, &str), DimId> = HashMap::new();
        let mut known = Vec::with_capacity(self.known.len());
        for account in &self.known {
            let shown = texts.shown(LabelKind::Account, account.id.0);
            let (provider, start) = parts_of(&account.default_name);
            known.push((account, shown, provider, start));
        }
        for (account, shown, provider, _) in &known {
            let id = newest.entry((*shown, provider)).or_insert(account.id);
            *id = account.id.max(*id);
        }
        let names = known.iter().map(|(account, shown, provider, start)| {
            let names = if *shown == OTHER {
                Names {
                    own: AccountLabel::BeyondCap,
                    shared: AccountLabel::BeyondCap,
                }
            } else {
                let shared = texts.text(LabelKind::Account, *shown);
                let is_newest = newest.get(&(*shown, provider)) == Some(&account.id);
                let own = if is_newest {
                    shared.into()
                } else {
                    format!("{shared}-{start}").into()
                };
                Names {
                    own: AccountLabel::Named(own),
                    shared: AccountLabel::Named(shared.into()),
                }
            };
            (account.auth_index.clone(), names)
        });
        self.names.0.store(Arc::new(names.collect()));
        true
    }
}

/// Provider and start of the index in a default name.
fn parts_of(default_name: &str) -> (&str, &str) {
    let parts = default_name.rsplit_once('-');
    parts.unwrap_or((default_name, default_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_and_caps_apply_without_counters() {
        let caps = Caps {
            account: 3,
            ..Caps::default()
        };
        let mut aliases = Aliases::default();
        for (from, to) in [("aa11", "work"), ("codex-bb22", "home")] {
            aliases.accounts.insert(from.to_owned(), to.to_owned());
        }
        let accounts = ["aa11", "bb22", "cc33", "dd44"].map(|i| (i.into(), format!("codex-{i}")));
        let names = AccountNames::of(caps, aliases, accounts.into());
        let label = |text: &str| Some(AccountLabel::Named(text.into()));
        assert_eq!(names.get("aa11"), label("work"));
        assert_eq!(names.get("bb22"), label("home"));
        assert_eq!(names.get("cc33"), label("codex-cc33"));
        assert_eq!(names.get("dd44"), Some(AccountLabel::BeyondCap));
        assert_eq!(names.get("ee55"), None);
    }

    #[test]
    fn accounts_with_one_alias_share_counters_and_have_separate_gauges() {
        let mut aliases = Aliases::default();
        for (from, to) in [
            ("0ld0", "work"),
            ("e1e0", "work"),
            ("cc33", "work"),
            // The name of another account is none to share.
            ("dd44", "codex-ff66"),
        ] {
            aliases.accounts.insert(from.to_owned(), to.to_owned());
        }
        let accounts = [
            ("0ld0", "codex-0ld0"),
            ("e1e0", "codex-e1e0"),
            ("cc33", "claude-cc33"),
            ("ff66", "codex-ff66"),
            ("dd44", "codex-dd44"),
        ]
        .map(|(index, label)| (index.into(), label.to_owned()));
        let names = AccountNames::of(Caps::default(), aliases, accounts.into());
        let label = |text: &str| Some(AccountLabel::Named(text.into()));
        for (index, own, counters) in [
            ("0ld0", "work-0ld0", "work"),
            ("e1e0", "work", "work"),
            ("cc33", "work", "work"),
            ("ff66", "codex-ff66", "codex-ff66"),
            ("dd44", "codex-dd44", "codex-dd44"),
        ] {
            assert_eq!(names.get(index), label(own), "{index}");
            assert_eq!(names.in_counters(index), label(counters), "{index}");
        }
    }
}
