//! The accounts between two looks: what CPA listed last, and what has been heard since.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::account::{Account, Cooldown, Reported, Scope};
use super::cooldown_reason::CooldownReason;
use super::error_event::ErrorEvent;
use super::key_lists::{KeyAccount, KeyList, Usage};
use super::last_failure::LastFailure;
use crate::model::UnixNanos;

/// CPA may round the end of a cool-down in one place and not in another.
const SAME_END: Duration = Duration::from_secs(1);

/// What one look at CPA brought. A part that could not be had is `None`: the last one stays.
#[derive(Debug, Default)]
pub(super) struct AccountsSnapshot {
    pub(super) files: Vec<Account>,
    /// Whether the list of files tells all cool-downs, so that none heard before is to be kept.
    pub(super) tells_cooldowns: bool,
    pub(super) keys: Vec<(KeyList, Option<Vec<KeyAccount>>)>,
    pub(super) usage: Option<Usage>,
}

#[derive(Debug, Default)]
pub(super) struct AccountSet {
    files: Vec<Account>,
    keys: Vec<(KeyList, Vec<KeyAccount>)>,
    /// Accounts of which a failure was heard since the last look, and from a CPA that may run still.
    heard: HashSet<Box<str>>,
}

/// Accounts by index, as they were before a look.
type Before = HashMap<Box<str>, Account>;

impl AccountSet {
    pub(super) fn take(&mut self, snapshot: AccountsSnapshot, now: UnixNanos) {
        let before: Before = self
            .accounts_mut()
            .map(|account| (account.auth_index.clone(), account.clone()))
            .collect();
        self.files = snapshot.files;
        for (list, keys) in snapshot.keys {
            if let Some(keys) = keys {
                self.keys.retain(|(known, _)| *known != list);
                self.keys.push((list, keys));
            }
        }
        for account in &mut self.files {
            if let Some(old) = before.get(&account.auth_index) {
                // What was heard since the last look can be newer than what the counts tell.
                let serves = account.success > old.success && !self.heard.contains(&old.auth_index);
                keep_failure(account, old, snapshot.tells_cooldowns, serves);
                if !snapshot.tells_cooldowns {
                    keep_model_cooldowns(account, old);
                }
                keep_reasons(account, old);
            }
        }
        self.count_keys(snapshot.usage.as_ref(), &before);
        self.keep_states_of_keys(&before);
        self.settle(now);
    }

    /// Applies a failure. False when CPA does not list its account.
    pub(super) fn hear(&mut self, event: &ErrorEvent, now: UnixNanos) -> bool {
        let is_it = |account: &&mut Account| account.auth_index == event.auth_index;
        if let Some(file) = self.files.iter_mut().find(is_it) {
            event.apply(file);
            file.settle(now);
            self.heard.insert(event.auth_index.clone());
            return true;
        }
        let Some(key) = self.key_accounts_mut().find(is_it) else {
            return false;
        };
        event.apply(key);
        // The next look could not confirm the word, so it would come and go with each failure.
        key.reported = Reported::Unknown;
        key.settle(now);
        self.heard.insert(event.auth_index.clone());
        true
    }

    /// A CPA that is found to have been restarted was so after all that has been heard.
    pub(super) fn nothing_new(&mut self) {
        self.heard.clear();
    }

    /// Results of keys; those of the last look where CPA did not tell.
    fn count_keys(&mut self, usage: Option<&Usage>, before: &Before) {
        for key in self.keys.iter_mut().flat_map(|(_, keys)| keys) {
            let counts = match usage {
                Some(all) => key.fingerprint.and_then(|print| all.get(&print)).copied(),
                None => before
                    .get(&key.account.auth_index)
                    .and_then(|old| old.success.zip(old.failed)),
            };
            (key.account.success, key.account.failed) = counts.unzip();
        }
    }

    /// Of a configured key CPA tells a state in its failures only. It lasts as long as they say,
    /// unless CPA has lost it in a restart, or serves with the key again.
    fn keep_states_of_keys(&mut self, before: &Before) {
        let heard = std::mem::take(&mut self.heard);
        let restarted = self.key_accounts_mut().any(|key| {
            let old = before.get(&key.auth_index);
            old.is_some_and(|old| key.success < old.success || key.failed < old.failed)
        });
        for key in self.key_accounts_mut() {
            let Some(old) = before.get(&key.auth_index) else {
                continue;
            };
            // What was heard since the last look can be newer than what the counts tell.
            let is_news = heard.contains(&key.auth_index);
            if is_news || !restarted {
                keep_state(key, old);
            }
            if !is_news && key.success > old.success {
                serves_again(key);
            }
        }
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

    fn key_accounts_mut(&mut self) -> impl Iterator<Item = &mut Account> {
        let keys = self.keys.iter_mut().flat_map(|(_, keys)| keys);
        keys.map(|key| &mut key.account)
    }
}

/// A list tells no status: a failure that was heard with one is better known than by its message.
fn keep_failure(account: &mut Account, old: &Account, tells_cooldowns: bool, serves: bool) {
    let failing = account.reported == Reported::Error || account.unavailable;
    if !failing || !LastFailure::is_same(account.last_failure, old.last_failure) {
        return;
    }
    account.last_failure = old.last_failure;
    account.served_since = old.served_since || serves;
    let Some(failure) = old.last_failure.filter(|_| !tells_cooldowns) else {
        return;
    };
    for cooldown in &mut account.cooldowns {
        cooldown.reason = failure.cooldown;
    }
}

/// A cool-down that lasts as long as before is the same and keeps its reason, which the list does
/// not tell or calls by another word.
fn keep_reasons(account: &mut Account, old: &Account) {
    for cooldown in &mut account.cooldowns {
        let same = |known: &&Cooldown| {
            let apart = known.until.since(cooldown.until) + cooldown.until.since(known.until);
            known.scope == cooldown.scope && apart < SAME_END
        };
        let known = old.cooldowns.iter().find(same).map(|known| known.reason);
        let known = known.filter(|reason| *reason != CooldownReason::Unknown);
        cooldown.reason = known.unwrap_or(cooldown.reason);
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

fn keep_state(account: &mut Account, old: &Account) {
    account.unavailable = old.unavailable;
    account.next_retry = old.next_retry;
    account.cooldowns.clone_from(&old.cooldowns);
    account.last_failure = old.last_failure;
}

/// With a success CPA takes back what it had against the whole. Which model it was, and so whether
/// another one still waits, is not known.
fn serves_again(account: &mut Account) {
    account.unavailable = false;
    account.next_retry = None;
    account.last_failure = None;
    account
        .cooldowns
        .retain(|cooldown| cooldown.scope != Scope::Credential);
}
