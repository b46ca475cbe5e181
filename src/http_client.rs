//! The only place that makes an HTTP client: with time limits, without redirects, under our name.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Certificate, Client, Response, redirect};

use crate::version::USER_AGENT;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the whole answer is there.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(30),
        }
    }
}

/// Whether the proxies that the environment names are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    FromEnvironment,
    /// For a server on this machine, which a proxy elsewhere cannot reach.
    Never,
}

/// Why there is no client, or no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the CA file holds no usable certificate")]
    Authorities(#[source] reqwest::Error),
    #[error("the CA file holds no certificate")]
    NoAuthority,
    #[error("the HTTP client cannot be made")]
    Build(#[source] reqwest::Error),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the answer broke off")]
    Read(#[source] reqwest::Error),
}

/// With `authorities` (PEM) only servers they vouch for are trusted, else those the system trusts.
pub fn build(
    limits: Limits,
    proxy: Proxy,
    authorities: Option<&[u8]>,
) -> Result<Client, ClientError> {
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(limits.connect)
        .timeout(limits.total)
        // A redirect would carry our key to a place nobody configured.
        .redirect(redirect::Policy::none())
        .referer(false);
    if proxy == Proxy::Never {
        builder = builder.no_proxy();
    }
    if let Some(pem) = authorities {
        let trusted = Certificate::from_pem_bundle(pem).map_err(ClientError::Authorities)?;
        if trusted.is_empty() {
            return Err(ClientError::NoAuthority);
        }
        builder = builder.tls_certs_only(trusted);
    }
    builder.build().map_err(ClientError::Build)
}

/// The body, unless it is longer than `limit` bytes; nothing beyond the limit is kept in memory.
pub async fn read_bounded(mut response: Response, limit: usize) -> Result<Bytes, ClientError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(ClientError::Read)? {
        if body.len() + chunk.len() > limit {
            return Err(ClientError::TooLong(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
