//! Reads the configuration again and hands out what can change while running.

use std::sync::Arc;

use super::records::KeyedAccess;
use crate::clock::Clock;
use crate::config::{self, Config, Env, Flags};
use crate::http::ReloadRequests;
use crate::metrics::{ExporterMetrics, Handles};
use crate::platform::{Notifier, State};
use crate::source::Shared;
use crate::telemetry::Telemetry;

pub(super) struct Reloader {
    /// What runs now.
    config: Config,
    flags: Flags,
    env: Env,
    telemetry: Telemetry,
    access: KeyedAccess,
    metrics: ExporterMetrics,
    clock: Clock,
    source: Option<Arc<Shared>>,
    notifier: Option<Notifier>,
}

impl Reloader {
    pub(super) fn new(
        config: Config,
        flags: Flags,
        env: Env,
        telemetry: Telemetry,
        access: KeyedAccess,
        handles: &Handles,
        clock: Clock,
    ) -> Self {
        handles.exporter.configuration_read(Ok(clock.now()));
        Self {
            config,
            flags,
            env,
            telemetry,
            access,
            metrics: handles.exporter.clone(),
            clock,
            source: None,
            notifier: None,
        }
    }

    pub(super) fn with_source(mut self, source: Arc<Shared>) -> Self {
        self.source = Some(source);
        self
    }

    pub(super) fn with_notifier(mut self, notifier: Notifier) -> Self {
        self.notifier = Some(notifier);
        self
    }

    pub(super) async fn run(mut self, mut requests: ReloadRequests) {
        while let Some(request) = requests.next().await {
            self.notify(State::Reloading);
            let outcome = self.reload();
            self.notify(State::Ready);
            request.finish(outcome);
        }
    }

    fn notify(&self, state: State) {
        if let Some(notifier) = &self.notifier {
            notifier.notify(state);
        }
    }

    fn reload(&mut self) -> Result<(), String> {
        let loaded = match config::load(&self.flags, &self.env) {
            Ok(loaded) => loaded,
            Err(problems) => {
                self.metrics.configuration_read(Err(()));
                tracing::error!(%problems, "configuration not reloaded, the old one stays");
                return Err(problems.to_string());
            }
        };
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "the configuration is valid, but");
        }
        let new = loaded.value;
        self.telemetry.set_level(new.log.level);
        self.access.replace(new.cpa.management_key.clone());
        if let Some(source) = &self.source {
            source.reload();
        }
        self.metrics.configuration_read(Ok(self.clock.now()));
        let waiting = waiting_for_restart(&self.config, &new);
        if waiting.is_empty() {
            tracing::info!("configuration reloaded");
        } else {
            let sections = waiting.join(", ");
            tracing::warn!(
                sections,
                "configuration reloaded; these sections need a restart"
            );
        }
        Ok(())
    }
}

/// Sections that differ in more than a reload can change: everything but the management key and
/// the log level is built in at start.
fn waiting_for_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut old_cpa = old.cpa.clone();
    old_cpa.management_key = new.cpa.management_key.clone();
    [
        ("cpa", old_cpa != new.cpa),
        ("storage", old.storage != new.storage),
        ("web", old.web != new.web),
        ("metrics", old.metrics != new.metrics),
        ("aliases", old.aliases != new.aliases),
        ("log.format", old.log.format != new.log.format),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}
