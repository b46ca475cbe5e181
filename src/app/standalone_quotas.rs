//! Quotas without a running exporter: read CPA's accounts and poll their providers once.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio_util::sync::CancellationToken;

use super::account_tasks::poller_config;
use super::build_info;
use super::cpa::Cpa;
use super::records::counters_config;
use super::storage::ephemeral_hash_key;
use crate::accounts::{Account, accounts_once};
use crate::api::{AccountFilter, AccountQuota, RefreshSummary};
use crate::clock::Clock;
use crate::config::Config;
use crate::cpa::lists::{ListsFailure, ListsReader};
use crate::cpa::{Client, Decoding, HttpFailure, Remedy};
use crate::decode::Secrets;
use crate::metrics::{AccountNames, Handles};
use crate::poller::{self, OwnAccount, SingleRefresh};
use crate::store::account_names;

/// Reads CPA's accounts and polls the provider of each selected one. Does not open the database, so
/// the names stored there are unknown.
pub(crate) async fn quotas(
    config: &Config,
    wanted: &AccountFilter,
    clock: Clock,
) -> anyhow::Result<(Vec<AccountQuota>, RefreshSummary)> {
    let handles = Handles::new(build_info(), Arc::new(Vec::new));
    let client = Cpa::new(&config.cpa, &handles, clock.clone())?.client;
    let listed = read_accounts(config, &client, &clock).await?;
    let poller_config = poller_config(config, client, clock)?;
    let listed_providers = listed.iter().map(|account| &*account.provider);
    let own_providers = poller_config
        .settings
        .own
        .iter()
        .map(|own| own.provider.as_str());
    let existing: Vec<&str> = listed_providers.chain(own_providers).collect();
    wanted.check_provider(&existing)?;
    let listed_pairs = listed.iter().map(|a| (&*a.auth_index, &*a.provider));
    let own: Vec<(String, &str)> = poller_config.settings.own.iter().map(pair).collect();
    let own = own.iter().map(|(index, provider)| (&**index, *provider));
    let counters = counters_config(config);
    let named = account_names(listed_pairs.chain(own));
    let parts = SingleRefresh {
        names: AccountNames::of(counters.caps, counters.aliases, named),
        poller_config,
        listed,
    };
    Ok(poller::refresh_once(parts, wanted).await)
}

fn pair(own: &OwnAccount) -> (String, &str) {
    (own.index(), &own.provider)
}

async fn read_accounts(
    config: &Config,
    client: &Client,
    clock: &Clock,
) -> anyhow::Result<Vec<Account>> {
    const UNREADABLE: &str = "the management key cannot be read";
    // Read it first, because the client retries an unreadable key forever.
    config.cpa.management_key.read().context(UNREADABLE)?;
    let key = client.access().key(&CancellationToken::new()).await;
    key.context(UNREADABLE)?;
    let decoding = Decoding {
        secrets: Secrets::new(ephemeral_hash_key()?),
        keep_email: false,
    };
    let lists = ListsReader::new(client.clone(), decoding);
    let url = &config.cpa.url;
    let reading = async {
        client.detect().await?;
        accounts_once(lists, clock).await
    };
    match reading.await {
        Ok(accounts) => Ok(accounts),
        Err(ListsFailure::Http(HttpFailure::Refused(refusal))) => {
            Err(anyhow!("{} ({url})", refusal.remedy()))
        }
        Err(failure) => {
            let remedy = Remedy::of(&failure).map(|remedy| remedy.text(client.url()));
            let remedy = remedy.map_or_else(String::new, |text| format!(" ({text})"));
            Err(failure)
                .with_context(|| format!("CPA's accounts cannot be read from {url}{remedy}"))
        }
    }
}
