//! Pop over HTTP: for a CPA whose RESP is unavailable.

use std::time::Duration;

use tokio::time::Instant;

use super::context::{Context, Interrupts, SessionEnd, Settings};
use super::reply;
use super::sizing::Sizing;
use crate::cpa::HttpFailure;
use crate::model::IngestMode;

/// Target size of one call: larger than over RESP, because each call costs CPA 62 ms.
const CALL_BYTES: u64 = 2 * 1024 * 1024;
const MAX_COUNT: u64 = 5000;
/// Minimum pause between calls while no records wait, however short CPA's retention is.
const MIN_PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn run(context: &mut Context, until: Option<Instant>) -> SessionEnd {
    match poll(context, until).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn poll(
    context: &mut Context,
    until: Option<Instant>,
) -> Result<std::convert::Infallible, SessionEnd> {
    let client = context.client.clone();
    if client.access().key(&context.soft).await.is_none() {
        return Err(SessionEnd::Stopped);
    }
    let server = context.await_reply(client.detect()).await??;
    client.access().connected();
    context.accepted();
    context
        .metrics
        .set_server(&server.version, server.api.as_str());
    context.set_mode(IngestMode::Http);
    let mut sizing = Sizing::with_max_count(CALL_BYTES, MAX_COUNT);
    let interrupts = Interrupts::new(context, until);
    loop {
        if let Some(end) = interrupts.check(context) {
            return Err(end);
        }
        if poll_once(context, &mut sizing).await? {
            context.metrics.full_poll();
        } else if !context.pause(pause(context)).await {
            return Err(SessionEnd::Stopped);
        }
    }
}

fn pause(context: &Context) -> Duration {
    http_pause(&context.settings, context.shared.retention())
}

/// Pause between two calls while few records wait.
pub(super) fn http_pause(settings: &Settings, retention: Duration) -> Duration {
    settings
        .http_poll_interval
        .min(retention / 4)
        .max(MIN_PAUSE)
}

/// One call, written to the spool; true when it was full. Not cancel-safe.
async fn poll_once(context: &mut Context, sizing: &mut Sizing) -> Result<bool, SessionEnd> {
    if !context
        .inlet
        .wait_for_room(sizing.reserve(), &context.soft)
        .await
    {
        return Err(SessionEnd::Stopped);
    }
    let count = sizing.count();
    let reply = context.await_reply(context.client.pop(count)).await??;
    let Some(mut reply) = reply else {
        let why = "this CPA release serves the queue neither over RESP nor over HTTP";
        return Err(SessionEnd::Down {
            why: why.to_owned(),
            remedy: None,
        });
    };
    let received = reply::store(context, IngestMode::Http, &mut reply).await?;
    context.touch();
    sizing.observe(received.records, received.bytes);
    Ok(received.records >= count)
}

impl From<HttpFailure> for SessionEnd {
    fn from(failure: HttpFailure) -> Self {
        match failure {
            HttpFailure::Refused(_) | HttpFailure::NoAccess => Self::AccessLost,
            HttpFailure::Unreachable(_)
            | HttpFailure::Status(_)
            | HttpFailure::NotCpa(_)
            | HttpFailure::TlsExpected
            | HttpFailure::TooLarge(_)
            | HttpFailure::Incomplete
            | HttpFailure::Content => Self::down(&failure),
        }
    }
}
