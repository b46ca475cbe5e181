//! The `cpa-exporter` binary.

use std::process::ExitCode;

use clap::Parser as _;
use cpa_exporter::{cli::Cli, config::Env};

fn main() -> ExitCode {
    Cli::parse().execute(&Env::of_process()).into()
}
