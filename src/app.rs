//! The one place that sees every part: builds them, connects them, waits for the end.

use anyhow::Context as _;
use axum::Router;

use crate::{
    config::{self, Config, Env, Flags},
    http::{self, Parts, Readiness, ReloadRequests},
    lifecycle::{Ended, GRACE, Lifecycle},
    platform::{Notifier, Signals, State},
    telemetry::Telemetry,
};

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
    let life = Lifecycle::new();
    let readiness = Readiness::waiting_for("the exporter is starting");
    let (reload, requests) = http::reload_channel();

    let address = &config.web.listen_address;
    let listener = http::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let router = http::router(Parts {
        telemetry: Router::new(),
        telemetry_path: config.web.telemetry_path.clone(),
        readiness: readiness.clone(),
        reload: config.web.enable_lifecycle.then(|| reload.clone()),
    });
    tracing::info!(address = %listener.local_addr()?, "serving");
    life.spawn_essential(
        "http",
        http::serve(listener, router, config.web.max_connections, life.soft()),
    );
    let reloader = Reloader {
        flags,
        env,
        telemetry,
        notifier: notifier.clone(),
    };
    let soft = life.soft();
    life.spawn_essential("reload", async move {
        soft.run_until_cancelled(reloader.run(requests)).await;
    });

    readiness.set_ready();
    notifier.notify(State::Ready);
    let soft = life.soft();
    life.spawn("stop notice", async move {
        soft.cancelled().await;
        readiness.set_waiting_for("the exporter is stopping");
        notifier.notify(State::Stopping);
    });
    let next_signal = async || signals.next().await;
    Ok(life.run(next_signal, || reload.request(), GRACE).await)
}

/// Reads the configuration again and hands out what can change while running.
struct Reloader {
    flags: Flags,
    env: Env,
    telemetry: Telemetry,
    notifier: Notifier,
}

impl Reloader {
    async fn run(self, mut requests: ReloadRequests) {
        while let Some(request) = requests.next().await {
            self.notifier.notify(State::Reloading);
            let outcome = self.reload();
            self.notifier.notify(State::Ready);
            request.finish(outcome);
        }
    }

    fn reload(&self) -> Result<(), String> {
        match config::load(&self.flags, &self.env) {
            Ok(loaded) => {
                self.telemetry.set_level(loaded.value.log.level);
                tracing::info!("configuration reloaded");
                Ok(())
            }
            Err(problems) => {
                tracing::error!(%problems, "configuration not reloaded, the old one stays");
                Err(problems.to_string())
            }
        }
    }
}
