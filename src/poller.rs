//! Use of each quota window: polls of the providers, and readings that arrive with records.
//!
//! One task polls, apart from ingest, so that a slow provider delays no record. [`quota`](crate::quota) has the
//! requests and the parsers; this module has the times, the HTTP client and the results: [`state`] keeps the newest
//! reading of each window and the local quotas, [`schedule`] plans the polls, [`quota_client`] sends them, [`gauges`]
//! and [`view`] render the state for `/metrics` and the API. The ingest thread writes changes to the database.
//! [`refresh_once`] polls each account once, for commands.

mod gauges;
mod limit_window;
mod quota_client;
mod refresh;
mod schedule;
mod single_refresh;
mod state;
mod targets;
mod task;
mod view;
mod window_state;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::accounts::Directory;
use crate::clock::Clock;
use crate::cpa::Client;
use crate::errors::Chain;
use crate::metrics::{AccountLabel, AccountNames, GaugeSet, PollMetrics};
use crate::model::{AccountSeen, LocalQuota, QuotaPoint, WindowSpan, WindowUsage};
use crate::quota::passive::QuotaSign;
use crate::quota::providers::Generic;
use crate::store::{Reader, Write, WriteQueue};

pub use quota_client::TokenReader;
pub use refresh::{COOLDOWN, RefreshHandle, Refreshes, refresh_channel};
pub use single_refresh::{SingleRefresh, refresh_once};
pub use targets::OwnAccount;
pub use view::Quotas;

use quota_client::QuotaClient;
use targets::Targets;
use task::Task;

/// From the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether providers are polled; headers are read in any case.
    pub enabled: bool,
    /// Minimum time between two polls of an account.
    pub interval: Duration,
    /// Maximum number of concurrent polls.
    pub concurrency: usize,
    /// Of each request.
    pub timeout: Duration,
    /// Maximum number of limit names in labels.
    pub max_limits: usize,
    pub own: Vec<OwnAccount>,
}

/// What polls need: settings, providers and clients.
#[derive(Clone, Debug)]
pub struct PollerConfig {
    pub settings: Settings,
    /// Providers described in `quota.file`.
    pub configured: Vec<Arc<Generic>>,
    pub client: Client,
    /// Client for providers that CPA does not support.
    pub direct: reqwest::Client,
    pub clock: Clock,
}

impl PollerConfig {
    fn client(&self, metrics: PollMetrics) -> QuotaClient {
        QuotaClient {
            cpa: self.client.clone(),
            direct: self.direct.clone(),
            clock: self.clock.clone(),
            metrics,
            limit: self.settings.timeout,
        }
    }

    fn targets(&self) -> Targets {
        let own = self.settings.own.clone();
        Targets::new(self.configured.clone(), own, self.settings.interval)
    }
}

/// Inputs of the poller.
pub struct Parts {
    pub poller_config: PollerConfig,
    pub directory: Directory,
    pub names: AccountNames,
    pub writes: WriteQueue,
    pub signs: mpsc::Receiver<Vec<QuotaSign>>,
    /// Limits that the exporter counts.
    pub local: watch::Receiver<Vec<LocalQuota>>,
    /// The current windows, and their usage as the ingest thread counts it.
    pub window_spans: watch::Sender<Arc<BTreeSet<WindowSpan>>>,
    pub window_usage: watch::Receiver<HashMap<WindowSpan, WindowUsage>>,
    /// `None`: starts without readings.
    pub history: Option<History>,
    pub page: GaugeSet,
    pub polls: PollMetrics,
    pub quotas: Quotas,
    /// Requests for a refresh.
    pub refreshes: Refreshes,
    /// Whether accounts are polled without a refresh, too.
    pub automatic: bool,
    pub stop: CancellationToken,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("settings", &self.poller_config.settings)
            .finish_non_exhaustive()
    }
}

/// The readings of earlier runs.
#[derive(Clone, Debug)]
pub struct History {
    pub directory: PathBuf,
    /// Cancelled once the database is open and of our version.
    pub ready: CancellationToken,
}

impl History {
    /// The last reading of every window. `None` if the database cannot be read; then the first polls
    /// deliver them.
    async fn load(&self) -> Option<Vec<QuotaPoint>> {
        self.ready.cancelled().await;
        let directory = self.directory.clone();
        let read = move || Reader::open(&directory)?.latest_quota_points();
        match tokio::task::spawn_blocking(read).await.ok()? {
            Ok(points) => Some(points),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "stored quota readings could not be read");
                None
            }
        }
    }
}

/// The poller, ready to run.
pub struct Poller {
    task: Task,
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

impl Poller {
    pub fn new(parts: Parts) -> Self {
        let now = parts.poller_config.clock.now();
        let own = parts.poller_config.settings.own.iter().map(|own| {
            Write::Account(AccountSeen {
                auth_index: own.index().into(),
                provider: own.provider.as_str().into(),
                at: now,
            })
        });
        parts.writes.push(own.collect::<Vec<_>>());
        Self {
            task: Task::new(parts),
        }
    }

    /// Runs until the program stops.
    pub async fn run(self) {
        self.task.run().await;
    }
}

/// Name of an account in logs and results.
fn label(names: &AccountNames, auth_index: &str) -> String {
    match names.get(auth_index) {
        Some(AccountLabel::Named(name)) => name.into(),
        Some(AccountLabel::BeyondCap) | None => "other".to_owned(),
    }
}
