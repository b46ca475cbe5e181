//! Tasks that read CPA's accounts and poll their quotas.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::cpa::Cpa;
use super::listener::IngestSubscribers;
use super::storage::hash_key;
use crate::accounts::{self, Directory, ErrorsChannel, ErrorsParts, Watcher, WatcherParts};
use crate::clock::Clock;
use crate::config::{Config, QuotaFile};
use crate::cpa::{Client, CpaStates};
use crate::decode::Secrets;
use crate::http_client::{self, Proxy, Timeouts};
use crate::lifecycle::Lifecycle;
use crate::metrics::{AccountNames, Handles};
use crate::poller::{self, History, OwnAccount, Poller, PollerConfig, Quotas, Refreshes};
use crate::store::WriteQueue;

/// Time-outs of direct requests to providers; each call has a lower one of its own.
const DIRECT_LIMITS: Timeouts = Timeouts {
    connect: Duration::from_secs(10),
    total: Some(Duration::from_mins(1)),
    idle: None,
};

/// Dependencies shared with the ingest pipeline.
pub(super) struct AccountTasks {
    pub(super) names: AccountNames,
    pub(super) writes: WriteQueue,
    pub(super) events: IngestSubscribers,
    pub(super) refreshes: Refreshes,
    pub(super) quotas: Quotas,
    pub(super) restored: CancellationToken,
    pub(super) clock: Clock,
}

impl AccountTasks {
    /// Starts the tasks. They are not essential: ingest runs without them.
    pub(super) fn watch(
        self,
        config: &Config,
        cpa: (Cpa, CpaStates),
        handles: &Handles,
        life: &Lifecycle,
    ) -> anyhow::Result<()> {
        let directory = Directory::new();
        let secrets = Secrets::new(hash_key(&config.storage.path)?);
        let (Cpa { client, .. }, states) = cpa;
        let max_codes = config.metrics.caps.code.get() as usize;
        let errors = handles.account_errors.clone();
        errors.limit(config.metrics.zero_hold, max_codes);
        let (channel, events) = ErrorsChannel::new(ErrorsParts {
            client: client.clone(),
            secrets,
            stop: life.soft(),
        });
        let poller_config = poller_config(config, client, self.clock.clone())?;
        let watcher = Watcher::new(WatcherParts {
            settings: accounts::Settings {
                interval: config.accounts.interval,
            },
            states,
            clock: self.clock.clone(),
            directory: directory.clone(),
            names: self.names.clone(),
            writes: self.writes.clone(),
            gauges: handles.accounts.clone(),
            errors,
            events,
            stop: life.soft(),
        });
        let history = History {
            directory: config.storage.path.clone(),
            ready: self.restored.clone(),
        };
        let poller = self.poller(poller_config, directory, history, handles, life.soft());
        life.spawn("quotas", poller.run());
        life.spawn("accounts", watcher.run());
        life.spawn("errors channel", channel.run());
        Ok(())
    }

    fn poller(
        self,
        poller_config: PollerConfig,
        directory: Directory,
        history: History,
        handles: &Handles,
        stop: CancellationToken,
    ) -> Poller {
        Poller::new(poller::Parts {
            poller_config,
            directory,
            names: self.names,
            writes: self.writes,
            signs: self.events.signs,
            local: self.events.local,
            window_spans: self.events.window_spans,
            window_usage: self.events.window_usage,
            history: Some(history),
            automatic: true,
            page: handles.quotas.clone(),
            polls: handles.polls.clone(),
            quotas: self.quotas,
            refreshes: self.refreshes,
            stop,
        })
    }
}

/// The accounts of `quota.file`, for the poller.
fn own_accounts(file: &QuotaFile) -> Vec<OwnAccount> {
    let accounts = file.accounts.iter().map(|account| {
        let token = account.token.clone();
        OwnAccount {
            name: account.name.as_str().to_owned(),
            provider: account.provider.clone(),
            token: Arc::new(move || token.read().map_err(|error| error.to_string())),
            profile_arn: account.profile_arn.clone(),
            url: account.url.clone(),
        }
    });
    accounts.collect()
}

/// Providers to poll, and the client for each.
pub(super) fn poller_config(
    config: &Config,
    client: Client,
    clock: Clock,
) -> anyhow::Result<PollerConfig> {
    let settings = poller::Settings {
        enabled: config.quota.enabled,
        interval: config.quota.interval,
        concurrency: config.quota.concurrency.get() as usize,
        timeout: config.quota.timeout,
        max_limits: config.metrics.caps.limit.get() as usize,
        own: own_accounts(&config.quota.file),
    };
    Ok(PollerConfig {
        settings,
        configured: config.quota.file.providers.clone(),
        client,
        direct: http_client::build(DIRECT_LIMITS, Proxy::FromEnvironment, None)?,
        clock,
    })
}
