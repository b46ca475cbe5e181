//! The one place that sees every part: builds them, connects them, waits for the end.

mod records;
mod reload;

use anyhow::Context as _;

use crate::clock::Clock;
use crate::config::{Config, Env, Flags};
use crate::http::{self, Parts, Readiness};
use crate::lifecycle::{Ended, GRACE, Lifecycle};
use crate::metrics::{BuildInfo, Exposition, Handles};
use crate::platform::{DirLock, Notifier, Signals, State, create_private_dir};
use crate::telemetry::Telemetry;
use crate::version;

use records::Records;
use reload::Reloader;

/// What the program starts from.
#[derive(Debug)]
pub struct Setup {
    pub config: Config,
    /// Kept, because a reload layers them over the file again.
    pub flags: Flags,
    pub env: Env,
    pub telemetry: Telemetry,
}

/// Runs the exporter until it is asked to stop or an essential part fails.
pub async fn run(setup: Setup) -> anyhow::Result<Ended> {
    let Setup {
        config,
        flags,
        env,
        telemetry,
    } = setup;
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let notifier = Notifier::new(env.get("NOTIFY_SOCKET").map(Into::into));
    let clock = Clock::system();
    let life = Lifecycle::new();
    let readiness = Readiness::waiting_for("the counters are being restored");
    let (reload, requests) = http::reload_channel();

    let storage = &config.storage.path;
    create_private_dir(storage)
        .with_context(|| format!("cannot create the storage directory {}", storage.display()))?;
    let lock = DirLock::acquire(storage)?;

    let counts = telemetry.counts();
    let handles = Handles::new(
        build_info(),
        std::sync::Arc::new(move || counts.read().to_vec()),
    );
    let in_flight = config.web.scrape_in_flight.get() as usize;
    let exposition = Exposition::new(handles.clone(), in_flight);

    // Bound before anything is taken from CPA: a taken port must cost no record.
    let address = &config.web.listen_address;
    let listener = http::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let router = http::router(Parts {
        telemetry: http::scrape::router(exposition.clone(), clock.clone()),
        telemetry_path: config.web.telemetry_path.clone(),
        readiness: readiness.clone(),
        reload: config.web.enable_lifecycle.then(|| reload.clone()),
    });
    tracing::info!(
        address = %listener.local_addr()?,
        metrics = config.web.telemetry_path.as_str(),
        "serving"
    );
    life.spawn_essential(
        "http",
        http::serve(listener, router, config.web.max_connections, life.soft()),
    );

    let records = Records::build(
        &config,
        &handles,
        exposition,
        &clock,
        readiness.clone(),
        &life,
    )?;
    let reloader = Reloader::new(
        config,
        flags,
        env,
        telemetry,
        records.access(),
        &handles,
        clock,
    )
    .with_source(records.shared())
    .with_notifier(notifier.clone());
    life.spawn_essential("records", records.run());
    let soft = life.soft();
    life.spawn_essential("reload", async move {
        soft.run_until_cancelled(reloader.run(requests)).await;
    });

    notifier.notify(State::Ready);
    let soft = life.soft();
    life.spawn("stop notice", async move {
        soft.cancelled().await;
        readiness.set_waiting_for("the exporter is stopping");
        notifier.notify(State::Stopping);
    });
    let next_signal = async || signals.next().await;
    let ended = life.run(next_signal, || reload.request(), GRACE).await;
    drop(lock);
    Ok(ended)
}

fn build_info() -> BuildInfo {
    BuildInfo {
        version: version::VERSION,
        revision: version::REVISION,
        rustc: version::RUSTC,
    }
}
