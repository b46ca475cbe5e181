//! The client of CPA and the observer of its state.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::Context as _;

use super::storage::hash_key;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::cpa::{
    Client, ClientParts, CpaStates, Decoding, Observer, ObserverParts, ObserverSettings,
    ReadRequests,
};
use crate::decode::Secrets;
use crate::errors::Chain;
use crate::http_client::{self, Proxy, Timeouts};
use crate::lifecycle::Lifecycle;
use crate::metrics::Handles;
use crate::source::Inlet;

/// Time-outs of calls to CPA; each call but a pop has a total one, too. Long, because records that CPA
/// has popped are lost when we disconnect.
const CPA_LIMITS: Timeouts = Timeouts {
    connect: Duration::from_secs(10),
    total: None,
    idle: Some(Duration::from_mins(1)),
};

/// The HTTP client for CPA, and the TLS configuration of an `https` URL.
pub(super) fn transport(
    cpa: &config::Cpa,
) -> anyhow::Result<(reqwest::Client, Option<Arc<rustls::ClientConfig>>)> {
    let file = cpa.tls_ca_file.as_deref();
    let authorities = file.map(read_authorities).transpose()?;
    let authorities = authorities.as_deref();
    let proxy = if cpa.url.is_loopback() {
        Proxy::Never
    } else {
        Proxy::FromEnvironment
    };
    let named = || match file {
        Some(file) => file.display().to_string(),
        None => "cannot build the HTTP client for CPA".to_owned(),
    };
    let http = http_client::build(CPA_LIMITS, proxy, authorities).with_context(named)?;
    let tls = cpa.url.is_tls();
    let tls = tls.then(|| http_client::tls_config(authorities));
    Ok((http, tls.transpose()?))
}

/// The client of CPA, and the place of its management key.
#[derive(Clone, Debug)]
pub(super) struct Cpa {
    pub(super) client: Client,
    secret: Arc<RwLock<config::Secret>>,
}

impl Cpa {
    pub(super) fn new(cpa: &config::Cpa, handles: &Handles, clock: Clock) -> anyhow::Result<Self> {
        let (http, tls) = transport(cpa)?;
        let secret = Arc::new(RwLock::new(cpa.management_key.clone()));
        let read = Arc::clone(&secret);
        let read_key = move || match read.read() {
            Ok(secret) => secret
                .read()
                .map_err(|error| format!("{}{}", Chain(&error), secret.access_remedy(&error))),
            Err(_poisoned) => Err("the key is being replaced".to_owned()),
        };
        let metrics = handles.source.clone();
        let client = Client::new(ClientParts {
            url: cpa.url.as_url().clone(),
            http,
            tls,
            clock,
            read_key: Box::new(read_key),
            report: Box::new(move |reason| metrics.set_refused(reason)),
        });
        Ok(Self { client, secret })
    }

    /// Replaces the key by another one, or re-reads it.
    pub(super) fn replace_key(&self, secret: config::Secret) {
        if let Ok(mut place) = self.secret.write() {
            *place = secret;
        }
        self.client.reload();
    }
}

/// The observer, and what it publishes.
pub(super) fn observer(
    config: &Config,
    cpa: &Cpa,
    inlet: &Inlet,
    requests: ReadRequests,
    life: &Lifecycle,
) -> anyhow::Result<(Observer, CpaStates)> {
    let received = inlet.received();
    Ok(Observer::new(ObserverParts {
        settings: ObserverSettings {
            checks: config.cpa.check_interval,
            accounts: config.accounts.interval,
            manage_usage_statistics: config.cpa.manage_usage_statistics,
        },
        client: cpa.client.clone(),
        decoding: Decoding {
            secrets: Secrets::new(hash_key(&config.storage.path)?),
            keep_email: config.accounts.show_email,
        },
        received: Box::new(move || received.load(Ordering::Relaxed)),
        requests,
        stop: life.soft(),
    }))
}

fn read_authorities(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read the CA file {}", path.display()))
}
