use anyhow::Context as _;
use tokio::runtime;

use super::Exit;
use crate::{
    app::{self, Setup},
    config::{Env, Flags},
    lifecycle::{Cause, Drain, Ended},
    telemetry::Telemetry,
};

pub(super) fn execute(flags: Flags, env: &Env) -> anyhow::Result<Exit> {
    let loaded = app::files::load(&flags, env)?;
    let log = &loaded.value.log;
    let telemetry = Telemetry::init(log.level, log.format)?;
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "configuration warning");
    }
    let setup = Setup {
        config: loaded.value,
        flags,
        env: env.clone(),
        telemetry,
    };
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let ended = runtime.block_on(app::run(setup, app::Options::default()));
    // The remaining tasks had their grace period; do not wait for them again.
    runtime.shutdown_background();
    Ok(exit(ended?))
}

pub(super) fn exit(ended: Ended) -> Exit {
    match (ended.cause, ended.drain) {
        (Cause::TaskEnded(_), _) => Exit::Failed,
        (Cause::StopSignal, Drain::Complete) => Exit::Success,
        (Cause::StopSignal, Drain::TimedOut | Drain::SecondSignal) => Exit::Unfinished,
    }
}
