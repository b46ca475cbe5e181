//! The accounts between two looks: what CPA listed last, and what has been heard since.

use std::collections::HashMap;

use super::account::{Account, Reported, Scope};
use super::error_event::ErrorEvent;
use super::key_lists::{KeyAccount, KeyList, Usage};
use crate::model::UnixNanos;

/// What one look at CPA brought. A part that could not be had is `None`: the last one stays.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) files: Vec<Account>,
    /// Whether the list of files tells all cool-downs, so that none heard before is to be kept.
    pub(super) tells_cooldowns: bool,
    pub(super) keys: Vec<(KeyList, Option<Vec<KeyAccount>>)>,
    pub(super) usage: Option<Usage>,
}

#[derive(Debug, Default)]
pub(super) struct Roster {
    files: Vec<Account>,
    keys: Vec<(KeyList, Vec<KeyAccount>)>,
}

impl Roster {
    pub(super) fn take(&mut self, look: Look, now: UnixNanos) {
        let known: HashMap<Box<str>, Account> = self
            .accounts_mut()
            .map(|account| (account.auth_index.clone(), account.clone()))
            .collect();
        self.files = look.files;
        for (list, keys) in look.keys {
            if let Some(keys) = keys {
                self.keys.retain(|(known, _)| *known != list);
                self.keys.push((list, keys));
            }
        }
        if !look.tells_cooldowns {
            for account in &mut self.files {
                if let Some(old) = known.get(&account.auth_index) {
                    keep_model_cooldowns(account, old);
                }
            }
        }
        for (_, keys) in &mut self.keys {
            for key in keys {
                if let Some(old) = known.get(&key.account.auth_index) {
                    keep_state(&mut key.account, old);
                }
                let counts = key.fingerprint.zip(look.usage.as_ref());
                if let Some((success, failed)) = counts.and_then(|(print, all)| all.get(&print)) {
                    key.account.success = Some(*success);
                    key.account.failed = Some(*failed);
                }
            }
        }
        self.settle(now);
    }

    /// Applies a failure. False when CPA does not list its account.
    pub(super) fn hear(&mut self, event: &ErrorEvent, now: UnixNanos) -> bool {
        let mut accounts = self.accounts_mut();
        let Some(account) = accounts.find(|account| account.auth_index == event.auth_index) else {
            return false;
        };
        event.apply(account);
        account.settle(now);
        true
    }

    /// Lets go what is over. True when something was.
    pub(super) fn settle(&mut self, now: UnixNanos) -> bool {
        self.accounts_mut()
            .fold(false, |changed, account| account.settle(now) | changed)
    }

    pub(super) fn next_change(&self) -> Option<UnixNanos> {
        self.accounts().filter_map(Account::next_change).min()
    }

    pub(super) fn provider(&self, auth_index: &str) -> Option<&str> {
        let mut accounts = self.accounts();
        let account = accounts.find(|account| &*account.auth_index == auth_index)?;
        Some(&account.provider)
    }

    /// Sorted by index. Two keys that CPA itself cannot tell apart are one account.
    pub(super) fn list(&self) -> Vec<Account> {
        let mut all: Vec<Account> = self.accounts().cloned().collect();
        all.sort_by(|a, b| a.auth_index.cmp(&b.auth_index));
        all.dedup_by(|a, b| a.auth_index == b.auth_index);
        all
    }

    fn accounts(&self) -> impl Iterator<Item = &Account> {
        let keys = self.keys.iter().flat_map(|(_, keys)| keys);
        self.files.iter().chain(keys.map(|key| &key.account))
    }

    fn accounts_mut(&mut self) -> impl Iterator<Item = &mut Account> {
        let keys = self.keys.iter_mut().flat_map(|(_, keys)| keys);
        self.files
            .iter_mut()
            .chain(keys.map(|key| &mut key.account))
    }
}

/// v0 lists no cool-downs of models; those heard of last until CPA calls the account well again.
fn keep_model_cooldowns(account: &mut Account, old: &Account) {
    if account.reported != Reported::Error {
        return;
    }
    let models = |scope: &Scope| matches!(scope, Scope::Model(_));
    for cooldown in old.cooldowns.iter().filter(|c| models(&c.scope)) {
        account.cool(cooldown.clone());
    }
}

/// Of a configured key CPA tells a state in its failures only. It lasts as long as they say.
fn keep_state(account: &mut Account, old: &Account) {
    account.unavailable = old.unavailable;
    account.next_retry = old.next_retry;
    account.cooldowns.clone_from(&old.cooldowns);
    account.message = old.message;
}
