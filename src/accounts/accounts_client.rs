//! Reads CPA's account lists: the requests and the decoding of their responses.

use super::account::Account;
use super::account_set::AccountsSnapshot;
use super::decode_v0;
use super::decode_v8;
use super::key_lists::{self, KeyList};
use super::{Decoding, NotAList};
use crate::cpa::{Api, Client, HttpFailure, SuccessCount};

/// Maximum number of pages, in case a server always reports another one.
const MAX_PAGES: u32 = 200;

/// Reads CPA's account lists. Keeps state between snapshots, to save requests and log changes only.
#[derive(Debug)]
pub(super) struct AccountsClient {
    client: Client,
    decoding: Decoding,
    success_count: SuccessCount,
    /// Lists that could not be read in the latest snapshot.
    unreadable: Vec<&'static str>,
    skipped: usize,
}

/// Reason why a snapshot failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotFailure {
    #[error("call failed")]
    Http(#[from] HttpFailure),
    #[error("the response is not a list of accounts")]
    Content,
}

impl From<NotAList> for SnapshotFailure {
    fn from(_: NotAList) -> Self {
        Self::Content
    }
}

impl AccountsClient {
    pub(super) fn new(client: Client, decoding: Decoding, success_count: SuccessCount) -> Self {
        Self {
            client,
            decoding,
            success_count,
            unreadable: Vec::new(),
            skipped: 0,
        }
    }

    /// Reads all lists once. Cancel-safe.
    pub(super) async fn snapshot(&mut self) -> Result<AccountsSnapshot, SnapshotFailure> {
        let read = self.read().await;
        if read.is_err() {
            // A different server may be running by now.
            self.client.forget_server();
        }
        read
    }

    async fn read(&mut self) -> Result<AccountsSnapshot, SnapshotFailure> {
        let arrived = self.success_count.arrived();
        let mut skipped = 0;
        let (api, files) = self.files(&mut skipped).await?;
        let mut unreadable = Vec::new();
        let mut keys = Vec::new();
        for list in KeyList::ALL {
            let found = self.keys(list, &mut skipped).await?;
            if found.is_none() {
                unreadable.push(list.name());
            }
            keys.push((list, found));
        }
        let usage = match self.client.key_usage().await? {
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
            has_all_cooldowns: api == Api::V8,
            keys,
            usage,
        })
    }

    async fn files(&self, skipped: &mut usize) -> Result<(Api, Vec<Account>), SnapshotFailure> {
        let api = self.client.server().await?.api;
        let mut files = Vec::new();
        for number in 1..=MAX_PAGES {
            let (api, body) = self.client.credentials(number).await?;
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
        Ok((api, files))
    }

    /// `None` if the response is not a list; a list that this CPA version does not have is empty.
    async fn keys(
        &self,
        list: KeyList,
        skipped: &mut usize,
    ) -> Result<Option<Vec<key_lists::KeyAccount>>, HttpFailure> {
        let Some(body) = self.client.key_list(list.name()).await? else {
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
