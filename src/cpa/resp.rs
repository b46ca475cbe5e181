//! One RESP2 connection to CPA: connect, log in, send commands, read replies.
//!
//! The `redis` crate packs commands and parses replies. Its connections are not used, because
//! they send commands of their own, hide the text of a refused login, and read on into an
//! unbounded buffer when nobody takes the messages.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{RedisError, Value};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt, BufReader,
    ReadHalf, WriteHalf,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use super::RespError;

/// For the name look-up, the TCP handshake and the TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the reply to a login. bcrypt takes CPA about 60 ms, several times that on a small board.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(15);
/// For the confirmation of a subscription.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(15);
/// Replies are a few hundred KiB; fewer system calls for them.
const READ_BUFFER: usize = 64 * 1024;
/// Longest first line of a reply; an error line is the longest.
const MAX_LINE: u64 = 64 * 1024;

/// Where and how to connect.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `Some` for `https` base URLs. Must offer no ALPN: CPA then looks at the first byte.
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
}

impl Endpoint {
    /// RESP and HTTP share one port.
    pub(crate) fn new(url: &Url, tls: Option<Arc<rustls::ClientConfig>>) -> Self {
        let host = url.host_str().unwrap_or_default();
        Self {
            // An IPv6 address stands in brackets in a URL and without them anywhere else.
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: url.port_or_known_default().unwrap_or(8317),
            tls: tls.filter(|_| url.scheme() == "https"),
        }
    }
}

/// Why a connection could not be had or ended.
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
    /// Closed before the first reply: management is off, or it is no CPA.
    #[error("connection closed without a reply to the login")]
    ClosedAtLogin,
    /// What came is not RESP2, or not what was asked for.
    #[error("not a RESP reply: {0}")]
    Protocol(String),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

type Decoder = combine::stream::Decoder<
    combine::parser::combinator::AnySendSyncPartialState,
    combine::stream::PointerOffset<[u8]>,
>;

/// One reply or message, as far as CPA's protocol goes.
#[derive(Debug)]
pub(crate) enum Reply {
    Ok,
    Nil,
    Bulk(Bytes),
    Array(Vec<Reply>),
    Other,
}

/// What comes over a subscription.
#[derive(Debug)]
pub(crate) enum Message {
    Payload(Bytes),
    /// An answer to a ping.
    Alive,
    /// The subscription is over; whatever CPA wrote came before this.
    Unsubscribed,
}

/// The side that sends commands.
pub(crate) struct Commands(WriteHalf<Box<dyn Stream>>);

/// The side that reads replies and messages.
pub(crate) struct Replies {
    stream: BufReader<ReadHalf<Box<dyn Stream>>>,
    decoder: Decoder,
}

/// A connection that has logged in.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) commands: Commands,
    pub(crate) replies: Replies,
}

impl Connection {
    /// Connects and logs in. `AUTH` is the first command; nothing else is sent before its reply,
    /// because CPA counts every command before a good login as a failed one.
    pub(crate) async fn open(endpoint: &Endpoint, key: &str) -> Result<Self, RespFailure> {
        let stream = timeout(CONNECT_TIMEOUT, connect(endpoint))
            .await
            .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
            .map_err(RespFailure::Connect)?;
        let (read, write) = tokio::io::split(stream);
        let mut this = Self {
            commands: Commands(write),
            replies: Replies {
                stream: BufReader::with_capacity(READ_BUFFER, read),
                decoder: Decoder::new(),
            },
        };
        this.log_in(key).await?;
        Ok(this)
    }

    /// Subscribes to one channel; from then on only [`Replies::message`] makes sense.
    pub(crate) async fn subscribe(&mut self, channel: &str) -> Result<(), RespFailure> {
        let command = redis::cmd("SUBSCRIBE").arg(channel).to_owned();
        self.commands.send(&command).await?;
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
                "no confirmation of a subscription".to_owned(),
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

impl Replies {
    /// Reads one reply or message to its end. Must not be cancelled: a reply that was begun and
    /// not finished is lost, and CPA keeps no copy.
    pub(crate) async fn next(&mut self) -> Result<Reply, RespFailure> {
        let value = redis::parse_redis_value_async(&mut self.decoder, &mut self.stream).await;
        Reply::from_value(value.map_err(|error| failure(&error))?)
    }

    /// Reads one message of a subscription to its end. Must not be cancelled either.
    pub(crate) async fn message(&mut self) -> Result<Message, RespFailure> {
        let message = self.next().await?;
        let Reply::Array(items) = message else {
            return Err(message.unexpected());
        };
        let mut items = items.into_iter();
        let kind = items
            .next()
            .map(Reply::into_bytes)
            .transpose()?
            .unwrap_or_default();
        match (kind.as_ref(), items.nth(1)) {
            (b"message", Some(payload)) => payload.into_bytes().map(Message::Payload),
            (b"pong", _) => Ok(Message::Alive),
            // The connection closes by itself then.
            (b"unsubscribe", _) => Ok(Message::Unsubscribed),
            _ => Err(RespFailure::Protocol("unexpected message".to_owned())),
        }
    }

    /// Reads the reply to a counted pop record by record into `records`: those that came whole
    /// before the connection broke are not lost with it.
    ///
    /// Only for a connection on which nothing else is on its way: the line is read past the
    /// parser, whose buffer is empty between two replies.
    pub(crate) async fn records(&mut self, records: &mut Vec<Bytes>) -> Result<(), RespFailure> {
        let mut line = Vec::new();
        let read = (&mut self.stream)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .await;
        read.map_err(|e| RespFailure::Ended(Some(e)))?;
        let Some(count) = line.strip_prefix(b"*") else {
            if line.is_empty() {
                return Err(RespFailure::Ended(None));
            }
            let reply = redis::parse_redis_value(&line).map_err(|error| failure(&error))?;
            let reply = Reply::from_value(reply)?;
            return if matches!(reply, Reply::Nil) {
                Ok(())
            } else {
                Err(reply.unexpected())
            };
        };
        let count = str::from_utf8(count.trim_ascii())
            .ok()
            .and_then(|n| n.parse::<i64>().ok());
        let count = count.ok_or_else(|| RespFailure::Protocol("no length of a list".to_owned()))?;
        for _ in 0..count {
            records.push(self.next().await?.into_bytes()?);
        }
        Ok(())
    }

    /// Like [`Self::next`]; after the time-out the connection is good for nothing any more.
    pub(crate) async fn next_within(&mut self, limit: Duration) -> Result<Reply, RespFailure> {
        match timeout(limit, self.next()).await {
            Ok(reply) => reply,
            Err(_elapsed) => Err(RespFailure::Timeout(limit)),
        }
    }
}

impl Reply {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "RESP3's kinds, present and future, are all equally unexpected"
    )]
    fn from_value(value: Value) -> Result<Self, RespFailure> {
        match value {
            Value::Okay => Ok(Self::Ok),
            Value::Nil => Ok(Self::Nil),
            Value::Int(_) | Value::SimpleString(_) => Ok(Self::Other),
            Value::BulkString(bytes) => Ok(Self::Bulk(bytes.into())),
            Value::Array(items) => {
                let items: Result<_, _> = items.into_iter().map(Self::from_value).collect();
                items.map(Self::Array)
            }
            Value::ServerError(error) => {
                let line = match error.details() {
                    Some(details) => format!("{} {details}", error.code()),
                    None => error.code().to_owned(),
                };
                Err(RespFailure::Answer(RespError::from_line(&line)))
            }
            _ => Err(RespFailure::Protocol("a value of RESP3".to_owned())),
        }
    }

    /// For a reply of the wrong kind. Says the kind only: the content may be a record.
    pub(crate) fn unexpected(&self) -> RespFailure {
        let kind = match self {
            Self::Ok => "OK",
            Self::Nil => "nil",
            Self::Bulk(_) => "bulk string",
            Self::Array(_) => "array",
            Self::Other => "status or integer",
        };
        RespFailure::Protocol(format!("unexpected {kind}"))
    }

    /// The content of a bulk string.
    pub(crate) fn into_bytes(self) -> Result<Bytes, RespFailure> {
        if let Self::Bulk(bytes) = self {
            Ok(bytes)
        } else {
            Err(self.unexpected())
        }
    }
}

fn failure(error: &RedisError) -> RespFailure {
    if !error.is_io_error() {
        // The text of a parse error can quote bytes that came in.
        return RespFailure::Protocol("bytes that are no RESP2".to_owned());
    }
    let source = std::error::Error::source(error).and_then(|s| s.downcast_ref::<io::Error>());
    RespFailure::Ended(source.map(|s| io::Error::new(s.kind(), s.to_string())))
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

impl std::fmt::Debug for Replies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replies").finish_non_exhaustive()
    }
}
