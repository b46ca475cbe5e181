//! Reads CPA's account lists: the requests and the decoding of their responses.

use tokio::time::Instant;

use super::super::client::{Client, HttpFailure};
use super::super::generation::Api;
use super::account::Account;
use super::decode_v0;
use super::decode_v8;
use super::key_lists::{self, KeyList};
use super::{Decoding, Lists, NotAList};

/// Maximum number of pages, in case a server always reports another one.
const MAX_PAGES: u32 = 200;

/// Reads CPA's lists. Keeps state between reads, to log changes only.
#[derive(Debug)]
pub(crate) struct ListsReader {
    client: Client,
    decoding: Decoding,
    /// Lists that could not be read in the latest read.
    unreadable: Vec<&'static str>,
    skipped: usize,
}

/// Reason why the lists could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListsFailure {
    #[error("call failed")]
    Http(#[from] HttpFailure),
    #[error("the response is not a list of accounts")]
    Content,
}

impl From<NotAList> for ListsFailure {
    fn from(_: NotAList) -> Self {
        Self::Content
    }
}

impl ListsReader {
    pub(crate) fn new(client: Client, decoding: Decoding) -> Self {
        Self {
            client,
            decoding,
            unreadable: Vec::new(),
            skipped: 0,
        }
    }

    /// Reads all lists once. Cancel-safe.
    pub(crate) async fn all(&mut self) -> Result<Lists, ListsFailure> {
        let began = Instant::now();
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
        self.say_unreadable(unreadable, skipped);
        Ok(Lists {
            began,
            files,
            has_all_cooldowns: api == Api::V8,
            keys,
            usage: self.usage().await?,
        })
    }

    /// Reads the lists that contain CPA's counts: the credentials, and the counts of the configured
    /// keys. Cancel-safe.
    pub(crate) async fn counted(&mut self) -> Result<Lists, ListsFailure> {
        let began = Instant::now();
        let (api, files) = self.files(&mut 0).await?;
        Ok(Lists {
            began,
            files,
            has_all_cooldowns: api == Api::V8,
            keys: Vec::new(),
            usage: self.usage().await?,
        })
    }

    /// `None` if the response is not a list.
    async fn usage(&self) -> Result<Option<key_lists::Usage>, HttpFailure> {
        Ok(match self.client.key_usage().await? {
            Some(body) => key_lists::usage(&body, &self.decoding).ok(),
            None => Some(key_lists::Usage::new()),
        })
    }

    async fn files(&self, skipped: &mut usize) -> Result<(Api, Vec<Account>), ListsFailure> {
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
