//! A single snapshot without the watcher, for commands that print the result and exit.

use std::sync::Arc;

use reqwest::Client;
use secrecy::SecretString;
use url::Url;

use super::account_set::AccountSet;
use super::accounts_client::{AccountsClient, SnapshotFailure};
use super::{Account, Decoding};
use crate::clock::Clock;
use crate::cpa::{Management, SuccessCount};
use crate::decode::Secrets;

/// Inputs of a snapshot.
#[derive(Debug)]
pub(crate) struct SnapshotParts {
    pub(crate) url: Url,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) secrets: Secrets,
}

/// All accounts in CPA's lists, sorted by index.
pub(crate) async fn snapshot_once(
    parts: SnapshotParts,
    key: &SecretString,
) -> Result<Vec<Account>, SnapshotFailure> {
    let management = Management::new(parts.client, parts.url, parts.clock.clone());
    let decoding = Decoding {
        secrets: parts.secrets,
        keep_email: false,
    };
    let mut client = AccountsClient::new(management, decoding, SuccessCount::new(Arc::default()));
    let snapshot = client.snapshot(key).await?;
    let mut set = AccountSet::default();
    set.apply(snapshot, parts.clock.now());
    Ok(set.list())
}
