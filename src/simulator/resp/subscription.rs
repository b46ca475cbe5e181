//! A connection in subscription mode: messages as they come, and the few commands still allowed.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::parse::{Parsed, parse};
use super::{Connection, Next, write};
use crate::simulator::core::Core;
use crate::simulator::queue::Channel;

/// Removes the subscriber however the connection ends.
struct Guard<'a> {
    core: &'a Core,
    id: u64,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.core.queue().unsubscribe(self.id);
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
    let greet = core.config.version.has(7, 1, 39);
    let (id, mut messages) = core.queue().subscribe(channel, greet);
    let _guard = Guard { core, id };
    let (mut reader, mut writer) = tokio::io::split(connection.stream);
    let mut buffered = connection.buffered;
    let mut out = Vec::new();
    write::array(&mut out, 3);
    write::bulk(&mut out, b"subscribe");
    write::bulk(&mut out, name.as_bytes());
    write::integer(&mut out, 1);
    send(&mut writer, &mut out).await?;
    loop {
        // Commands that are already here come first; the rest is whatever happens next.
        let next = commands(&mut buffered, &mut out, name);
        send(&mut writer, &mut out).await?;
        if let Next::Close = next {
            break;
        }
        buffered.reserve(4096);
        tokio::select! {
            message = messages.recv() => {
                let Some(message) = message else { break };
                core.faults.stalled().await;
                write::message(&mut out, name, &message);
                if core.faults.take_cut() {
                    out.truncate(out.len() / 2);
                    send(&mut writer, &mut out).await?;
                    break;
                }
                send(&mut writer, &mut out).await?;
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

/// Answers all complete commands.
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
