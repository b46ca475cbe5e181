//! Beside the records: CPA's accounts and their quotas.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::quota_file::QuotaFile;
use super::records::Records;
use super::storage::hash_key;
use super::user_file::FileError;
use crate::accounts::{self, Directory, ErrorsChannel, ErrorsParts, Watcher, WatcherParts};
use crate::clock::Clock;
use crate::config::Config;
use crate::cpa::Access;
use crate::decode::Secrets;
use crate::http_client::{self, ClientError, Limits, Proxy};
use crate::ingest::{Notes, QuotaSign};
use crate::lifecycle::Lifecycle;
use crate::metrics::{AccountNames, Handles};
use crate::model::LocalQuota;
use crate::poller::{self, History, OwnAccount, Poller, Quotas, Refreshes};

/// For providers that CPA does not know; each call has a limit of its own below.
const DIRECT_LIMITS: Limits = Limits {
    connect: Duration::from_secs(10),
    total: Duration::from_mins(1),
};

/// What the watchers have in common with the records' way.
pub(super) struct Pool {
    pub(super) names: AccountNames,
    pub(super) notes: Notes,
    pub(super) signs: mpsc::Receiver<Vec<QuotaSign>>,
    /// Quotas that are counted here, for the page beside those of providers.
    pub(super) local: watch::Receiver<Vec<LocalQuota>>,
    pub(super) accounts_changed: Arc<Notify>,
    pub(super) refreshes: Refreshes,
    pub(super) quotas: Quotas,
    pub(super) restored: CancellationToken,
    pub(super) clock: Clock,
}

impl Pool {
    /// Sets the watchers going. Neither is essential: records are taken without them.
    pub(super) fn watch(
        self,
        config: &Config,
        records: &Records,
        handles: &Handles,
        life: &Lifecycle,
    ) -> anyhow::Result<()> {
        let directory = Directory::new();
        let secrets = Secrets::new(hash_key(&config.storage.path)?);
        let server = records.server();
        let access = records.access().access;
        let max_codes = config.metrics.caps.code.get() as usize;
        let errors = handles.account_errors.clone();
        errors.limit(config.metrics.zero_hold, max_codes);
        let (channel, events) = ErrorsChannel::new(ErrorsParts {
            url: server.url.clone(),
            tls: server.tls,
            access: Arc::clone(&access),
            secrets: secrets.clone(),
            stop: life.soft(),
        });
        let (poll_url, poll_client) = (server.url.clone(), server.client.clone());
        let poll_access = Arc::clone(&access);
        let watcher = Watcher::new(WatcherParts {
            settings: accounts::Settings {
                url: server.url,
                interval: config.accounts.interval,
                show_email: config.accounts.show_email,
            },
            client: server.client,
            access,
            clock: self.clock.clone(),
            secrets,
            tally: records.shared().tally(),
            directory: directory.clone(),
            names: self.names.clone(),
            notes: self.notes.clone(),
            board: handles.accounts.clone(),
            errors,
            changed: Arc::clone(&self.accounts_changed),
            events,
            stop: life.soft(),
        });
        let poller = self.poller(
            config,
            (poll_url, poll_client),
            poll_access,
            directory,
            handles,
            life.soft(),
        )?;
        life.spawn("quotas", poller.run());
        life.spawn("accounts", watcher.run());
        life.spawn("errors channel", channel.run());
        Ok(())
    }

    fn poller(
        self,
        config: &Config,
        (url, client): (Url, Client),
        access: Arc<Access>,
        directory: Directory,
        handles: &Handles,
        stop: CancellationToken,
    ) -> anyhow::Result<Poller> {
        let file = quota_file(config)?;
        Ok(Poller::new(poller::Parts {
            settings: poll_settings(config, url, file.accounts),
            configured: file.providers,
            client,
            direct: direct_client()?,
            access,
            clock: self.clock,
            directory,
            names: self.names,
            notes: self.notes,
            signs: self.signs,
            local: self.local,
            history: History {
                directory: config.storage.path.clone(),
                ready: self.restored,
            },
            page: handles.quotas.clone(),
            polls: handles.polls.clone(),
            quotas: self.quotas,
            refreshes: self.refreshes,
            stop,
        }))
    }
}

pub(super) fn quota_file(config: &Config) -> Result<QuotaFile, FileError> {
    let path = config.quota.file.as_deref();
    path.map_or_else(|| Ok(QuotaFile::default()), QuotaFile::read)
}

/// To providers that CPA does not know.
pub(super) fn direct_client() -> Result<Client, ClientError> {
    http_client::build(DIRECT_LIMITS, Proxy::FromEnvironment, None)
}

pub(super) fn poll_settings(config: &Config, url: Url, own: Vec<OwnAccount>) -> poller::Settings {
    poller::Settings {
        enabled: config.quota.enabled,
        url,
        interval: config.quota.interval,
        concurrency: config.quota.concurrency.get() as usize,
        timeout: config.quota.timeout,
        max_limits: config.metrics.caps.limit.get() as usize,
        own,
        time_scale: NonZeroU32::MIN,
    }
}
