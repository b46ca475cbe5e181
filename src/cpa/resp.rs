//! One RESP2 connection to CPA: connect, log in, send commands, read replies.
//!
//! The `redis` crate packs commands and parses status and error lines. Its connections are not used:
//! they send commands of their own and hide the text of a refused login. Nor is its parser of arrays and
//! bulk strings, which holds a whole reply in memory.

mod reader;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use super::{Refusal, RespError};
use reader::{Reader, Reply};

/// Time-out of DNS, the TCP handshake and the TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time-out of a login. bcrypt takes CPA about 60 ms, several times that on a small board.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Time-out of the confirmation of a subscription.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for further bytes of a reply. Long, because records that CPA has popped are lost when
/// we disconnect; a slow reply takes as long as it needs.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// Address and TLS configuration of CPA.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `Some` for `https` base URLs. Must offer no ALPN: CPA then detects the protocol by the first
    /// byte.
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
}

impl Endpoint {
    /// RESP and HTTP share one port.
    pub(crate) fn new(url: &Url, tls: Option<Arc<rustls::ClientConfig>>) -> Self {
        let host = url.host_str().unwrap_or_default();
        Self {
            // A URL has brackets around an IPv6 address; a socket address has none.
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: url.port_or_known_default().unwrap_or(8317),
            tls: tls.filter(|_| url.scheme() == "https"),
        }
    }
}

/// Why a connection failed or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RespFailure {
    /// CPA answered with an error line.
    #[error("CPA answered {0:?}")]
    Answer(RespError),
    #[error("connection failed")]
    Connect(#[source] io::Error),
    #[error("no reply within {0:?}")]
    Timeout(Duration),
    /// Closed by CPA between two replies, or in the middle of one.
    #[error("connection ended")]
    Ended(#[source] Option<io::Error>),
    /// Like `Ended`, in the middle of a message.
    #[error("connection ended within a message")]
    Cut(#[source] Option<io::Error>),
    /// Closed before the first reply: management is off, or the server is not CPA.
    #[error("connection closed without a reply to the login")]
    ClosedAtLogin,
    /// The bytes are not RESP2, or not the expected reply.
    #[error("not a RESP reply: {0}")]
    Protocol(String),
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A message of a subscription.
#[derive(Debug)]
pub(crate) enum Message {
    Payload(Bytes),
    /// A reply to PING.
    Alive,
    /// The subscription has ended; CPA sent all its records before.
    Unsubscribed,
}

/// The write half.
pub(crate) struct Commands(WriteHalf<Box<dyn Stream>>);

/// The read half.
pub(crate) type Replies = Reader<ReadHalf<Box<dyn Stream>>>;

/// A connection after a successful login.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) commands: Commands,
    pub(crate) replies: Replies,
}

impl Connection {
    /// Connects and logs in. `AUTH` is the first command, and nothing else is sent before its
    /// reply, because CPA counts every command before a successful login as a failed one.
    pub(crate) async fn open(endpoint: &Endpoint, key: &str) -> Result<Self, RespFailure> {
        let stream = timeout(CONNECT_TIMEOUT, connect(endpoint))
            .await
            .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
            .map_err(RespFailure::Connect)?;
        let (read, write) = tokio::io::split(stream);
        let mut this = Self {
            commands: Commands(write),
            replies: Replies::new(read, IDLE_TIMEOUT),
        };
        this.log_in(key).await?;
        Ok(this)
    }

    /// Subscribes to one channel; use only [`Replies::message`] afterwards.
    pub(crate) async fn subscribe(&mut self, channel: &str) -> Result<(), RespFailure> {
        self.commands
            .send(redis::cmd("SUBSCRIBE").arg(channel))
            .await?;
        let reply = self.replies.next_within(CONFIRM_TIMEOUT).await?;
        let Reply::Array(items) = reply else {
            return Err(reply.unexpected());
        };
        let kind = items
            .into_iter()
            .next()
            .map(Reply::into_bytes)
            .transpose()?;
        if kind.as_deref() == Some(b"subscribe") {
            Ok(())
        } else {
            Err(RespFailure::Protocol(
                "the subscription was not confirmed".to_owned(),
            ))
        }
    }

    async fn log_in(&mut self, key: &str) -> Result<(), RespFailure> {
        let sent = self.commands.send(redis::cmd("AUTH").arg(key)).await;
        let reply = match sent {
            Ok(()) => self.replies.next_within(LOGIN_TIMEOUT).await,
            Err(failure) => Err(failure),
        };
        match reply {
            Ok(Reply::Ok) => Ok(()),
            Ok(other) => Err(other.unexpected()),
            Err(RespFailure::Ended(_)) => Err(RespFailure::ClosedAtLogin),
            Err(RespFailure::Answer(RespError::Other(_))) => Err(RespFailure::Answer(
                RespError::Refused(Refusal::Unauthorized),
            )),
            Err(failure) => Err(failure),
        }
    }
}

impl Commands {
    pub(crate) async fn send(&mut self, command: &redis::Cmd) -> Result<(), RespFailure> {
        let ended = |e| RespFailure::Ended(Some(e));
        let bytes = command.get_packed_command();
        self.0.write_all(&bytes).await.map_err(ended)?;
        self.0.flush().await.map_err(ended)
    }
}

async fn connect(endpoint: &Endpoint) -> io::Result<Box<dyn Stream>> {
    let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    tcp.set_nodelay(true)?;
    let Some(tls) = &endpoint.tls else {
        return Ok(Box::new(tcp));
    };
    let name = rustls::pki_types::ServerName::try_from(endpoint.host.clone())
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, tcp)
        .await?;
    Ok(Box::new(stream))
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commands").finish_non_exhaustive()
    }
}
