use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::runtime;

use super::{ConfigFlags, Exit, flags, print};
use crate::{
    app::local_api::LocalApi,
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
    let mut socket = None;
    let url = if let Some(url) = args.url {
        url
    } else {
        let flags = args.flags.into_flags();
        let web = config::load_web(&flags, env)?.value;
        // The address may require TLS, a certificate or a password; the socket does not.
        if web.needs_local_socket() {
            let storage = config::load_storage(&flags, env)?.value;
            socket = LocalApi::read(&storage.path)?.and_then(|api| api.socket);
        }
        let address = &web.listen_address;
        let host = match address.unix_path() {
            Some(_) => "localhost".to_owned(),
            None => address.reach_at(),
        };
        format!("http://{host}/-/healthy")
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(query(&url, socket.as_deref(), args.timeout))?;
    print(b"healthy\n")?;
    Ok(Exit::Success)
}

async fn query(url: &str, socket: Option<&Path>, timeout: Duration) -> anyhow::Result<()> {
    let limits = Timeouts {
        connect: timeout,
        total: Some(timeout),
        idle: None,
    };
    let client = match socket {
        Some(socket) => http_client::build_local(limits, socket)?,
        None => http_client::build(limits, http_client::Proxy::Never, None)?,
    };
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
