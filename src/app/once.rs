//! Quotas without a running exporter: CPA's accounts are looked at and asked about once.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::build_info;
use super::pool::{direct_client, poll_settings, quota_file};
use super::records::{KeyedAccess, Server, ledger_config};
use super::storage::passing_hash_key;
use crate::accounts::{self, Directory, Events, LookFailure, Watcher, WatcherParts};
use crate::clock::Clock;
use crate::config::Config;
use crate::cpa::{Access, HttpFailure};
use crate::decode::Secrets;
use crate::ingest::{Notes, Signal};
use crate::metrics::{AccountNames, Handles};
use crate::poller::{self, AccountQuota, OnceParts, OwnAccount, Summary, Wanted};
use crate::store::account_names;

/// Asks CPA for its accounts, and about each wanted one its provider. Touches no stored data: not
/// even the names that a database gave are known.
pub(crate) async fn quotas(
    config: &Config,
    wanted: &Wanted,
    clock: Clock,
) -> anyhow::Result<(Vec<AccountQuota>, Summary)> {
    let handles = Handles::new(build_info(), Arc::new(Vec::new));
    let server = Server::new(&config.cpa)?;
    let access = KeyedAccess::new(config.cpa.management_key.clone(), &handles).access;
    let directory = Directory::new();
    look(config, &server, &access, &handles, &clock, &directory).await?;
    let listed = directory.snapshot();
    let file = quota_file(config)?;
    let listed_pairs = listed.iter().map(|a| (&*a.auth_index, &*a.provider));
    let own: Vec<(String, &str)> = file.accounts.iter().map(pair).collect();
    let own = own.iter().map(|(index, provider)| (&**index, *provider));
    let ledger = ledger_config(config);
    let named = account_names(listed_pairs.chain(own));
    let parts = OnceParts {
        names: AccountNames::of(ledger.caps, ledger.aliases, named),
        settings: poll_settings(config, server.url, file.accounts),
        configured: file.providers,
        client: server.client,
        direct: direct_client()?,
        access,
        clock,
        listed,
    };
    Ok(poller::once(parts, wanted).await)
}

fn pair(own: &OwnAccount) -> (String, &str) {
    (own.index(), &own.provider)
}

async fn look(
    config: &Config,
    server: &Server,
    access: &Arc<Access>,
    handles: &Handles,
    clock: &Clock,
    directory: &Directory,
) -> anyhow::Result<()> {
    let watcher = Watcher::new(WatcherParts {
        settings: accounts::Settings {
            url: server.url.clone(),
            interval: config.accounts.interval,
            show_email: false,
        },
        client: server.client.clone(),
        access: Arc::clone(access),
        clock: clock.clone(),
        secrets: Secrets::new(passing_hash_key()?),
        directory: directory.clone(),
        names: AccountNames::default(),
        notes: Notes::new(Signal::default()),
        board: handles.accounts.clone(),
        errors: handles.account_errors.clone(),
        changed: Arc::new(Notify::new()),
        events: Events::none(),
        stop: CancellationToken::new(),
    });
    // Read here first, because `Access` waits for a key that cannot be read.
    config
        .cpa
        .management_key
        .read()
        .context("the management key cannot be read")?;
    let key = access.key(&CancellationToken::new()).await;
    let key = key.context("the management key cannot be read")?;
    let url = &config.cpa.url;
    match watcher.look_once(&key).await {
        Ok(()) => Ok(()),
        Err(LookFailure::Http(HttpFailure::Refused(refusal))) => {
            Err(anyhow!("{} ({url})", refusal.remedy()))
        }
        Err(failure) => {
            Err(failure).with_context(|| format!("CPA's accounts cannot be read from {url}"))
        }
    }
}
