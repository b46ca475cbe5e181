use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Exit, print};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shell of the completion script
    shell: Shell,
}

pub(super) fn execute(args: &Args) -> anyhow::Result<Exit> {
    // Not directly to stdout: clap_complete panics on a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cpa-exporter", &mut script);
    print(&script)?;
    Ok(Exit::Success)
}
