mod alertmanager;
mod notifications;
mod receive;
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
    /// Print the alerts that Alertmanager sends to a webhook here, until Ctrl-C
    ///
    /// For trying out: give Alertmanager a receiver with `webhook_configs` and the URL that is
    /// printed first.
    Receive(receive::Args),
}

pub(super) fn execute(args: Group<Action>) -> anyhow::Result<Exit> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        match args.action {
            Action::Test(args) => test::execute(&args).await,
            Action::Receive(args) => receive::execute(&args).await,
        }
    })
}
