//! The command line: commands, flags and exit codes.
//!
//! Without a subcommand it runs the exporter. Each subcommand has a file with its arguments and its
//! code; nothing outside this module depends on it.

mod alerts;
mod backfill;
mod check_config;
mod completions;
mod demo;
mod events;
mod exit;
mod exporter;
mod flags;
mod healthcheck;
mod import;
mod man;
mod money;
mod prices;
mod quota;
mod rejects;
mod report;
mod reprice;
mod run;
mod selection;
mod simulate;
mod storage;
mod terminal;
mod writer;

use std::io::{self, Write as _};

use clap::{Parser, Subcommand};

pub use self::{exit::Exit, flags::ConfigFlags};
use crate::{config::Env, version};

const AFTER_HELP: &str = "\
Every flag is also a key of the configuration file and an environment variable:
  --cpa.poll-interval 1s     on the command line wins over
  CPA_EXPORTER_CPA_POLL_INTERVAL=1s  in the environment, which wins over
  [cpa] poll_interval = \"1s\" in the file. An empty variable counts as not set.

Set the management key by file or environment; no flag accepts it:
  CPA_MANAGEMENT_KEY, CPA_MANAGEMENT_KEY_FILE or --cpa.management-key-file.

Exit codes:
  0  success; after SIGTERM: all received records are committed
  1  failure
  2  invalid command line or configuration
  3  stopped before all received records were committed; the next start commits them";

/// A Prometheus exporter for CLIProxyAPI (CPA).
///
/// Collects every usage record from CPA's queue, stores it in SQLite and serves counters,
/// histograms and gauges per account and model.
#[derive(Debug, Parser)]
#[command(
    name = "cpa-exporter",
    version = version::LONG,
    after_help = AFTER_HELP,
    args_conflicts_with_subcommands = true,
    subcommand_help_heading = "Commands (none: run the exporter)",
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    flags: ConfigFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the configuration and report all its errors
    CheckConfig(check_config::Args),
    /// Check that an exporter is running, for container health checks
    Healthcheck(healthcheck::Args),
    /// Show the remaining quota of each account
    Quota(quota::Args),
    /// Show what accounts, models and clients used
    Report(report::Args),
    /// Show single requests, newest first
    Events(events::Args),
    /// List or replay records that could not be decoded
    Rejects(Group<rejects::Action>),
    /// Show or change the price list
    Prices(Group<prices::Action>),
    /// Recompute the cost of stored events with current prices
    ///
    /// Works while the exporter runs. Counters do not change: the difference is exposed as
    /// `cpa_list_value_correction_usd` and `cpa_cost_correction_usd`.
    Reprice(reprice::Args),
    /// Test alerting
    Alerts(Group<alerts::Action>),
    /// Import usage records from a file (counters do not change)
    Import(import::Args),
    /// Export the history of the counters for Prometheus, as TSDB blocks or OpenMetrics
    Backfill(backfill::Args),
    /// Move a damaged database out of the way
    Storage(Group<storage::Action>),
    /// Run the exporter with a simulated CPA and simulated traffic
    Demo(demo::Args),
    /// Simulate a CLIProxyAPI, or a New API gateway
    Simulate(simulate::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the manual page
    Man(man::Args),
}

// Without a doc comment, which clap would print instead of the command's.
#[derive(Debug, clap::Args)]
struct Group<Action: Subcommand> {
    #[command(subcommand)]
    action: Action,
}

impl Cli {
    /// Executes the command and returns its exit code; errors go to stderr.
    pub fn execute(self, env: &Env) -> Exit {
        let done = match self.command {
            None => run::execute(self.flags.into_flags(), env),
            Some(Command::CheckConfig(args)) => check_config::execute(args, env),
            Some(Command::Healthcheck(args)) => healthcheck::execute(args, env),
            Some(Command::Quota(args)) => quota::execute(args, env),
            Some(Command::Report(args)) => report::execute(args, env),
            Some(Command::Events(args)) => events::execute(args, env),
            Some(Command::Rejects(args)) => rejects::execute(args, env),
            Some(Command::Prices(args)) => prices::execute(args, env),
            Some(Command::Reprice(args)) => reprice::execute(args, env),
            Some(Command::Alerts(args)) => alerts::execute(args),
            Some(Command::Import(args)) => import::execute(args, env),
            Some(Command::Backfill(args)) => backfill::execute(args, env),
            Some(Command::Storage(args)) => storage::execute(args, env),
            Some(Command::Demo(args)) => demo::execute(&args),
            Some(Command::Simulate(args)) => simulate::execute(args),
            Some(Command::Completions(args)) => completions::execute(&args),
            Some(Command::Man(args)) => man::execute(&args),
        };
        done.unwrap_or_else(|error| exit::report(&error))
    }
}

/// Writes to stdout; a closed pipe is not an error.
fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a line to stderr and ignores a failure, which cannot be reported anywhere.
fn note(line: &str) {
    writeln!(io::stderr().lock(), "{line}").ok();
}

#[cfg(test)]
mod tests;
