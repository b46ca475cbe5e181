//! Pop over RESP: the preferred mode.

use super::context::{Context, Interrupts, SessionEnd};
use super::reply::{self, Popped};
use super::sizing::Sizing;
use crate::cpa::resp::{Connection, RespFailure};
use crate::model::IngestMode;

/// Pops until the mode ends. When CPA shuts down, pops until the connection closes: the last
/// records come then.
pub(super) async fn run(context: &mut Context) -> SessionEnd {
    match poll(context).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn poll(context: &mut Context) -> Result<std::convert::Infallible, SessionEnd> {
    let mut connection = context.connect().await?;
    context.set_mode(IngestMode::Pop);
    let mut sizing = Sizing::new(context.settings.pop_bytes);
    let interrupts = Interrupts::new(context, None);
    loop {
        if let Some(end) = interrupts.check(context) {
            return Err(end);
        }
        if pop_once(context, &mut connection, &mut sizing).await? {
            context.metrics.full_poll();
        } else if !context.pause(context.settings.poll_interval).await {
            return Err(SessionEnd::Stopped);
        }
    }
}

/// One pop, written to the spool. True when it returned the requested number of records, so that
/// more may be waiting. Not cancel-safe.
pub(super) async fn pop_once(
    context: &mut Context,
    connection: &mut Connection,
    sizing: &mut Sizing,
) -> Result<bool, SessionEnd> {
    if !context
        .inlet
        .wait_for_room(sizing.reserve(), &context.soft)
        .await
    {
        return Err(SessionEnd::Stopped);
    }
    let count = sizing.count();
    let popping = pop(connection, count);
    let left = context.await_reply(popping).await.flatten()?;
    let replies = &mut connection.replies;
    let mut reply = Popped { replies, left };
    let received = reply::store(context, IngestMode::Pop, &mut reply).await?;
    sizing.observe(received.records, received.bytes);
    context.touch();
    Ok(received.records >= count)
}

/// Returns the number of records that follow.
async fn pop(connection: &mut Connection, count: u64) -> Result<u64, RespFailure> {
    // CPA before v7.1.44 ignores the key, later releases require this one.
    let mut command = redis::cmd("LPOP");
    let command = command.arg("usage").arg(count);
    connection.commands.send(command).await?;
    connection.replies.records().await
}
