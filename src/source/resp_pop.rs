//! Popping over RESP: the preferred mode.

use std::time::Duration;

use bytes::Bytes;

use super::context::{Context, End, Interrupts};
use super::resp::{Connection, Reply, RespFailure};
use super::sizing::Sizing;
use crate::model::{BatchBody, IngestMode};

/// For the reply to a pop. Long, because what CPA has popped is lost when we hang up.
const REPLY_TIMEOUT: Duration = Duration::from_mins(1);

/// Pops until something ends it. When CPA shuts down it goes on until the connection ends: the
/// last records come then.
pub(super) async fn run(context: &mut Context) -> End {
    match pop_on(context).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn pop_on(context: &mut Context) -> Result<std::convert::Infallible, End> {
    let mut connection = context.connect().await?;
    context.metrics.set_mode(Some(IngestMode::Pop));
    let mut sizing = Sizing::new(context.settings.pop_bytes);
    let interrupts = Interrupts::new(context, None);
    loop {
        if let Some(end) = interrupts.check(context) {
            return Err(end);
        }
        if pop_once(context, &mut connection, &mut sizing).await? {
            context.metrics.full_poll();
        } else if !context.pause(context.settings.poll_interval).await {
            return Err(End::Stopped);
        }
    }
}

/// One pop into the spool. True when it brought as many records as were asked for, so that more
/// may be waiting. Not cancel-safe.
pub(super) async fn pop_once(
    context: &mut Context,
    connection: &mut Connection,
    sizing: &mut Sizing,
) -> Result<bool, End> {
    if !context
        .inlet
        .wait_for_room(sizing.reserve(), &context.soft)
        .await
    {
        return Err(End::Stopped);
    }
    let count = sizing.count();
    let records = context.patiently(pop(connection, count)).await??;
    context.touch();
    let popped = records.len() as u64;
    if popped == 0 {
        return Ok(false);
    }
    sizing.observe(popped, records.iter().map(|r| r.len() as u64).sum());
    context
        .put(IngestMode::Pop, BatchBody::Records(records))
        .await?;
    Ok(popped >= count)
}

async fn pop(connection: &mut Connection, count: u64) -> Result<Vec<Bytes>, RespFailure> {
    let mut command = redis::cmd("LPOP");
    // CPA before v7.1.44 ignores the key, later ones insist on this one.
    connection
        .commands
        .send(command.arg("usage").arg(count))
        .await?;
    let reply = connection.replies.next_within(REPLY_TIMEOUT).await?;
    if matches!(reply, Reply::Nil) {
        return Ok(Vec::new());
    }
    let Reply::Array(items) = reply else {
        return Err(reply.unexpected());
    };
    items.into_iter().map(Reply::into_bytes).collect()
}
