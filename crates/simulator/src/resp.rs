//! The RESP side of the port: login, pops and the start of a subscription.

mod parse;
mod subscription;
mod write;

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use self::parse::{Parsed, parse};
use super::core::Core;
use super::gate::{Management, Refusal};
use super::queue::Channel;

/// A long reply is sent in pieces of this size, to bound memory.
const PIECE: usize = 256 * 1024;

/// CPA distinguishes RESP from HTTP by the first byte.
pub(crate) fn is_first_byte(byte: u8) -> bool {
    matches!(byte, b'*' | b'$' | b'+' | b'-' | b':')
}

/// Whether the connection continues after a command.
#[derive(Debug)]
enum Next {
    Continue,
    Close,
    Subscribe { channel: Channel, name: String },
}

/// Serves one connection until either side closes it.
///
/// Not cancel-safe: a reply that is being written is lost with its records, as when CPA is killed.
pub(crate) async fn serve<S>(
    stream: S,
    buffered: BytesMut,
    peer: String,
    core: &Core,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut connection = Connection {
        stream,
        buffered,
        peer,
        core,
        authenticated: false,
        out: Vec::new(),
    };
    if !connection.open().await? {
        return connection.close().await;
    }
    loop {
        // Checked before each command only: a running one is still answered.
        if core.management() == Management::Disabled {
            return connection.close().await;
        }
        let Some(args) = connection.command().await? else {
            return connection.close().await;
        };
        core.faults.stalled().await;
        match connection.execute(&args).await? {
            Next::Continue => {}
            Next::Close => return connection.close().await,
            Next::Subscribe { channel, name } => {
                return subscription::run(connection, channel, &name).await;
            }
        }
    }
}

struct Connection<'a, S> {
    stream: S,
    buffered: BytesMut,
    peer: String,
    core: &'a Core,
    authenticated: bool,
    out: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// Refuses at once if this CPA has no RESP output.
    async fn open(&mut self) -> io::Result<bool> {
        if self.core.config.version.resp_removed() {
            self.refuse("ERR RESP AUTH disabled; use mTLS").await?;
            return Ok(false);
        }
        if self.core.management() == Management::Home {
            self.refuse("ERR redis usage output disabled in home mode")
                .await?;
            return Ok(false);
        }
        Ok(true)
    }

    /// The next command; `None` when the connection is closed.
    async fn command(&mut self) -> io::Result<Option<Vec<String>>> {
        loop {
            match parse(&self.buffered) {
                Parsed::Command { args, used } => {
                    self.buffered.advance(used);
                    return Ok(Some(args));
                }
                Parsed::ProtocolError => {
                    self.refuse("ERR protocol error").await?;
                    return Ok(None);
                }
                Parsed::Incomplete { inside_bulk } => {
                    self.buffered.reserve(4096);
                    if self.stream.read_buf(&mut self.buffered).await? > 0 {
                        continue;
                    }
                    if inside_bulk {
                        self.refuse("ERR unexpected EOF").await?;
                    }
                    return Ok(None);
                }
            }
        }
    }

    async fn execute(&mut self, args: &[String]) -> io::Result<Next> {
        let Some(name) = args.first() else {
            return self.refuse("ERR empty command").await;
        };
        let name = name.trim().to_uppercase();
        match name.as_str() {
            "AUTH" => self.auth(args).await,
            _ if !self.authenticated => self.unauthenticated().await,
            "LPOP" | "RPOP" => self.pop(&name, args).await,
            "SUBSCRIBE" if self.core.config.version.has(7, 0, 7) => self.subscribe(args).await,
            _ => {
                let text = format!("ERR unknown command '{}'", name.to_lowercase());
                self.refuse(&text).await
            }
        }
    }

    async fn auth(&mut self, args: &[String]) -> io::Result<Next> {
        let ([_, key] | [_, _, key]) = args else {
            // Counts as an attempt without a key; only a ban changes the reply.
            let text = match self.core.check(&self.peer, "") {
                Err(ban @ Refusal::Banned(_)) => format!("ERR {ban}"),
                Ok(()) | Err(_) => "ERR wrong number of arguments for 'auth' command".to_owned(),
            };
            return self.refuse(&text).await;
        };
        let answer = self.core.check(&self.peer, key);
        if !matches!(answer, Err(Refusal::Banned(_))) {
            self.core.hash_key().await;
        }
        match answer {
            Ok(()) => {
                self.authenticated = true;
                write::ok(&mut self.out);
                self.flush().await?;
                Ok(Next::Continue)
            }
            Err(refusal) => {
                let text = self.core.refusal_text(refusal);
                self.refuse(&format!("ERR {text}")).await
            }
        }
    }

    /// Counts a failure, as CPA's key check does for a missing key.
    async fn unauthenticated(&mut self) -> io::Result<Next> {
        match self.core.check(&self.peer, "") {
            Err(ban @ Refusal::Banned(_)) => self.refuse(&format!("ERR {ban}")).await,
            Ok(()) | Err(_) => self.refuse("NOAUTH Authentication required.").await,
        }
    }

    async fn pop(&mut self, name: &str, args: &[String]) -> io::Result<Next> {
        let (key, count) = match args {
            [_, key] => (key, None),
            [_, key, count] => (key, Some(count.trim().parse::<i64>().unwrap_or(0))),
            _ => {
                let name = name.to_lowercase();
                let text = format!("ERR wrong number of arguments for '{name}' command");
                return self.refuse(&text).await;
            }
        };
        if count.is_some_and(|count| count <= 0) {
            return self
                .refuse("ERR value is not an integer or out of range")
                .await;
        }
        if !key.trim().eq_ignore_ascii_case("usage") {
            let text = format!("ERR unsupported channel '{}'", key.trim());
            return self.refuse(&text).await;
        }
        if self.core.faults.take(|state| &mut state.close_at_pops) {
            return Ok(Next::Close);
        }
        let wanted = usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX);
        let records = self.core.pop(wanted);
        match (count, records.first()) {
            (None, None) => write::nil(&mut self.out),
            (None, Some(record)) => write::bulk(&mut self.out, record),
            (Some(_), _) => return self.send_array(&records).await,
        }
        self.send_records(!records.is_empty()).await
    }

    async fn send_array(&mut self, records: &[Bytes]) -> io::Result<Next> {
        write::array(&mut self.out, records.len());
        for record in records {
            write::bulk(&mut self.out, record);
            if self.out.len() >= PIECE
                && let Next::Close = self.send_records(true).await?
            {
                return Ok(Next::Close);
            }
        }
        self.send_records(!records.is_empty()).await
    }

    /// Sends the pending records, or half of them if a fault cuts the connection.
    async fn send_records(&mut self, any: bool) -> io::Result<Next> {
        if any && self.core.faults.take(|state| &mut state.cut_replies) {
            self.out.truncate(self.out.len() / 2);
            self.flush().await?;
            return Ok(Next::Close);
        }
        self.flush().await?;
        Ok(Next::Continue)
    }

    async fn subscribe(&mut self, args: &[String]) -> io::Result<Next> {
        let [_, name] = args else {
            return self
                .refuse("ERR wrong number of arguments for 'subscribe' command")
                .await;
        };
        let name = name.trim();
        let channel = match name.to_lowercase().as_str() {
            "usage" => Channel::Usage,
            "errors" => Channel::Errors,
            _ => {
                let text = format!("ERR unsupported channel '{name}'");
                return self.refuse(&text).await;
            }
        };
        let name = name.to_owned();
        Ok(Next::Subscribe { channel, name })
    }

    async fn refuse(&mut self, message: &str) -> io::Result<Next> {
        write::error(&mut self.out, message);
        self.flush().await?;
        Ok(Next::Continue)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        self.stream.flush().await
    }

    async fn close(mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}
