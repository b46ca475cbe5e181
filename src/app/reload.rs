//! Reloads the configuration and applies the settings that can change at run time.

use std::sync::Arc;

use super::Setup;
use super::cpa::Cpa;
use super::records::Records;
use super::{files, prices};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Problems};
use crate::http::{ReloadRequests, Reloaded};
use crate::ingest::{SharedPrices, SharedRules};
use crate::metrics::{ExporterMetrics, Handles};
use crate::platform::{Notifier, State};
use crate::pricing::PriceTable;
use crate::source::Shared;

pub(super) struct Reloader {
    /// The running configuration, and its inputs.
    setup: Setup,
    /// `None` without CPA.
    cpa: Option<Cpa>,
    source: Option<Arc<Shared>>,
    prices: SharedPrices,
    rules: SharedRules,
    metrics: ExporterMetrics,
    clock: Clock,
    notifier: Notifier,
}

impl Reloader {
    pub(super) fn new(
        setup: Setup,
        records: &Records,
        handles: &Handles,
        clock: Clock,
        notifier: Notifier,
    ) -> Self {
        handles.exporter.configuration_read(Ok(clock.now()));
        Self {
            setup,
            cpa: records.cpa().map(|(cpa, _)| cpa),
            source: records.shared(),
            prices: records.prices(),
            rules: records.rules(),
            metrics: handles.exporter.clone(),
            clock,
            notifier,
        }
    }

    pub(super) async fn run(self, mut requests: ReloadRequests) {
        while let Some(request) = requests.next().await {
            self.notifier.notify(State::Reloading);
            // Files may be slow to read; the runtime serves scrapes and signals meanwhile.
            let (flags, env) = (self.setup.flags.clone(), self.setup.env.clone());
            let loaded = tokio::task::spawn_blocking(move || files::load(&flags, &env)).await;
            let outcome = match loaded {
                Ok(loaded) => self.apply(loaded),
                Err(error) => Err(error.to_string()),
            };
            self.notifier.notify(State::Ready);
            request.finish(outcome);
        }
    }

    fn apply(&self, loaded: Result<Loaded<Config>, Problems>) -> Result<Reloaded, String> {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(problems) => {
                self.metrics.configuration_read(Err(()));
                tracing::error!(%problems, "configuration not reloaded; the old one stays in use");
                return Err(problems.to_string());
            }
        };
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "configuration warning");
        }
        let new = loaded.value;
        match self.prices(&new) {
            Ok(table) => {
                self.prices.store(Arc::new(table));
                // Unchanged rules keep their usage counters.
                if **self.rules.load() != new.limits.rules {
                    self.rules.store(Arc::new(new.limits.rules.clone()));
                }
            }
            Err(error) => {
                self.metrics.configuration_read(Err(()));
                let error = format!("{error:#}");
                tracing::error!(%error, "configuration not reloaded; the old one stays in use");
                return Err(error);
            }
        }
        self.setup.telemetry.set_level(new.log.level);
        if let Some(cpa) = &self.cpa {
            cpa.replace_key(new.cpa.management_key.clone());
        }
        if let Some(source) = &self.source {
            source.reload();
        }
        self.metrics.configuration_read(Ok(self.clock.now()));
        let needs_restart = waiting_for_restart(&self.setup.config, &new);
        if needs_restart.is_empty() {
            tracing::info!("configuration reloaded");
        } else {
            let sections = needs_restart.join(", ");
            tracing::warn!(
                sections,
                "configuration reloaded; these sections need a restart"
            );
        }
        Ok(Reloaded { needs_restart })
    }
}

impl Reloader {
    fn prices(&self, new: &Config) -> anyhow::Result<PriceTable> {
        let table = prices::load(&self.setup.config.storage.path, &new.cost)?;
        prices::references(&new.cost, &table)?;
        Ok(table)
    }
}

/// Sections with changes that a reload does not apply: all but the management key, the prices, the
/// limits and the log level.
fn waiting_for_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut old_cpa = old.cpa.clone();
    old_cpa.management_key = new.cpa.management_key.clone();
    let mut old_cost = old.cost.clone();
    old_cost.price_file.clone_from(&new.cost.price_file);
    old_cost.cache_writes = new.cost.cache_writes;
    [
        ("cpa", old_cpa != new.cpa),
        ("accounts", old.accounts != new.accounts),
        ("quota", old.quota != new.quota),
        ("gateway", old.gateway != new.gateway),
        ("storage", old.storage != new.storage),
        ("web", old.web != new.web),
        ("metrics", old.metrics != new.metrics),
        ("aliases", old.aliases != new.aliases),
        ("cost", old_cost != new.cost),
        ("log.format", old.log.format != new.log.format),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}
