//! CPA's lists of credentials and configured keys: the requests, and the decoders of the responses.
//!
//! Raw keys end in the decoders here, as those of records end in [`decode`](crate::decode).

pub(crate) mod account;
pub(crate) mod cooldown_reason;
pub(crate) mod decode_v0;
pub(crate) mod decode_v8;
pub(crate) mod key_lists;
pub(crate) mod last_failure;
pub(crate) mod lenient;
mod quota_signals;
mod reader;

use std::collections::HashMap;

use tokio::time::Instant;

use account::Account;
use key_lists::{Fingerprint, KeyAccount, KeyList, Usage};

pub(crate) use reader::{ListsFailure, ListsReader};

use crate::decode::Secrets;

/// What decoding needs besides the bytes.
#[derive(Clone, Debug)]
pub struct Decoding {
    pub secrets: Secrets,
    /// Whether addresses are kept; they are for the page only.
    pub keep_email: bool,
}

/// A response that is not a list at all, like a proxy's error page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAList;

/// Result of reading CPA's lists.
#[derive(Debug)]
pub(crate) struct Lists {
    /// When the first list was requested: an event since may be newer than the lists.
    pub(crate) began: Instant,
    pub(crate) files: Vec<Account>,
    /// Whether the list of credentials contains all cool-downs, so that none is kept from earlier
    /// events.
    pub(crate) has_all_cooldowns: bool,
    /// A list that could not be read is `None`, one that was not requested is absent.
    pub(crate) keys: Vec<(KeyList, Option<Vec<KeyAccount>>)>,
    /// `None` if the counts of the keys could not be read.
    pub(crate) usage: Option<Usage>,
}

/// A credential in CPA's counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CredentialId {
    File(Box<str>),
    Key(Fingerprint),
}

/// Requests that CPA has counted since its start, successes and failures, by credential.
pub(crate) type RequestCounts = HashMap<CredentialId, u64>;

impl Lists {
    /// `None` if a part of the counts is missing.
    pub(crate) fn counts(&self) -> Option<RequestCounts> {
        let usage = self.usage.as_ref()?;
        let of_files = self.files.iter().filter_map(|file| {
            let requests = file.success?.saturating_add(file.failed.unwrap_or(0));
            Some((CredentialId::File(file.auth_index.clone()), requests))
        });
        let of_keys = usage.iter().map(|(key, (success, failed))| {
            (CredentialId::Key(*key), success.saturating_add(*failed))
        });
        Some(of_files.chain(of_keys).collect())
    }
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            files: Vec::new(),
            has_all_cooldowns: false,
            keys: Vec::new(),
            usage: None,
        }
    }
}
