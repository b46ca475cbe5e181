//! The current accounts: CPA's latest list, updated by the failures since.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::error_event::ErrorEvent;
use crate::cpa::lists::Lists;
use crate::cpa::lists::account::{Account, Cooldown, Reported, Scope};
use crate::cpa::lists::cooldown_reason::CooldownReason;
use crate::cpa::lists::key_lists::{KeyAccount, KeyList, Usage};
use crate::cpa::lists::last_failure::LastFailure;
use crate::model::UnixNanos;

/// CPA rounds the end of a cool-down in some responses only.
const SAME_END: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct AccountSet {
    files: Vec<Account>,
    keys: Vec<(KeyList, Vec<KeyAccount>)>,
    /// Accounts with a failure event since the latest snapshot, unless CPA has restarted since.
    failed_since: HashSet<Box<str>>,
}

/// Accounts by index, before a snapshot was applied.
type Before = HashMap<Box<str>, Account>;

impl AccountSet {
    /// Applies CPA's lists. One that could not be read, or was not requested, stays.
    pub(super) fn apply(&mut self, snapshot: &Lists, now: UnixNanos) {
        let before: Before = self
            .accounts_mut()
            .map(|account| (account.auth_index.clone(), account.clone()))
            .collect();
        self.files.clone_from(&snapshot.files);
        for (list, keys) in &snapshot.keys {
            if let Some(keys) = keys {
                self.keys.retain(|(known, _)| known != list);
                self.keys.push((*list, keys.clone()));
            }
        }
        for account in &mut self.files {
            if let Some(old) = before.get(&account.auth_index) {
                // A failure event since the latest snapshot can be newer than the counts.
                let serves =
                    account.success > old.success && !self.failed_since.contains(&old.auth_index);
                keep_failure(account, old, snapshot.has_all_cooldowns, serves);
                if !snapshot.has_all_cooldowns {
                    keep_model_cooldowns(account, old);
                }
                keep_reasons(account, old);
            }
        }
        self.count_keys(snapshot.usage.as_ref(), &before);
        self.keep_states_of_keys(&before);
        self.settle(now);
    }

    /// Applies a failure. Returns false if CPA does not list its account.
    pub(super) fn record_failure(&mut self, event: &ErrorEvent, now: UnixNanos) -> bool {
        let is_it = |account: &&mut Account| account.auth_index == event.auth_index;
        if let Some(file) = self.files.iter_mut().find(is_it) {
            event.apply(file);
            file.settle(now);
            self.failed_since.insert(event.auth_index.clone());
            return true;
        }
        let Some(key) = self.key_accounts_mut().find(is_it) else {
            return false;
        };
        event.apply(key);
        // Snapshots report no state of keys, so the status would change back with each of them.
        key.reported = Reported::Unknown;
        key.settle(now);
        self.failed_since.insert(event.auth_index.clone());
        true
    }

    /// Forgets the failure events: CPA has restarted after them.
    pub(super) fn forget_failures(&mut self) {
        self.failed_since.clear();
    }

    /// Results of keys; the previous ones if CPA did not report any.
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

    /// CPA reports the state of a configured key only in its failures. The state stays until its
    /// cool-downs end, unless CPA lost it in a restart or has had a success with the key since.
    fn keep_states_of_keys(&mut self, before: &Before) {
        let failed_since = std::mem::take(&mut self.failed_since);
        let restarted = self.key_accounts_mut().any(|key| {
            let old = before.get(&key.auth_index);
            old.is_some_and(|old| key.success < old.success || key.failed < old.failed)
        });
        for key in self.key_accounts_mut() {
            let Some(old) = before.get(&key.auth_index) else {
                continue;
            };
            // A failure event since the latest snapshot can be newer than the counts.
            let is_news = failed_since.contains(&key.auth_index);
            if is_news || !restarted {
                keep_state(key, old);
            }
            if !is_news && key.success > old.success {
                clear_cooldowns(key);
            }
        }
    }

    /// Drops expired cool-downs of all accounts. Returns true if anything changed.
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

    /// Sorted by index. Two keys with the same index in CPA are one account.
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

/// A list contains no HTTP status, so the failure from an event is kept while its message is the
/// same.
fn keep_failure(account: &mut Account, old: &Account, has_all_cooldowns: bool, serves: bool) {
    let failing = account.reported == Reported::Error || account.unavailable;
    if !failing || !LastFailure::is_same(account.last_failure, old.last_failure) {
        return;
    }
    account.last_failure = old.last_failure;
    account.served_since = old.served_since || serves;
    let Some(failure) = old.last_failure.filter(|_| !has_all_cooldowns) else {
        return;
    };
    for cooldown in &mut account.cooldowns {
        cooldown.reason = failure.cooldown;
    }
}

/// A cool-down with the same end keeps its reason, which the list omits or names differently.
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

/// v0 lists no cool-downs of models: those from events are kept until CPA reports the account
/// active.
fn keep_model_cooldowns(account: &mut Account, old: &Account) {
    if account.reported != Reported::Error {
        return;
    }
    let models = |scope: &Scope| matches!(scope, Scope::Model(_));
    for cooldown in old.cooldowns.iter().filter(|c| models(&c.scope)) {
        account.add_cooldown(cooldown.clone());
    }
}

fn keep_state(account: &mut Account, old: &Account) {
    account.unavailable = old.unavailable;
    account.next_retry = old.next_retry;
    account.cooldowns.clone_from(&old.cooldowns);
    account.last_failure = old.last_failure;
}

/// A success clears the cool-downs of the whole credential. The successful model is unknown, so the
/// models' cool-downs stay.
fn clear_cooldowns(account: &mut Account) {
    account.unavailable = false;
    account.next_retry = None;
    account.last_failure = None;
    account
        .cooldowns
        .retain(|cooldown| cooldown.scope != Scope::Credential);
}
