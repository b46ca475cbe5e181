//! A connection in subscription mode: messages, and the few commands that are still allowed.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::parse::{Parsed, parse};
use super::{Connection, Next, write};
use crate::core::Core;
use crate::queue::{self, Channel};

/// Removes the subscriber when the connection ends. The rest of its buffer is lost, as in CPA.
struct Subscribed<'a> {
    core: &'a Core,
    channel: Channel,
    id: u64,
    messages: mpsc::Receiver<Bytes>,
}

impl Subscribed<'_> {
    fn is_record(&self, message: &[u8]) -> bool {
        self.channel == Channel::Usage && !queue::is_control(message)
    }

    /// Counts a message that was written.
    fn wrote(&self, message: &[u8]) {
        if self.is_record(message) {
            let written = &mut self.core.queue().oracle.sums.written;
            written.add(message.len());
        }
    }
}

impl Drop for Subscribed<'_> {
    fn drop(&mut self) {
        self.core.queue().unsubscribe(self.id);
        let mut left = 0;
        while let Ok(message) = self.messages.try_recv() {
            left += u64::from(self.is_record(&message));
        }
        self.core.queue().oracle.sums.left_behind += left;
    }
}

pub(super) async fn run<S>(
    connection: Connection<'_, S>,
    channel: Channel,
    name: &str,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let core = connection.core;
    let (id, messages) = core.queue().subscribe(channel);
    let mut subscribed = Subscribed {
        core,
        channel,
        id,
        messages,
    };
    let (mut reader, mut writer) = tokio::io::split(connection.stream);
    let mut buffered = connection.buffered;
    let mut out = Vec::new();
    write::array(&mut out, 3);
    write::bulk(&mut out, b"subscribe");
    write::bulk(&mut out, name.as_bytes());
    write::integer(&mut out, 1);
    send(&mut writer, &mut out).await?;
    loop {
        // Buffered commands come first.
        let next = commands(&mut buffered, &mut out, name);
        send(&mut writer, &mut out).await?;
        if let Next::Close = next {
            break;
        }
        buffered.reserve(4096);
        tokio::select! {
            message = subscribed.messages.recv() => {
                let Some(message) = message else { break };
                core.faults.stalled().await;
                write::message(&mut out, name, &message);
                if core.faults.take(|state| &mut state.cut_replies) {
                    out.truncate(out.len() / 2);
                    send(&mut writer, &mut out).await?;
                    break;
                }
                send(&mut writer, &mut out).await?;
                subscribed.wrote(&message);
            }
            read = reader.read_buf(&mut buffered) => {
                if read? == 0 {
                    at_end(&buffered, &mut out);
                    send(&mut writer, &mut out).await?;
                    break;
                }
            }
        }
    }
    writer.shutdown().await
}

/// Replies to all complete commands.
fn commands(buffered: &mut BytesMut, out: &mut Vec<u8>, channel: &str) -> Next {
    loop {
        match parse(buffered) {
            Parsed::Incomplete { .. } => return Next::Continue,
            Parsed::ProtocolError => {
                write::error(out, "ERR protocol error");
                return Next::Close;
            }
            Parsed::Command { args, used } => {
                buffered.advance(used);
                if let Next::Close = command(&args, out, channel) {
                    return Next::Close;
                }
            }
        }
    }
}

fn command(args: &[String], out: &mut Vec<u8>, channel: &str) -> Next {
    let Some(name) = args.first() else {
        write::error(out, "ERR empty command");
        return Next::Continue;
    };
    let name = name.trim().to_uppercase();
    match name.as_str() {
        "PING" => {
            write::array(out, 2);
            write::bulk(out, b"pong");
            match args.get(1) {
                Some(text) => write::bulk(out, text.as_bytes()),
                None => write::nil(out),
            }
            Next::Continue
        }
        "UNSUBSCRIBE" => {
            write::array(out, 3);
            write::bulk(out, b"unsubscribe");
            write::bulk(out, channel.as_bytes());
            write::integer(out, 0);
            Next::Close
        }
        "QUIT" => {
            write::ok(out);
            Next::Close
        }
        _ => {
            write::error(
                out,
                &format!("ERR unknown command '{}'", name.to_lowercase()),
            );
            Next::Continue
        }
    }
}

fn at_end(buffered: &BytesMut, out: &mut Vec<u8>) {
    if parse(buffered) == (Parsed::Incomplete { inside_bulk: true }) {
        write::error(out, "ERR unexpected EOF");
    }
}

async fn send<W: AsyncWrite + Unpin>(writer: &mut W, out: &mut Vec<u8>) -> io::Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    writer.write_all(out).await?;
    out.clear();
    writer.flush().await
}
