//! Composition root: builds all parts, connects them and waits for the end.

mod account_tasks;
mod cpa;
pub(crate) mod files;
mod gateway;
mod jobs;
mod listener;
pub(crate) mod local_api;
pub(crate) mod offline;
pub(crate) mod prices;
mod quota_service;
mod records;
mod reload;
pub(crate) mod standalone_quotas;
pub(crate) mod storage;
mod storage_wait;
mod stored_records;

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, Env, Flags, Web};
use crate::cpa::ReadRequests;
use crate::http::{
    self, ApiParts, Listener, Parts, Readiness, ReloadHandle, ReloadRequests, Tokens, WebAccess,
};
use crate::ingest::{JobHandle, WakeUp, job_channel};
use crate::lifecycle::{Cause, Drain, Ended, GRACE, Lifecycle};
use crate::metrics::{AccountNames, BuildInfo, Exposition, Handles};
use crate::platform::{
    DirLock, Notifier, Signal, Signals, State, create_private_dir, storage_remedy,
};
use crate::poller::{Quotas, RefreshHandle, Refreshes, refresh_channel};
use crate::store::WriteQueue;
use crate::telemetry::Telemetry;
use crate::version;

pub(crate) use records::labels;

use account_tasks::AccountTasks;
use jobs::{IngestJobs, RepricePrices};
use local_api::LocalApi;
use quota_service::PolledQuotas;
use records::{Records, Side};
use reload::Reloader;
use stored_records::Database;

/// Maximum number of connections of commands on this machine.
const LOCAL_CONNECTIONS: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// Input of the program.
#[derive(Debug)]
pub struct Setup {
    pub config: Config,
    /// Kept because a reload applies them to the file again.
    pub flags: Flags,
    pub env: Env,
    pub telemetry: Telemetry,
}

/// Options of a run that are not configuration.
#[derive(Debug, Default)]
pub struct Options {
    /// A socket that is already bound.
    pub listener: Option<Listener>,
    /// Whether SIGHUP stops the process instead of reloading the configuration.
    pub stop_on_hangup: bool,
}

/// Dependencies of the exporter on its surroundings.
#[derive(Debug)]
pub struct Deps {
    pub clock: Clock,
    /// A socket that is already bound; otherwise the configured address is bound.
    pub listener: Option<Arc<Listener>>,
}

/// The exporter. Its tasks run from [`App::build`] on.
#[derive(Debug)]
pub struct App {
    life: Lifecycle,
    reload: ReloadHandle,
    refresh: RefreshHandle,
    address: String,
    _lock: DirLock,
}

/// Runs the exporter until a stop request or the failure of an essential task.
pub async fn run(setup: Setup, options: Options) -> anyhow::Result<Ended> {
    let mut signals = Signals::new().context("cannot install signal handlers")?;
    let mut next_signal = async || match signals.next().await {
        Signal::Reload if options.stop_on_hangup => Signal::Stop,
        signal @ (Signal::Stop | Signal::Reload | Signal::Refresh) => signal,
    };
    let listener = match options.listener {
        Some(listener) => listener,
        None => bind(&setup.config.web).await?,
    };
    let listener = Arc::new(listener);
    let Some(listener) = storage_wait::wait(&setup, listener, &mut next_signal).await else {
        return Ok(Ended {
            cause: Cause::StopSignal,
            drain: Drain::Complete,
        });
    };
    let deps = Deps {
        clock: Clock::system(),
        listener: Some(listener),
    };
    let app = App::build(setup, deps).await?;
    Ok(app.run(next_signal).await)
}

impl App {
    /// Locks the storage directory, builds the parts and starts their tasks.
    pub async fn build(setup: Setup, deps: Deps) -> anyhow::Result<Self> {
        let notifier = notifier(&setup);
        let storage = &setup.config.storage.path;
        create_private_dir(storage).map_err(|error| {
            // The path of a file in it, so that the remedy names the missing directory.
            let remedy = storage_remedy(&storage.join("spool"), &error);
            let path = storage.display();
            anyhow::Error::new(error).context(format!(
                "cannot create the storage directory {path}{remedy}"
            ))
        })?;
        let lock = DirLock::acquire(storage)?;

        let life = Lifecycle::new();
        let listener = match deps.listener {
            Some(listener) => listener,
            None => Arc::new(bind(&setup.config.web).await?),
        };
        let address = listener.to_string();
        let local_api = LocalApi::create(storage, listener.address())?;
        let (reload, reloads) = http::reload_channel();
        let (refresh, refreshes) = refresh_channel();
        let surroundings = Surroundings {
            clock: deps.clock,
            listener,
            local_api,
            notifier: notifier.clone(),
            reload: reload.clone(),
            reloads,
            refresh: refresh.clone(),
            refreshes,
        };
        let readiness = start(setup, surroundings, &life)?;
        notifier.notify(State::Ready);
        let soft = life.soft();
        life.spawn("stop notice", async move {
            soft.cancelled().await;
            readiness.set_waiting_for("the exporter is stopping");
            notifier.notify(State::Stopping);
        });
        Ok(Self {
            life,
            reload,
            refresh,
            address,
            _lock: lock,
        })
    }

    /// The address of the HTTP server.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits for a stop request or the failure of an essential task, then stops all tasks.
    pub async fn run(self, next_signal: impl AsyncFnMut() -> Signal) -> Ended {
        let Self {
            life,
            reload,
            refresh,
            _lock,
            ..
        } = self;
        let on_signal = |signal| match signal {
            Signal::Reload => reload.request(),
            Signal::Refresh => refresh.request(),
            Signal::Stop => {}
        };
        life.run(next_signal, on_signal, GRACE).await
    }
}

/// Connections of the parts to the rest of the process.
struct Surroundings {
    clock: Clock,
    listener: Arc<Listener>,
    local_api: LocalApi,
    notifier: Notifier,
    reload: ReloadHandle,
    reloads: ReloadRequests,
    refresh: RefreshHandle,
    refreshes: Refreshes,
}

/// Builds the parts and starts their tasks.
fn start(setup: Setup, outside: Surroundings, life: &Lifecycle) -> anyhow::Result<Readiness> {
    let (clock, config) = (outside.clock, &setup.config);
    let counts = setup.telemetry.counts();
    let handles = Handles::new(build_info(), Arc::new(move || counts.read().to_vec()));
    let in_flight = config.web.scrape_in_flight.get() as usize;
    let exposition = Exposition::new(handles.clone(), in_flight);
    let readiness = Readiness::waiting_for("the counters are being restored");

    let signal = WakeUp::default();
    let (job_handle, jobs) = job_channel(signal.clone());
    let quotas = Quotas::default();
    let polled = polled(config, &quotas, outside.refresh);
    let parts = Parts {
        telemetry: http::scrape::router(exposition.clone(), clock.clone()),
        telemetry_path: config.web.telemetry_path.clone(),
        readiness: readiness.clone(),
        api: api(&setup, polled, &job_handle, &outside.local_api, &clock),
        reload: config.web.enable_lifecycle.then_some(outside.reload),
    };
    let sockets = (outside.listener, &outside.local_api);
    serve(sockets, &config.web, parts, life);

    let restored = CancellationToken::new();
    let (wire, ends) = listener::event_channels();
    let names = AccountNames::default();
    let ingest_signal = signal.clone();
    let writes = WriteQueue::new(move || ingest_signal.wake());
    let side = Side {
        signal,
        names: names.clone(),
        writes: writes.clone(),
        jobs,
        listener: Box::new(wire),
        windows: ends.window_spans.subscribe(),
        restored: restored.clone(),
        requests: ReadRequests {
            accounts: Arc::clone(&ends.accounts_changed),
            ..ReadRequests::default()
        },
    };
    let ready = readiness.clone();
    let records = Records::build(config, &handles, exposition, &clock, ready, life, side)?;
    let account_tasks = AccountTasks {
        names,
        writes,
        events: ends,
        refreshes: outside.refreshes,
        quotas,
        restored,
        clock: clock.clone(),
    };
    gateway::watch(config, &handles, job_handle, &account_tasks, life);
    if let Some(cpa) = records.cpa() {
        account_tasks.watch(config, cpa, &handles, life)?;
    }
    let reloader = Reloader::new(setup, &records, &handles, clock, outside.notifier);
    life.spawn_essential("records", records.run());
    let soft = life.soft();
    life.spawn_essential("reload", async move {
        soft.run_until_cancelled(reloader.run(outside.reloads))
            .await;
    });
    Ok(readiness)
}

fn polled(config: &Config, quotas: &Quotas, refresh: RefreshHandle) -> PolledQuotas {
    PolledQuotas {
        quotas: quotas.clone(),
        refresh: config.quota.enabled.then_some(refresh),
    }
}

fn api(
    setup: &Setup,
    quotas: PolledQuotas,
    jobs: &JobHandle,
    local_api: &LocalApi,
    clock: &Clock,
) -> ApiParts {
    ApiParts {
        quotas: Arc::new(quotas),
        jobs: Arc::new(IngestJobs {
            handle: jobs.clone(),
            flags: setup.flags.clone(),
            env: setup.env.clone(),
            prices: RepricePrices::default(),
        }),
        stored: Arc::new(Database::new(
            setup.config.storage.path.clone(),
            setup.config.aliases.clone(),
            clock.clone(),
        )),
        tokens: Tokens {
            admin: setup.config.web.api_token.clone(),
            read: setup.config.web.read_token.clone(),
            local: local_api.token(),
        },
    }
}

fn notifier(setup: &Setup) -> Notifier {
    Notifier::new(setup.env.get("NOTIFY_SOCKET").map(Into::into))
}

/// Bound before the first pop: an occupied port must not cost a record.
async fn bind(web: &Web) -> anyhow::Result<Listener> {
    let address = &web.listen_address;
    if web.systemd_socket {
        let passed = Listener::from_systemd().context("cannot use the socket of systemd")?;
        return passed.context(
            "systemd passed no socket: start cpa-exporter.socket, or remove web.systemd_socket",
        );
    }
    http::bind(address).await.map_err(|error| {
        let remedy = bind_remedy(error.kind());
        anyhow::Error::new(error).context(format!("cannot listen on {address}{remedy}"))
    })
}

fn serve(
    (listener, local_api): (Arc<Listener>, &LocalApi),
    web: &Web,
    parts: Parts,
    life: &Lifecycle,
) {
    tracing::info!(
        address = %listener,
        metrics = web.telemetry_path.as_str(),
        "serving"
    );
    let is_open = listener.address().is_some_and(|it| !it.ip().is_loopback());
    if web.systemd_socket && is_open && !web.authenticates() {
        tracing::warn!(
            "other machines can reach the socket of systemd without authentication; \
             web.config.file adds it"
        );
    }
    let access = WebAccess::new(web, Some(parts.api.tokens.clone()));
    let routers = http::routers(parts);
    if let Some(local) = local_api.listener() {
        let (routers, soft) = (routers.clone(), life.soft());
        let serving = http::serve(Arc::new(local), routers, None, LOCAL_CONNECTIONS, soft);
        life.spawn_essential("local API", serving);
    }
    if let Some(file) = web.config.file.clone() {
        let (access, soft) = (access.clone(), life.soft());
        life.spawn("web configuration", async move {
            soft.run_until_cancelled(access.follow(file)).await;
        });
    }
    let routers = routers.restricted(&access);
    let soft = life.soft();
    let serving = http::serve(listener, routers, Some(access), web.max_connections, soft);
    life.spawn_essential("http", serving);
}

/// Advice that follows the address in the error.
fn bind_remedy(kind: io::ErrorKind) -> &'static str {
    const REMEDIES: [(io::ErrorKind, &str); 3] = [
        (
            io::ErrorKind::AddrInUse,
            ": another program uses it; stop that program, or choose another with --web.listen-address",
        ),
        (
            io::ErrorKind::AddrNotAvailable,
            ": this machine does not have that address; choose another with --web.listen-address",
        ),
        (
            io::ErrorKind::PermissionDenied,
            ": ports below 1024 need root; choose another with --web.listen-address",
        ),
    ];
    let found = REMEDIES.iter().find(|(of, _)| *of == kind);
    found.map_or("", |(_, remedy)| remedy)
}

fn build_info() -> BuildInfo {
    BuildInfo {
        version: version::VERSION,
        revision: version::REVISION,
        rustc: version::RUSTC,
    }
}
