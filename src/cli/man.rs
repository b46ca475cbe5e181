use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::{Cli, Exit, print};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the pages of all commands to this directory [default: one page to stdout]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn execute(args: &Args) -> anyhow::Result<Exit> {
    if let Some(dir) = &args.dir {
        clap_mangen::generate_to(Cli::command(), dir)
            .with_context(|| format!("cannot write manual pages to {}", dir.display()))?;
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        print(&page)?;
    }
    Ok(Exit::Success)
}
