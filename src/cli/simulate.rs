use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use tokio::runtime;

use super::{Exit, note};
use crate::platform::Signals;
use crate::simulator::{Clock, GatewaySimulator, History, SimulateArgs, Simulator, parse_rate};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(flatten)]
    cpa: SimulateArgs,
    #[command(subcommand)]
    gateway: Option<Gateway>,
}

#[derive(Debug, Subcommand)]
enum Gateway {
    /// Simulate a New API gateway: write requests to its SQLite database
    Newapi(NewApi),
}

#[derive(Debug, clap::Args)]
struct NewApi {
    /// Database of the gateway; created if it does not exist
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
    /// Rows per second
    #[arg(long, default_value_t = 5.0, value_name = "N", value_parser = parse_rate)]
    rate: f64,
    /// Rows of the last hour to write first
    #[arg(long, default_value_t = 0, value_name = "N")]
    backlog: u64,
    /// Seed of the rows; equal seeds give equal rows
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
}

pub(super) fn execute(args: Args) -> anyhow::Result<Exit> {
    match args.gateway {
        Some(Gateway::Newapi(gateway)) => write_gateway(&gateway),
        None => simulate_cpa(args.cpa),
    }
}

fn write_gateway(args: &NewApi) -> anyhow::Result<Exit> {
    let path = &args.database;
    let start =
        || GatewaySimulator::start(path, args.seed, args.rate, args.backlog, Clock::system());
    let gateway = start().with_context(|| format!("cannot write {}", path.display()))?;
    note(&format!(
        "simulated New API writes {}; Ctrl-C stops it and shows what it committed",
        path.display()
    ));
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        while signals.next().await != crate::platform::Signal::Stop {}
        Ok::<_, io::Error>(())
    })?;
    note(&format!("{:#?}", gateway.finish()));
    Ok(Exit::Success)
}

fn simulate_cpa(args: SimulateArgs) -> anyhow::Result<Exit> {
    if let Some(span) = args.history {
        let out = args.out.clone();
        let history = History::new(args.into_config(), span);
        return write(history, &out);
    }
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let simulator = Simulator::start(args.into_config()).await?;
        let address = simulator.addr();
        note(&format!(
            "simulated CPA on http://{address}, management key {}; totals: \
             http://{address}/simulator/totals; true quotas: http://{address}/simulator/quotas; \
             Ctrl-C stops it",
            simulator.management_key()
        ));
        while signals.next().await != crate::platform::Signal::Stop {}
        simulator.shutdown().await;
        Ok(Exit::Success)
    })
}

/// One record per line. A closed pipe is not an error.
fn write(history: History, path: &Path) -> anyhow::Result<Exit> {
    let out: Box<dyn Write> = if path.as_os_str() == "-" {
        Box::new(io::stdout().lock())
    } else {
        Box::new(File::create(path).with_context(|| format!("cannot create {}", path.display()))?)
    };
    let mut out = BufWriter::new(out);
    let mut written = 0_u64;
    let all = || {
        for record in history {
            out.write_all(&record)?;
            out.write_all(b"\n")?;
            written += 1;
        }
        out.flush()
    };
    match all() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Success),
        done => done.context("cannot write the records")?,
    }
    note(&format!("{written} records written"));
    Ok(Exit::Success)
}
