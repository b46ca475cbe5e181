//! Subscribing over RESP: for a CPA whose records another subscriber takes.
//!
//! CPA gives every subscriber a copy, keeps at most 256 records for each, and hangs up without a
//! word on one that falls behind. What comes while nobody subscribes goes to the queue.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::context::{Context, Interrupts, SessionEnd};
use super::resp_pop::pop_once;
use super::sizing::Sizing;
use crate::cpa::resp::{Commands, Connection, Message, Replies, RespFailure};
use crate::errors::Chain;
use crate::model::{BatchBody, IngestMode};

/// A silent connection is asked whether it still lives.
const PING_AFTER: Duration = Duration::from_secs(20);
/// And given up when not even that is answered. A half-open one would swallow records.
const DEAD_AFTER: Duration = Duration::from_secs(50);
/// For the records still on their way after the subscription was ended. CPA confirms within
/// milliseconds; a stop must fit into the ten seconds that the process gets, and the last round of
/// the database as well.
const LAST_RECORDS: Duration = Duration::from_secs(3);
/// Messages between the reader and the spool; what does not fit stays in the socket.
const AHEAD: usize = 1024;
/// Bytes that one write to the spool takes at most.
const WRITE_BYTES: usize = 256 * 1024;

type Arrivals = mpsc::Receiver<Result<Message, RespFailure>>;

pub(super) async fn run(context: &mut Context) -> SessionEnd {
    match subscribe(context).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn subscribe(context: &mut Context) -> Result<Infallible, SessionEnd> {
    let perhaps_cut = std::mem::take(&mut context.perhaps_cut);
    let mut connection = context.connect().await?;
    connection.subscribe("usage").await?;
    let Connection {
        mut commands,
        replies,
    } = connection;
    if perhaps_cut {
        // CPA is reachable again at once, so it was not a restart: we had fallen behind.
        context.metrics.cut();
        tracing::warn!(
            "the subscription ended while CPA runs on: CPA cuts those that fall behind, and what it had \
             for us is lost"
        );
    }
    context.metrics.set_mode(Some(IngestMode::Subscribe));
    let (sender, arrivals) = mpsc::channel(AHEAD);
    let mut reader = JoinSet::new();
    reader.spawn(read_on(replies, sender));
    // From the confirmation on nothing new is queued, so what is there can be taken without
    // missing or doubling anything.
    match drain_queue(context).await {
        // What the subscription has brought meanwhile is taken in any case.
        Ok(()) | Err(SessionEnd::Stopped) => {}
        Err(end) => tracing::warn!(?end, "records queued before the subscription stay in CPA"),
    }
    let outcome = take_on(context, &mut commands, arrivals).await;
    context.perhaps_cut = matches!(outcome, Err(SessionEnd::Down { .. }));
    outcome
}

/// Takes what was queued before the subscription, on a connection of its own.
async fn drain_queue(context: &mut Context) -> Result<(), SessionEnd> {
    let mut connection = context.connect().await?;
    let mut sizing = Sizing::new(context.settings.pop_bytes);
    while pop_once(context, &mut connection, &mut sizing).await? {}
    Ok(())
}

/// Reads messages until the connection ends. Never cancelled in the middle of one while the
/// other side still listens.
async fn read_on(mut replies: Replies, sender: mpsc::Sender<Result<Message, RespFailure>>) {
    loop {
        let arrival = replies.message().await;
        let last = arrival.is_err();
        if sender.send(arrival).await.is_err() || last {
            return;
        }
    }
}

/// Moves what arrives into the spool until something ends it.
async fn take_on(
    context: &mut Context,
    commands: &mut Commands,
    mut arrivals: Arrivals,
) -> Result<Infallible, SessionEnd> {
    let interrupts = Interrupts::new(context, None);
    let mut heard = Instant::now();
    let mut pinged = false;
    loop {
        context.touch();
        if let Some(end) = interrupts.check(context) {
            leave(context, commands, arrivals).await?;
            return Err(end);
        }
        if !context
            .inlet
            .wait_for_room(2 * WRITE_BYTES as u64, &context.soft)
            .await
        {
            continue;
        }
        let wake = heard + if pinged { DEAD_AFTER } else { PING_AFTER };
        let tick = Instant::now() + Duration::from_secs(1);
        tokio::select! {
            biased;
            () = context.soft.cancelled() => {}
            first = arrivals.recv() => {
                heard = Instant::now();
                pinged = false;
                take(context, first, &mut arrivals).await?;
            }
            () = sleep_until(wake) => {
                if pinged {
                    return Err(RespFailure::Timeout(DEAD_AFTER).into());
                }
                pinged = true;
                ask(commands, "PING").await;
            }
            () = sleep_until(tick) => {}
        }
    }
}

/// What [`take`] has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Messages,
    /// The subscription's confirmed end.
    Confirmation,
}

/// Writes `first` and whatever has arrived behind it.
async fn take(
    context: &mut Context,
    first: Option<Result<Message, RespFailure>>,
    arrivals: &mut Arrivals,
) -> Result<Met, SessionEnd> {
    let mut next = Some(first.unwrap_or(Err(RespFailure::Ended(None))));
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut met = Met::Messages;
    let mut failure = None;
    while let Some(arrival) = next.take() {
        match arrival {
            Ok(Message::Payload(record)) => {
                bytes += record.len();
                records.push(record);
            }
            Ok(Message::Alive) => {}
            Ok(Message::Unsubscribed) => met = Met::Confirmation,
            Err(ended) => failure = Some(ended),
        }
        if failure.is_none() && met == Met::Messages && bytes < WRITE_BYTES {
            next = arrivals.try_recv().ok();
        }
    }
    if !records.is_empty() {
        context
            .put(IngestMode::Subscribe, BatchBody::Records(records))
            .await?;
    }
    failure.map_or(Ok(met), |ended| Err(ended.into()))
}

/// Sends a command whose failure the reading side will notice as well, after everything that
/// had arrived before.
async fn ask(commands: &mut Commands, command: &str) {
    if let Err(failure) = commands.send(&redis::cmd(command)).await {
        tracing::debug!(
            command,
            error = %Chain(&failure),
            "not sent"
        );
    }
}

/// Ends the subscription and takes what was still on its way: all that CPA wrote comes before its
/// confirmation. From here on CPA queues again.
///
/// What stands in CPA's own buffer for us when it reads UNSUBSCRIBE is lost inside CPA.
async fn leave(
    context: &mut Context,
    commands: &mut Commands,
    mut arrivals: Arrivals,
) -> Result<(), SessionEnd> {
    let end = Instant::now() + LAST_RECORDS;
    // One that reads nothing any more would take no command either.
    let mut why = match timeout_at(end, ask(commands, "UNSUBSCRIBE")).await {
        Ok(()) => "nothing came",
        Err(_elapsed) => "the command could not be sent",
    };
    while let Ok(arrival) = timeout_at(end, arrivals.recv()).await {
        match take(context, arrival, &mut arrivals).await {
            Ok(Met::Confirmation) => return Ok(()),
            Ok(Met::Messages) => why = "records kept coming",
            Err(SessionEnd::Down { .. }) => {
                why = "the connection ended";
                break;
            }
            Err(end) => return Err(end),
        }
    }
    tracing::warn!(
        seconds = LAST_RECORDS.as_secs(),
        why,
        "CPA did not confirm UNSUBSCRIBE: records in transit may be lost"
    );
    Ok(())
}
