use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::runtime;

use super::{ConfigFlags, Exit, flags, print};
use crate::{
    config::{self, Env},
    http_client::{self, Timeouts},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Timeout
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Check this URL instead of the exporter's, for example a simulated CPA's
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    flags: ConfigFlags<flags::Exporter>,
}

/// Needs only an address, so it works without the management key.
pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    let url = if let Some(url) = args.url {
        url
    } else {
        let web = config::load_web(&args.flags.into_flags(), env)?.value;
        format!("http://{}/-/healthy", web.listen_address.reach_at())
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(query(&url, args.timeout))?;
    print(b"healthy\n")?;
    Ok(Exit::Success)
}

async fn query(url: &str, timeout: Duration) -> anyhow::Result<()> {
    let limits = Timeouts {
        connect: timeout,
        total: timeout,
    };
    let client = http_client::build(limits, http_client::Proxy::Never, None)?;
    let response = client
        .get(url)
        .send()
        .await
        .with_context(|| format!("{url} does not answer"))?;
    if !response.status().is_success() {
        bail!("{url} answered {}", response.status());
    }
    Ok(())
}
