//! Builds all HTTP clients: with time-outs, without redirects, with our user agent.

mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, ClientBuilder, Response, redirect};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::errors::Chain;
use crate::version::USER_AGENT;

use tls::FileVerifier;
pub(crate) use tls::lacks_issuer;

/// Time-outs of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection is established.
    pub connect: Duration,
    /// Until the response is complete; `None` if each request has a time-out of its own.
    pub total: Option<Duration>,
    /// Until more bytes arrive.
    pub idle: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Some(Duration::from_secs(30)),
            idle: None,
        }
    }
}

/// Whether to use the proxies of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    FromEnvironment,
    /// For a server on this machine, which a remote proxy cannot reach.
    Never,
}

/// Why there is no client or no usable response.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the CA file is not valid PEM: a section in it is cut off or damaged")]
    Authorities,
    #[error("the CA file has no X.509 v3 certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoAuthority,
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    #[error(
        "this system has no trusted certificate authorities: install ca-certificates, set SSL_CERT_FILE, \
         or configure a CA file"
    )]
    NobodyTrusted(#[source] rustls::Error),
    #[error("cannot build the HTTP client")]
    Build(#[source] reqwest::Error),
    #[error("the response is longer than {0} bytes")]
    TooLong(usize),
    #[error("the response is incomplete")]
    Read(#[source] reqwest::Error),
}

/// With `authorities` (PEM), only servers with a certificate of these authorities or with one of
/// the listed certificates are trusted; otherwise those that the system trusts.
///
/// Without trusted authorities, for example in a container with only our binary, `http` works.
pub fn build(
    limits: Timeouts,
    proxy: Proxy,
    authorities: Option<&[u8]>,
) -> Result<Client, ClientError> {
    if authorities.is_some() {
        let mut config = new_tls_config(authorities)?;
        // reqwest sets it only for configurations of its own.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let builder = builder(limits, proxy).tls_backend_preconfigured(config);
        return builder.build().map_err(ClientError::Build);
    }
    builder(limits, proxy).build().or_else(|error| {
        let trusts_nobody = builder(limits, proxy).tls_certs_only([]).build();
        let client = trusts_nobody.map_err(ClientError::Build)?;
        log_once(&error);
        Ok(client)
    })
}

/// Logs once: every client of a run would log the same.
fn log_once(error: &reqwest::Error) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if tracing::enabled!(tracing::Level::WARN) && !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            error = %Chain(error),
            "this system has no trusted certificate authorities, so https needs a CA file; \
             install ca-certificates or set SSL_CERT_FILE"
        );
    }
}

/// For the server behind a Unix socket; the host of a URL is ignored.
#[cfg(unix)]
pub fn build_local(limits: Timeouts, socket: &std::path::Path) -> Result<Client, ClientError> {
    let builder = builder(limits, Proxy::Never)
        .tls_certs_only([])
        .unix_socket(socket);
    builder.build().map_err(ClientError::Build)
}

#[cfg(not(unix))]
pub fn build_local(limits: Timeouts, _socket: &std::path::Path) -> Result<Client, ClientError> {
    build(limits, Proxy::Never, None)
}

fn builder(limits: Timeouts, proxy: Proxy) -> ClientBuilder {
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(limits.connect)
        // A redirect would send our key to a server that is not configured.
        .redirect(redirect::Policy::none())
        .referer(false);
    if let Some(total) = limits.total {
        builder = builder.timeout(total);
    }
    if let Some(idle) = limits.idle {
        builder = builder.read_timeout(idle);
    }
    match proxy {
        Proxy::Never => builder.no_proxy(),
        Proxy::FromEnvironment => builder,
    }
}

/// The trust of [`build`] for connections that are not HTTP. Offers no ALPN.
pub fn tls_config(authorities: Option<&[u8]>) -> Result<Arc<ClientConfig>, ClientError> {
    new_tls_config(authorities).map(Arc::new)
}

fn new_tls_config(authorities: Option<&[u8]>) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?;
    let config = match authorities {
        Some(pem) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(FileVerifier::new(pem, provider)?)),
        None => builder
            .with_platform_verifier()
            .map_err(ClientError::NobodyTrusted)?,
    };
    Ok(config.with_no_client_auth())
}

/// Reads the body up to `limit` bytes; a longer one is an error, and the rest stays unread.
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        task::JoinSet,
    };

    use super::*;

    /// Answers one request with `answer`; returns the URL and a task that ends with the request.
    async fn server(answer: &'static str) -> (String, JoinSet<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (mut stream, _peer) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        });
        (url, tasks)
    }

    fn client() -> Client {
        build(Timeouts::default(), Proxy::Never, None).unwrap()
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\
                      content-length: 0\r\n\r\n";
        let (url, mut tasks) = server(answer).await;
        let response = client().get(url).send().await.unwrap();
        assert_eq!(response.status(), 302);
        let request = tasks.join_next().await.unwrap().unwrap();
        assert!(request.contains(USER_AGENT), "{request}");
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        for (limit, fits) in [(5, true), (4, false)] {
            let (url, _tasks) = server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
            let response = client().get(url).send().await.unwrap();
            assert_eq!(read_bounded(response, limit).await.is_ok(), fits);
        }
    }

    #[test]
    fn a_ca_file_without_certificate_is_refused() {
        let built = build(Timeouts::default(), Proxy::FromEnvironment, Some(b"no PEM"));
        assert!(matches!(built, Err(ClientError::NoAuthority)), "{built:?}");
    }
}
