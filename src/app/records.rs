//! The ingest pipeline from CPA to the counters: source, spool and ingest thread.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::cpa::{Cpa, observer};
use super::prices;
use super::storage::{hash_key, open_spool};
use crate::clock::Clock;
use crate::config::{self, Alias, Config};
use crate::cpa::{CpaStates, Observer, ReadRequests};
use crate::decode::Decoder;
use crate::errors::Chain;
use crate::http::Readiness;
use crate::ingest::{
    self, AccountingParts, Ingest, Jobs, LimitParts, Listener, MoneyParts, SharedPrices,
    SharedRules, WakeUp, WindowSpans,
};
use crate::lifecycle::Lifecycle;
use crate::metrics::{AccountNames, Aliases, Caps, Counters, CountersConfig, Exposition, Handles};
use crate::model::IngestMode;
use crate::source::{self, ContactLog, Inlet, ModeSetting, Settings, Shared, Source};
use crate::store::WriteQueue;

/// Interface of the ingest thread to other tasks.
pub(super) struct Side {
    pub(super) signal: WakeUp,
    pub(super) names: AccountNames,
    pub(super) writes: WriteQueue,
    pub(super) jobs: Jobs,
    pub(super) listener: Box<dyn Listener>,
    /// Quota windows whose usage is counted.
    pub(super) windows: WindowSpans,
    /// Cancelled once the database is open and the counters are restored.
    pub(super) restored: CancellationToken,
    /// Requests for an early read of CPA.
    pub(super) requests: ReadRequests,
}

impl Side {
    fn contact_log(&self, directory: &Path) -> ContactLog {
        ContactLog {
            directory: directory.to_owned(),
            ready: self.restored.clone(),
            writes: self.writes.clone(),
        }
    }
}

/// The pipeline, ready to run.
pub(super) struct Records {
    /// `None` without CPA.
    from_cpa: Option<FromCpa>,
    ingest: Ingest,
    ingest_ended: CancellationToken,
    source_stop: CancellationToken,
    prices: SharedPrices,
    rules: SharedRules,
}

/// The parts that read CPA.
struct FromCpa {
    source: Source,
    cpa: Cpa,
    observer: Observer,
    states: CpaStates,
}

impl Records {
    pub(super) fn build(
        config: &Config,
        handles: &Handles,
        exposition: Exposition,
        clock: &Clock,
        readiness: Readiness,
        life: &Lifecycle,
        side: Side,
    ) -> anyhow::Result<Self> {
        let storage = &config.storage;
        let limit = storage.spool_limit.get();
        let (writer, reader) = open_spool(&storage.path, limit)?;
        handles.store.set_spool_limit(limit);

        let contact_log = side.contact_log(&storage.path);
        let (signal, restored) = (side.signal, side.restored);
        let ingest_ended = CancellationToken::new();
        let parts = ingest::Parts {
            directory: storage.path.clone(),
            reader,
            decoder: Decoder::new(hash_key(&storage.path)?),
            metrics: handles.store.clone(),
            losses: handles.losses.clone(),
            clock: clock.clone(),
            commit_interval: storage.commit_interval,
            ready: Box::new(move || {
                readiness.set_ready();
                restored.cancel();
                tracing::info!("ready: counters restored");
            }),
            writes: side.writes,
            jobs: side.jobs,
            listener: side.listener,
        };
        let (rules, limits) = limits(config, handles, side.windows);
        let counters = Counters::new(counters_config(config), exposition, side.names);
        let (cost, aliases) = (&config.cost, &config.aliases);
        let (prices, accounting) = accounting(&storage.path, cost, aliases, counters, limits)?;
        let ended = ingest_ended.clone();
        let ingest = Ingest::start(parts, accounting, signal.clone(), ended)?;

        let source_stop = life.soft().child_token();
        let inlet = Inlet::new(writer, Arc::new(move || signal.wake()));
        let parts = CpaParts {
            inlet,
            requests: side.requests,
            contact_log,
            source_stop: source_stop.clone(),
        };
        let from_cpa = config
            .cpa
            .enabled
            .then(|| FromCpa::build(config, handles, clock, life, parts));
        Ok(Self {
            from_cpa: from_cpa.transpose()?,
            ingest,
            ingest_ended,
            source_stop,
            prices,
            rules,
        })
    }

    /// The client of CPA and its published state; `None` without CPA.
    pub(super) fn cpa(&self) -> Option<(Cpa, CpaStates)> {
        let from_cpa = self.from_cpa.as_ref()?;
        Some((from_cpa.cpa.clone(), from_cpa.states.clone()))
    }

    pub(super) fn prices(&self) -> SharedPrices {
        Arc::clone(&self.prices)
    }

    pub(super) fn rules(&self) -> SharedRules {
        Arc::clone(&self.rules)
    }

    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        self.from_cpa
            .as_ref()
            .map(|from_cpa| from_cpa.source.shared())
    }

    /// Ingests records until the program stops; then lets the ingest thread commit the rest.
    pub(super) async fn run(self) {
        let Self {
            from_cpa,
            ingest,
            ingest_ended,
            source_stop,
            ..
        } = self;
        let stop = source_stop.clone();
        let source = Box::pin(async move {
            match from_cpa {
                Some(from_cpa) => Box::pin(from_cpa.run()).await,
                None => stop.cancelled().await,
            }
        });
        until_ingest_ends(source, ingest, ingest_ended, source_stop).await;
    }
}

/// Dependencies of the parts that read CPA.
struct CpaParts {
    inlet: Inlet,
    requests: ReadRequests,
    contact_log: ContactLog,
    source_stop: CancellationToken,
}

impl FromCpa {
    fn build(
        config: &Config,
        handles: &Handles,
        clock: &Clock,
        life: &Lifecycle,
        parts: CpaParts,
    ) -> anyhow::Result<Self> {
        let cpa = Cpa::new(&config.cpa, handles, clock.clone())?;
        let requests = parts.requests;
        let (observer, states) = observer(config, &cpa, &parts.inlet, requests.clone(), life)?;
        let source = Source::new(source::Parts {
            settings: settings(&config.cpa),
            inlet: parts.inlet,
            states: states.clone(),
            requests,
            contact_log: parts.contact_log,
            client: cpa.client.clone(),
            metrics: handles.source.clone(),
            clock: clock.clone(),
            soft: parts.source_stop,
            hard: life.hard(),
        });
        Ok(Self {
            source,
            cpa,
            observer,
            states,
        })
    }

    async fn run(self) {
        // The observer only reads, so it may be dropped at any time.
        tokio::select! {
            () = self.source.run() => {}
            () = async { self.observer.run().await; std::future::pending().await } => {}
        }
    }
}

/// Runs the source until it ends, or until the thread does: without that nothing is stored any more,
/// so the reply in hand is finished and no other taken. Returns after the thread's end, which is
/// logged when it is a failure; for an essential task that ends the program.
async fn until_ingest_ends(
    source: impl Future<Output = ()>,
    ingest: Ingest,
    ingest_ended: CancellationToken,
    source_stop: CancellationToken,
) {
    let stop_with_ingest = async {
        ingest_ended.cancelled().await;
        source_stop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = source => {}
        () = stop_with_ingest => {}
    }
    let finished = tokio::task::spawn_blocking(move || ingest.finish()).await;
    let failure = match finished {
        Ok(Ok(())) => return,
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(error) => Chain(&error).to_string(),
    };
    tracing::error!(error = failure, "ingest thread failed");
}

fn settings(cpa: &config::Cpa) -> Settings {
    Settings {
        url: cpa.url.as_url().clone(),
        setting: match cpa.mode {
            config::Mode::Auto => ModeSetting::Auto,
            config::Mode::Pop => ModeSetting::Forced(IngestMode::Pop),
            config::Mode::Subscribe => ModeSetting::Forced(IngestMode::Subscribe),
            config::Mode::Http => ModeSetting::Forced(IngestMode::Http),
        },
        poll_interval: cpa.poll_interval,
        http_poll_interval: cpa.http_poll_interval,
        check_interval: cpa.check_interval,
        pop_bytes: cpa.pop_bytes.get(),
    }
}

/// The rules of limits, and what the ingest thread needs for them.
fn limits(config: &Config, handles: &Handles, windows: WindowSpans) -> (SharedRules, LimitParts) {
    let rules: SharedRules = Arc::new(ArcSwap::from_pointee(config.limits.rules.clone()));
    let limits = LimitParts {
        rules: Arc::clone(&rules),
        gauges: handles.budgets.clone(),
        windows,
    };
    (rules, limits)
}

/// The accounting stage, and its price list for reloads.
pub(super) fn accounting(
    storage: &Path,
    cost: &config::Cost,
    aliases: &config::Aliases,
    counters: Counters,
    limits: LimitParts,
) -> anyhow::Result<(SharedPrices, AccountingParts)> {
    let table = prices::load(storage, cost)?;
    let references = prices::references(cost, &table)?;
    let prices: SharedPrices = Arc::new(ArcSwap::from_pointee(table));
    let money = MoneyParts {
        prices: Arc::clone(&prices),
        billing: prices::billing(cost, aliases),
        references,
    };
    let parts = AccountingParts {
        counters,
        money,
        limits,
    };
    Ok((prices, parts))
}

pub(super) fn counters_config(config: &Config) -> CountersConfig {
    let (caps, aliases) = labels(&config.metrics.caps, &config.aliases);
    CountersConfig {
        caps,
        aliases,
        zero_hold: config.metrics.zero_hold,
        exemplars: config.metrics.exemplars,
        fees: prices::fees(&config.cost, &config.aliases),
    }
}

/// Caps and aliases of the counters' labels.
pub(crate) fn labels(caps: &config::Caps, aliases: &config::Aliases) -> (Caps, Aliases) {
    let caps = Caps {
        account: caps.account.get() as usize,
        model: caps.model.get() as usize,
        client: caps.client.get() as usize,
        endpoint: caps.endpoint.get() as usize,
        code: caps.code.get() as usize,
        channel: caps.channel.get() as usize,
        series: caps.series.get() as usize,
        ..Caps::default()
    };
    let texts = |aliases: &BTreeMap<String, Alias>| {
        let text = |(name, alias): (&String, &Alias)| (name.clone(), alias.to_string());
        aliases.iter().map(text).collect()
    };
    let aliases = Aliases {
        accounts: texts(&aliases.accounts),
        clients: texts(&aliases.clients),
    };
    (caps, aliases)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::lifecycle::{Cause, Drain, Ended, GRACE};

    #[tokio::test]
    async fn a_panic_of_the_ingest_thread_stops_the_source_and_ends_the_program() {
        let life = Lifecycle::new();
        let (ended, source_stop) = (CancellationToken::new(), life.soft().child_token());
        let signal = WakeUp::default();
        let ingest = Ingest::spawn(signal, ended.clone(), || panic!("impossible")).unwrap();
        let source = source_stop.clone().cancelled_owned();
        let records = until_ingest_ends(source, ingest, ended, source_stop);
        life.spawn_essential("records", records);
        let got = life.run(async || pending().await, |_| (), GRACE).await;
        let (cause, drain) = (Cause::TaskEnded("records"), Drain::Complete);
        assert_eq!(got, Ended { cause, drain });
    }

    #[test]
    fn the_owner_of_the_ingest_thread_is_told_of_its_panic() {
        let ended = CancellationToken::new();
        let thread = || panic!("impossible");
        let ingest = Ingest::spawn(WakeUp::default(), ended.clone(), thread).unwrap();
        let error = ingest.finish().unwrap_err();
        assert_eq!(error.to_string(), "thread ended by a bug");
        assert!(ended.is_cancelled());
    }
}
