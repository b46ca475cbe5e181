mod alertmanager;
mod notifications;
mod test;

use anyhow::Context as _;
use clap::Subcommand;
use tokio::runtime;

use super::{Exit, Group};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Send a test alert through Alertmanager and say how far it came
    ///
    /// Says which receivers it is routed to and, from Alertmanager's own counters, through which
    /// channels it was sent. Whether somebody read it is for you to see. The test ends by itself
    /// after a minute, which receivers may be told as well.
    Test(test::Args),
}

pub(super) fn execute(args: Group<Action>) -> anyhow::Result<Exit> {
    let Action::Test(test) = args.action;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(test::execute(&test))
}
