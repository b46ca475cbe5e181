use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::labels::{LabelKind, LabelTexts, OTHER};
use crate::model::DimId;

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
