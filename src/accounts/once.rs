//! A single snapshot without the watcher, for commands that print the result and exit.

use std::sync::Arc;

use super::account_set::AccountSet;
use super::accounts_client::{AccountsClient, SnapshotFailure};
use super::{Account, Decoding};
use crate::clock::Clock;
use crate::cpa::{Client, SuccessCount};
use crate::decode::Secrets;

/// Inputs of a snapshot.
#[derive(Debug)]
pub(crate) struct SnapshotParts {
    /// CPA must have accepted its key.
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) secrets: Secrets,
}

/// All accounts in CPA's lists, sorted by index.
pub(crate) async fn snapshot_once(parts: SnapshotParts) -> Result<Vec<Account>, SnapshotFailure> {
    let decoding = Decoding {
        secrets: parts.secrets,
        keep_email: false,
    };
    let mut client = AccountsClient::new(parts.client, decoding, SuccessCount::new(Arc::default()));
    let snapshot = client.snapshot().await?;
    let mut set = AccountSet::default();
    set.apply(snapshot, parts.clock.now());
    Ok(set.list())
}
