//! One look at CPA's accounts: the calls, and what the answers are.

use secrecy::SecretString;

use super::account::Account;
use super::account_set::AccountsSnapshot;
use super::decode_v0;
use super::decode_v8;
use super::key_lists::{self, KeyList};
use super::{Decoding, NotAList};
use crate::cpa::{Api, HttpFailure, Management, SuccessCount};

/// Looks after which the server's generation is asked again, though nothing failed.
const LOOKS_KNOWN: u32 = 10;
/// Pages of a list, against a server that says there is always one more.
const MAX_PAGES: u32 = 200;

/// Asks CPA, and remembers what keeps calls few and lets the log speak of changes only.
#[derive(Debug)]
pub(super) struct AccountsClient {
    management: Management,
    decoding: Decoding,
    success_count: SuccessCount,
    api: Option<Api>,
    /// Looks for which the server is taken to be the same.
    fresh_for: u32,
    /// What could not be read at the last look.
    unreadable: Vec<&'static str>,
    skipped: usize,
}

/// Why a look brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotFailure {
    #[error("call failed")]
    Http(#[from] HttpFailure),
    #[error("the answer is no list of accounts")]
    Content,
}

impl From<NotAList> for SnapshotFailure {
    fn from(_: NotAList) -> Self {
        Self::Content
    }
}

impl AccountsClient {
    pub(super) fn new(
        management: Management,
        decoding: Decoding,
        success_count: SuccessCount,
    ) -> Self {
        Self {
            management,
            decoding,
            success_count,
            api: None,
            fresh_for: 0,
            unreadable: Vec::new(),
            skipped: 0,
        }
    }

    /// Asks for everything once. May be dropped at any time.
    pub(super) async fn snapshot(
        &mut self,
        key: &SecretString,
    ) -> Result<AccountsSnapshot, SnapshotFailure> {
        let looked = self.ask(key).await;
        self.fresh_for = match looked {
            Ok(_) => self.fresh_for.saturating_sub(1),
            // It may be another program by now.
            Err(_) => 0,
        };
        looked
    }

    async fn ask(&mut self, key: &SecretString) -> Result<AccountsSnapshot, SnapshotFailure> {
        let api = self.api(key).await?;
        let arrived = self.success_count.arrived();
        let mut skipped = 0;
        let files = self.files(api, key, &mut skipped).await?;
        let mut unreadable = Vec::new();
        let mut keys = Vec::new();
        for list in KeyList::ALL {
            let found = self.keys(list, key, &mut skipped).await?;
            if found.is_none() {
                unreadable.push(list.name());
            }
            keys.push((list, found));
        }
        let usage = match self.management.key_usage(api, key).await? {
            Some(body) => key_lists::usage(&body, &self.decoding).ok(),
            None => Some(key_lists::Usage::new()),
        };
        if let Some(usage) = &usage {
            let of_files = files.iter().filter_map(|file| file.success);
            let of_keys = usage.values().map(|(success, _)| *success);
            let successes = of_files.chain(of_keys).fold(0, u64::saturating_add);
            self.success_count.note(successes, arrived);
        }
        self.say_unreadable(unreadable, skipped);
        Ok(AccountsSnapshot {
            files,
            tells_cooldowns: api == Api::V8,
            keys,
            usage,
        })
    }

    async fn api(&mut self, key: &SecretString) -> Result<Api, HttpFailure> {
        if let Some(api) = self.api
            && self.fresh_for > 0
        {
            return Ok(api);
        }
        let api = self.management.detect(key).await?.api;
        self.api = Some(api);
        self.fresh_for = LOOKS_KNOWN;
        Ok(api)
    }

    async fn files(
        &mut self,
        api: Api,
        key: &SecretString,
        skipped: &mut usize,
    ) -> Result<Vec<Account>, SnapshotFailure> {
        let mut files = Vec::new();
        for number in 1..=MAX_PAGES {
            let body = self.management.credentials(api, key, number).await?;
            let page = match api {
                Api::V0 => decode_v8::Page {
                    listed: decode_v0::files(&body, &self.decoding)?,
                    more: false,
                },
                Api::V8 => decode_v8::page(&body, &self.decoding)?,
            };
            files.extend(page.listed.accounts);
            *skipped += page.listed.skipped;
            if !page.more {
                break;
            }
        }
        Ok(files)
    }

    /// `None` when the answer is no list; a list that this release has not is empty.
    async fn keys(
        &mut self,
        list: KeyList,
        key: &SecretString,
        skipped: &mut usize,
    ) -> Result<Option<Vec<key_lists::KeyAccount>>, HttpFailure> {
        let Some(body) = self.management.key_list(list.name(), key).await? else {
            return Ok(Some(Vec::new()));
        };
        let listed = key_lists::entries(list, &body, &self.decoding).ok();
        Ok(listed.map(|listed| {
            *skipped += listed.skipped;
            listed.keys
        }))
    }

    fn say_unreadable(&mut self, lists: Vec<&'static str>, skipped: usize) {
        if !lists.is_empty() && lists != self.unreadable {
            let names = lists.join(", ");
            tracing::warn!(
                lists = names,
                "CPA's response is not an account list; keeping the last list"
            );
        }
        if skipped > 0 && skipped != self.skipped {
            tracing::warn!(
                entries = skipped,
                "entries of CPA's lists without an account are ignored"
            );
        }
        self.unreadable = lists;
        self.skipped = skipped;
    }
}
