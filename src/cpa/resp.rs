//! One RESP2 connection to CPA: connect, log in, send commands, read replies.
//!
//! The `redis` crate packs commands and parses replies. Its connections are not used, because they
//! send commands of their own, hide the text of a refused login, and read into an unbounded buffer
//! while no message is consumed.

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

use super::{Refusal, RespError};
use crate::model::MAX_REPLY;

/// Time-out of DNS, the TCP handshake and the TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time-out of a login. bcrypt takes CPA about 60 ms, several times that on a small board.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Time-out of the confirmation of a subscription.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(15);
/// Replies are a few hundred KiB; a large buffer saves system calls.
const READ_BUFFER: usize = 64 * 1024;
/// Maximum length of the first line of a reply; an error line is the longest.
const MAX_LINE: u64 = 64 * 1024;

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
    /// Closed before the first reply: management is off, or the server is not CPA.
    #[error("connection closed without a reply to the login")]
    ClosedAtLogin,
    /// The bytes are not RESP2, or not the expected reply.
    #[error("not a RESP reply: {0}")]
    Protocol(String),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

type Decoder = combine::stream::Decoder<
    combine::parser::combinator::AnySendSyncPartialState,
    combine::stream::PointerOffset<[u8]>,
>;

/// One reply or message of CPA's protocol.
#[derive(Debug)]
pub(crate) enum Reply {
    Ok,
    Nil,
    Bulk(Bytes),
    Array(Vec<Reply>),
    Other,
}

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
pub(crate) struct Replies {
    stream: BufReader<ReadHalf<Box<dyn Stream>>>,
    decoder: Decoder,
}

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
            replies: Replies {
                stream: BufReader::with_capacity(READ_BUFFER, read),
                decoder: Decoder::new(),
            },
        };
        this.log_in(key).await?;
        Ok(this)
    }

    /// Subscribes to one channel; use only [`Replies::message`] afterwards.
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

impl Replies {
    /// Reads one complete reply or message. Must not be cancelled: a partly read reply is lost, and
    /// CPA keeps no copy.
    pub(crate) async fn next(&mut self) -> Result<Reply, RespFailure> {
        let value = redis::parse_redis_value_async(&mut self.decoder, &mut self.stream).await;
        Reply::from_value(value.map_err(|error| failure(&error))?)
    }

    /// Reads one complete message of a subscription. Must not be cancelled either.
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
            // CPA closes the connection then.
            (b"unsubscribe", _) => Ok(Message::Unsubscribed),
            _ => Err(RespFailure::Protocol("unexpected message".to_owned())),
        }
    }

    /// Reads the reply to a counted pop record by record into `records`, so that the complete ones
    /// survive a broken connection.
    ///
    /// Only while no other reply is pending: the line is read without the parser, whose buffer is
    /// empty between two replies.
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
        let count =
            count.ok_or_else(|| RespFailure::Protocol("the array has no length".to_owned()))?;
        for _ in 0..count {
            records.push(self.next().await?.into_bytes()?);
        }
        Ok(())
    }

    /// Like [`Self::next`] with a time-out, after which the connection is unusable.
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
            Value::BulkString(bytes) => Self::bulk(bytes.into(), MAX_REPLY),
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
            _ => Err(RespFailure::Protocol("a RESP3 value".to_owned())),
        }
    }

    fn bulk(bytes: Bytes, limit: usize) -> Result<Self, RespFailure> {
        if bytes.len() > limit {
            let why = format!("bulk string of more than {limit} bytes");
            return Err(RespFailure::Protocol(why));
        }
        Ok(Self::Bulk(bytes))
    }

    /// Error for a reply of the wrong kind. Contains the kind only: the content may be a record.
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
        // The text of a parse error can quote received bytes.
        return RespFailure::Protocol("the bytes are not RESP2".to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bulk_string_above_the_limit_is_refused() {
        let bytes = Bytes::from_static(b"12345");
        assert!(Reply::bulk(bytes.clone(), 5).is_ok());
        let failure = Reply::bulk(bytes, 4).unwrap_err();
        assert!(matches!(failure, RespFailure::Protocol(_)), "{failure}");
    }

    proptest::proptest! {
        /// Any bytes, and replies with any byte replaced: a reply or an error, never a panic.
        #[test]
        fn damaged_replies_are_replies_or_errors(
            bytes: Vec<u8>, at in 0..60_usize, byte: u8, record in ".{0,40}",
        ) {
            let array = format!("*2\r\n${}\r\n{record}\r\n$-1\r\n", record.len());
            let replies = [
                bytes,
                array.into_bytes(),
                b"-ERR IP banned due to too many failed attempts. Try again in 29m58s\r\n".to_vec(),
                b"*3\r\n$7\r\nmessage\r\n$5\r\nusage\r\n$2\r\n{}\r\n".to_vec(),
            ];
            for mut reply in replies {
                let whole = redis::parse_redis_value(&reply).map(Reply::from_value);
                let at = at % reply.len().max(1);
                if let Some(place) = reply.get_mut(at) {
                    *place = byte;
                }
                let damaged = redis::parse_redis_value(&reply).map(Reply::from_value);
                for parsed in [whole, damaged].into_iter().flatten() {
                    // A failure's text quotes no record.
                    if let Err(failure) = parsed {
                        proptest::prop_assert!(!failure.to_string().is_empty());
                    }
                }
            }
        }
    }
}
