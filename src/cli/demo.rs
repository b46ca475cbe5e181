mod directory;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use anyhow::Context as _;
use bytes::Bytes;
use tokio::runtime;

use super::money::Setup as Money;
use super::{Exit, note, run};
use crate::api::ImportSummary;
use crate::app::{self, Options, Setup};
use crate::config::{self, Env, Flags, ListenAddress};
use crate::http::{self, Listener};
use crate::platform::create_private_dir;
use crate::simulator::{
    Clock, GatewaySimulator, History, Simulator, SimulatorConfig, TrafficConfig, parse_rate,
};
use crate::store::Store;
use crate::telemetry::Telemetry;

use directory::TemporaryDirectory;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Mean requests per second, past and present; the rate follows the time of day
    #[arg(long, default_value_t = RATE, value_name = "N", value_parser = parse_rate)]
    rate: f64,
    /// Address to listen on; port 0 takes a free port
    #[arg(long, default_value = "127.0.0.1:10317", value_name = "ADDRESS", value_parser = address)]
    listen: ListenAddress,
    /// Import simulated records of this time span first; counters do not include them
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    history: Option<Duration>,
    /// Seed of the simulated traffic; equal seeds give equal traffic
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
}

/// Requests per second for which the demo's budgets and quotas are chosen.
const RATE: f64 = 0.5;
/// Records of the history per transaction.
const CHUNK: usize = 5000;
/// Records queued at the start, so that the first scrape has data.
const BACKLOG: u16 = 500;

/// Configuration of the demo: aliases, fees and budgets, so that every part of the status page has
/// data.
const CONFIG: [(&str, &str); 3] = [
    ("config.toml", include_str!("demo/config.toml")),
    ("limits.toml", include_str!("demo/limits.toml")),
    ("prices.toml", include_str!("demo/prices.toml")),
];

/// A simulated CPA, a simulated gateway and the exporter in one process, on a temporary directory.
pub(super) fn execute(args: &Args) -> anyhow::Result<Exit> {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    // Bind first, because generating the history takes a while.
    let listener = runtime.block_on(bind(&args.listen))?;
    let directory = TemporaryDirectory::create(&env::temp_dir())?;
    let data = directory.path().join("data");
    let mut flags = Flags::default();
    flags.config_file = Some(write_config(directory.path())?);
    flags.set("storage.path", data.display().to_string());
    let env = Env::from([]);
    if let Some(span) = args.history {
        let money = config::load_money(&flags, &env)?.value;
        import_history(&money, span, args)?;
    }
    let ended = runtime.block_on(async {
        let simulator = Simulator::start(SimulatorConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            retention: Duration::from_hours(1),
            traffic: TrafficConfig {
                backlog: BACKLOG.into(),
                backlog_span: backlog_span(args.rate),
                ..traffic(args)
            },
            ..SimulatorConfig::default()
        })
        .await
        .context("cannot start the simulated CPA")?;
        let key = directory.path().join("management.key");
        fs::write(&key, simulator.management_key())?;
        flags.set("cpa.url", format!("http://{}", simulator.addr()));
        flags.set("cpa.management_key_file", key.display().to_string());
        let gateway = gateway(directory.path(), &mut flags, args)?;
        flags.set("web.listen_address", args.listen.to_string());
        flags.set("metrics.zero_hold", "2s");
        let config = config::load(&flags, &env)?.value;
        let telemetry = Telemetry::init(config.log.level, config.log.format)?;
        note(&format!(
            "demo: simulated traffic, metrics at http://{listener}/metrics; Ctrl-C stops it and \
             deletes its data"
        ));
        let setup = Setup {
            config,
            flags,
            env,
            telemetry,
        };
        let options = Options {
            listener: Some(listener),
            // The demo ends with its terminal and has nothing to reload.
            stop_on_hangup: io::stdin().is_terminal() || io::stderr().is_terminal(),
        };
        let ended = app::run(setup, options).await;
        simulator.shutdown().await;
        drop(gateway);
        ended
    });
    runtime.shutdown_background();
    Ok(run::exit(ended?))
}

/// A simulated New API gateway, which the exporter reads from its first row on.
fn gateway(directory: &Path, flags: &mut Flags, args: &Args) -> anyhow::Result<GatewaySimulator> {
    let path = directory.join("one-api.db");
    flags.set("gateway.dsn", format!("sqlite://{}", path.display()));
    flags.set("gateway.start", "first");
    let backlog = BACKLOG.into();
    GatewaySimulator::start(&path, args.seed, args.rate, backlog, Clock::system())
        .context("cannot start the simulated New API")
}

/// Traffic settings for history and live records.
fn traffic(args: &Args) -> TrafficConfig {
    TrafficConfig {
        seed: args.seed,
        rate: Some(args.rate).filter(|rate| *rate > 0.0),
        rhythm: true,
        ..TrafficConfig::default()
    }
}

/// Time span of the queued records at this rate, an hour at most.
fn backlog_span(rate: f64) -> Duration {
    let seconds = (f64::from(BACKLOG) / rate.max(0.001)).min(3600.0);
    Duration::from_secs_f64(seconds)
}

fn address(text: &str) -> Result<ListenAddress, &'static str> {
    let expected = "expected an address with its port, such as 127.0.0.1:10317";
    text.parse().map_err(|()| expected)
}

async fn bind(address: &ListenAddress) -> anyhow::Result<Listener> {
    http::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another address with --listen, such as --listen 127.0.0.1:0")
    })
}

/// Writes the demo's configuration and returns its path.
fn write_config(directory: &Path) -> io::Result<PathBuf> {
    for (name, text) in CONFIG {
        fs::write(directory.join(name), text)?;
    }
    Ok(directory.join("config.toml"))
}

/// Imports history of the same accounts and clients.
fn import_history(money: &Money, span: Duration, args: &Args) -> anyhow::Result<()> {
    let data = &money.storage.path;
    create_private_dir(data)?;
    let end = Clock::system()
        .now()
        .saturating_sub(backlog_span(args.rate));
    let config = SimulatorConfig {
        traffic: traffic(args),
        // The history ends where the queued records begin.
        clock: Clock::new(move || end),
        ..SimulatorConfig::default()
    };
    let mut database = money.offline(Store::open(data)?)?;
    let mut summary = ImportSummary::default();
    let mut records = History::new(config, span);
    loop {
        let chunk: Vec<Bytes> = records.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        summary.add(&database.import(&chunk)?);
    }
    note(&format!("history: {summary}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Default label of a record's account.
    fn default_label(record: &[u8]) -> String {
        let record: serde_json::Value = serde_json::from_slice(record).unwrap();
        let text = |name: &str| record[name].as_str().unwrap();
        format!("{}-{}", text("provider"), &text("auth_index")[..6])
    }

    #[test]
    fn budgets_fit_the_default_rate() {
        let directory = tempfile::tempdir().unwrap();
        let mut flags = Flags::default();
        flags.config_file = Some(write_config(directory.path()).unwrap());
        flags.set("storage.path", directory.path().display().to_string());
        let money = config::load_money(&flags, &Env::from([])).unwrap().value;
        // A tenth of a day's records is enough for a mean.
        let args = Args {
            rate: RATE / 10.0,
            listen: address("127.0.0.1:0").unwrap(),
            history: None,
            seed: 1,
        };
        import_history(&money, Duration::from_hours(24), &args).unwrap();
        let database = money.storage.path.join(crate::store::DATABASE_FILE);
        let database = rusqlite::Connection::open(database).unwrap();
        let sum = "SELECT sum(cost_nano) / 1e9 FROM event";
        let tenth: f64 = database.query_row(sum, (), |row| row.get(0)).unwrap();
        let file: toml::Table = toml::from_str(CONFIG[1].1).unwrap();
        for budget in file["budget"].as_array().unwrap() {
            let days = match budget["window"].as_str().unwrap() {
                "daily" => 1.0,
                "monthly" => 30.0,
                // Covers one key only.
                _ => continue,
            };
            let dollars = f64::from(i32::try_from(budget["usd"].as_integer().unwrap()).unwrap());
            let used = tenth * 10.0 * days / dollars;
            assert!((0.3..0.75).contains(&used), "{used} of {}", budget["name"]);
        }
    }

    #[test]
    fn an_occupied_port_names_the_option() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address: ListenAddress = taken.local_addr().unwrap().to_string().parse().unwrap();
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let error = runtime.unwrap().block_on(bind(&address)).unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("--listen") && error.contains("in use"),
            "{error}"
        );
    }

    #[test]
    fn the_configuration_is_valid_and_names_existing_accounts() {
        let directory = tempfile::tempdir().unwrap();
        let mut flags = Flags::default();
        flags.config_file = Some(write_config(directory.path()).unwrap());
        flags.set("storage.path", directory.path().display().to_string());
        let env = Env::from([("CPA_MANAGEMENT_KEY", "k")]);
        let loaded = config::load(&flags, &env).unwrap();
        assert_eq!(loaded.warnings, []);
        let rules = &loaded.value.limits.rules;
        assert!(!rules.budgets.is_empty() && !rules.combos.is_empty());
        let mut traffic = SimulatorConfig::default();
        traffic.traffic.records = Some(2000);
        let records = History::new(traffic, Duration::from_hours(1));
        let known: BTreeSet<String> = records.map(|record| default_label(&record)).collect();
        let file: toml::Table = toml::from_str(CONFIG[0].1).unwrap();
        let aliases = file["aliases"]["accounts"].as_table().unwrap();
        for label in aliases.keys() {
            assert!(known.contains(label), "{label} is none of {known:?}");
        }
        let names: BTreeSet<&str> = aliases
            .values()
            .map(|name| name.as_str().unwrap())
            .collect();
        for label in file["cost"]["fees"].as_table().unwrap().keys() {
            let is_there = known.contains(label) || names.contains(label.as_str());
            assert!(is_there, "{label} is none of {known:?}");
        }
    }
}
