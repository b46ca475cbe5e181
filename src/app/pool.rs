//! Beside the records: CPA's accounts.

use std::sync::Arc;

use tokio::sync::Notify;

use super::records::Records;
use super::storage::hash_key;
use crate::accounts::{self, Directory, ErrorsChannel, ErrorsParts, Watcher, WatcherParts};
use crate::clock::Clock;
use crate::config::Config;
use crate::decode::Secrets;
use crate::ingest::Notes;
use crate::lifecycle::Lifecycle;
use crate::metrics::{AccountNames, Handles};

/// What the watchers have in common with the records' way.
pub(super) struct Pool {
    pub(super) names: AccountNames,
    pub(super) notes: Notes,
    pub(super) changed: Arc<Notify>,
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
    ) -> anyhow::Result<Directory> {
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
        let watcher = Watcher::new(WatcherParts {
            settings: accounts::Settings {
                url: server.url,
                interval: config.accounts.interval,
                show_email: config.accounts.show_email,
            },
            client: server.client,
            access,
            clock: self.clock,
            secrets,
            tally: records.shared().tally(),
            directory: directory.clone(),
            names: self.names,
            notes: self.notes,
            board: handles.accounts.clone(),
            errors,
            changed: self.changed,
            events,
            stop: life.soft(),
        });
        life.spawn("accounts", watcher.run());
        life.spawn("errors channel", channel.run());
        Ok(directory)
    }
}
