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
    /// Send a test alert through Alertmanager and report its delivery
    ///
    /// Prints the receivers of the alert and, from Alertmanager's own counters, the channels that
    /// sent it. Check the receiver's inbox yourself. The alert resolves after a minute; receivers
    /// with `send_resolved` get a second message then.
    Test(test::Args),
    /// Run a webhook receiver that prints the alerts it gets, until Ctrl-C
    ///
    /// Add the URL that it prints first to the `webhook_configs` of a receiver in Alertmanager.
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
