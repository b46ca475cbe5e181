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
#[derive(Clone, Debug, Default)]
pub struct AccountNames(Arc<ArcSwap<HashMap<Box<str>, AccountLabel>>>);

impl AccountNames {
    /// `None` for an account that has no name yet.
    pub fn get(&self, auth_index: &str) -> Option<AccountLabel> {
        self.0.load().get(auth_index).cloned()
    }

    /// The names of accounts that no ledger counts, by the same rules: each with CPA's index and
    /// what it would be called without aliases.
    pub fn of(caps: Caps, aliases: Aliases, accounts: Vec<(Box<str>, String)>) -> Self {
        let shared = Self::default();
        let mut texts = LabelTexts::new(caps, aliases);
        let mut named = NamedAccounts::new(shared.clone());
        for (id, (auth_index, label)) in (1..).map(DimId).zip(accounts) {
            texts.name(Dimension::Account, id, &auth_index, &label);
            named.name(&auth_index, id);
        }
        named.publish(&mut texts);
        shared
    }
}

/// The ledger's side: collects names, and publishes them when there are new ones.
#[derive(Debug)]
pub(super) struct NamedAccounts {
    /// CPA's index and our id.
    known: Vec<(Box<str>, DimId)>,
    published: usize,
    names: AccountNames,
}

impl NamedAccounts {
    pub(super) fn new(names: AccountNames) -> Self {
        Self {
            known: Vec::new(),
            published: 0,
            names,
        }
    }

    pub(super) fn name(&mut self, auth_index: &str, id: DimId) {
        self.known.push((auth_index.into(), id));
    }

    /// False when there is no new one.
    pub(super) fn publish(&mut self, texts: &mut LabelTexts) -> bool {
        if self.published == self.known.len() {
            return false;
        }
        self.published = self.known.len();
        let mut label = |id: DimId| match texts.shown(LabelKind::Account, id.0) {
            OTHER => AccountLabel::BeyondCap,
            shown => AccountLabel::Named(texts.text(LabelKind::Account, shown).into()),
        };
        let known = self.known.iter();
        let names = known.map(|(index, id)| (index.clone(), label(*id)));
        self.names.0.store(Arc::new(names.collect()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_and_caps_hold_without_a_ledger() {
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
}
