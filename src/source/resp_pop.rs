//! Pop over RESP: the preferred mode.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::context::{Context, Interrupts, SessionEnd};
use super::sizing::Sizing;
use crate::cpa::resp::{Connection, RespFailure};
use crate::model::{BatchBody, IngestMode};

/// Time-out of a pop. Long, because records that CPA has popped are lost when we disconnect.
const REPLY_TIMEOUT: Duration = Duration::from_mins(1);

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
    let mut records = Vec::new();
    let popping = pop(connection, count, &mut records);
    let outcome = context.await_reply(popping).await.flatten();
    let popped = records.len() as u64;
    if popped > 0 {
        sizing.observe(popped, records.iter().map(|r| r.len() as u64).sum());
        // Store the complete records even if the rest of the reply failed.
        let body = BatchBody::Records(records);
        context.put(IngestMode::Pop, body).await?;
    }
    outcome?;
    context.touch();
    Ok(popped >= count)
}

/// Complete records are in `records`, even when the reply fails or times out.
async fn pop(
    connection: &mut Connection,
    count: u64,
    records: &mut Vec<Bytes>,
) -> Result<(), RespFailure> {
    let mut command = redis::cmd("LPOP");
    // CPA before v7.1.44 ignores the key, later releases require this one.
    let command = command.arg("usage").arg(count);
    connection.commands.send(command).await?;
    let reading = connection.replies.records(records);
    let in_time = timeout(REPLY_TIMEOUT, reading).await;
    in_time
        .map_err(|_elapsed| RespFailure::Timeout(REPLY_TIMEOUT))
        .flatten()
}
