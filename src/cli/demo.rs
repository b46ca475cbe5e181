use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io, process};

use anyhow::Context as _;
use tokio::runtime;

use super::money::{Priced, now};
use super::{Exit, complain, run};
use crate::app::prices;
use crate::app::storage::hash_key;
use crate::app::{self, Setup};
use crate::config::{self, Env, Flags};
use crate::decode::Decoder;
use crate::history::Import;
use crate::platform::create_private_dir;
use crate::simulator::{History, Simulator, SimulatorConfig, TrafficConfig};
use crate::store::Store;
use crate::telemetry::Telemetry;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Mean requests per second of the made-up traffic
    #[arg(long, default_value_t = 20, value_name = "N")]
    rate: u64,
    /// Address that the exporter serves on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:10317", value_name = "ADDRESS")]
    listen: String,
    /// Store made-up records of so much past time first; the counters do not count them
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    history: Option<Duration>,
    /// Equal seeds give equal traffic
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
}

/// A simulated CPA and the exporter in one process, on a temporary directory.
pub(super) fn execute(args: &Args) -> anyhow::Result<Exit> {
    let directory = TemporaryDirectory::create()?;
    let data = directory.0.join("data");
    if let Some(span) = args.history {
        import_history(&data, span, args.seed)?;
    }
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let simulator = Simulator::start(SimulatorConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            retention: Duration::from_hours(1),
            traffic: TrafficConfig {
                seed: args.seed,
                rate: Some(args.rate).filter(|rate| *rate > 0),
                backlog: 500,
                ..TrafficConfig::default()
            },
            ..SimulatorConfig::default()
        })
        .await
        .context("cannot start the simulated CPA")?;
        let key = directory.0.join("management.key");
        fs::write(&key, simulator.management_key())?;
        let mut flags = Flags::default();
        flags.set("cpa.url", format!("http://{}", simulator.addr()));
        flags.set("cpa.management_key_file", key.display().to_string());
        flags.set("storage.path", data.display().to_string());
        flags.set("web.listen_address", args.listen.clone());
        flags.set("metrics.zero_hold", "2s");
        let env = Env::from([]);
        let config = config::load(&flags, &env)?.value;
        let telemetry = Telemetry::init(config.log.level, config.log.format)?;
        complain(&format!(
            "demo with made-up traffic: look at http://{}/metrics; Ctrl-C ends it and removes its \
             data",
            args.listen
        ));
        let setup = Setup {
            config,
            flags,
            env,
            telemetry,
        };
        let ended = app::run(setup).await;
        simulator.shutdown().await;
        ended
    });
    runtime.shutdown_background();
    Ok(run::exit(ended?))
}

/// The past of the same accounts and clients, as `import` would have brought it in.
fn import_history(data: &Path, span: Duration, seed: u64) -> anyhow::Result<()> {
    create_private_dir(data)?;
    let traffic = TrafficConfig {
        seed,
        ..TrafficConfig::default()
    };
    let config = SimulatorConfig {
        traffic,
        ..SimulatorConfig::default()
    };
    let mut store = Store::open(data)?;
    let decoder = Decoder::new(hash_key(data)?);
    let (_, cost, aliases) = config::load_money(&Flags::default(), &Env::from([]))?.value;
    let table = prices::load(data, &cost)?;
    let mut desk = Priced::new(table, prices::billing(&cost, &aliases), &mut store)?;
    let mut import = Import::new(&mut store, &decoder, &mut desk, now());
    for record in History::new(config, span) {
        import.take(&record)?;
    }
    complain(&format!("history: {}", import.finish()?));
    Ok(())
}

/// Removed at the end, with what is in it.
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn create() -> anyhow::Result<Self> {
        let path = env::temp_dir().join(format!("cpa-exporter-demo-{}", process::id()));
        remove(&path)?;
        create_private_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            complain(&format!(
                "{} could not be removed: {error}",
                self.0.display()
            ));
        }
    }
}

/// A directory that is not there is as good as removed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _removed => Ok(()),
    }
}
