//! Names of interned values, as the labels of the metrics have them.

use std::collections::HashMap;
use std::rc::Rc;

use crate::config::Aliases;
use crate::model::{Dimension, FailureReason, PastKey, visible};
use crate::store::{NewName, Reader, StoreError};

/// Names by column and number. Values that share an alias have the same name.
#[derive(Debug, Default)]
pub struct Names {
    by_dimension: HashMap<Dimension, HashMap<u32, Rc<str>>>,
}

impl Names {
    /// Loads all names. `aliases` replace names of accounts and clients.
    pub fn load(reader: &Reader, aliases: &Aliases) -> Result<Self, StoreError> {
        let mut by_dimension: HashMap<_, HashMap<_, _>> = HashMap::new();
        for stored in reader.names()? {
            let names = by_dimension.entry(stored.dimension).or_default();
            names.insert(stored.id.0, name(&stored, aliases));
        }
        Ok(Self { by_dimension })
    }

    /// The name of a value; absent values are `none`.
    pub(super) fn of(&self, key: PastKey, id: u32) -> Rc<str> {
        match key {
            _ if id == 0 => "none".into(),
            PastKey::Interned(dimension) => {
                let names = self.by_dimension.get(&dimension);
                let name = names.and_then(|names| names.get(&id));
                name.map_or_else(|| format!("id-{id}").into(), Rc::clone)
            }
            PastKey::Status => id.to_string().into(),
            PastKey::Reason => reason(id).into(),
        }
    }

    /// Names that exist, for an error: the first few in alphabetical order.
    pub(super) fn some(&self, key: PastKey) -> Vec<String> {
        const MOST: usize = 10;
        let mut names: Vec<String> = match key {
            PastKey::Interned(dimension) => {
                let names = self.by_dimension.get(&dimension).into_iter().flatten();
                names.map(|(_, name)| name.to_string()).collect()
            }
            PastKey::Status => Vec::new(),
            PastKey::Reason => FailureReason::ALL
                .map(|reason| reason.as_str().to_owned())
                .into(),
        };
        names.sort();
        names.dedup();
        let more = names.len() > MOST;
        names.truncate(MOST);
        if more {
            names.push("…".to_owned());
        }
        names
    }

    /// All numbers whose name is `name`; empty where nothing has it.
    pub(super) fn ids(&self, key: PastKey, name: &str) -> Vec<u32> {
        let mut ids: Vec<u32> = match key {
            PastKey::Interned(dimension) => {
                let names = self.by_dimension.get(&dimension).into_iter().flatten();
                let found = names.filter(|(_, it)| ***it == *name);
                found.map(|(id, _)| *id).collect()
            }
            PastKey::Status => name.parse().into_iter().collect(),
            PastKey::Reason => {
                let reasons = FailureReason::ALL.into_iter();
                let found = reasons.filter(|reason| reason.as_str() == name);
                found.map(|reason| u32::from(reason.code()) + 1).collect()
            }
        };
        if name == "none" {
            ids.push(0);
        }
        ids
    }
}

fn name(stored: &NewName, aliases: &Aliases) -> Rc<str> {
    let kinds = [
        (Dimension::Account, &aliases.accounts),
        (Dimension::Client, &aliases.clients),
    ];
    let aliases = kinds.iter().find(|(kind, _)| *kind == stored.dimension);
    let alias = aliases.and_then(|(_, all)| {
        let by_value = all.get(&*stored.value);
        by_value.or_else(|| all.get(&stored.label))
    });
    let name = alias.map_or(stored.label.as_str(), |alias| alias.as_str());
    visible(name).into()
}

/// `id` is the code + 1.
fn reason(id: u32) -> &'static str {
    let code = id.checked_sub(1).and_then(|code| u8::try_from(code).ok());
    let reason = code.and_then(FailureReason::from_code);
    reason.unwrap_or(FailureReason::Other).as_str()
}
