//! Subscribe over RESP: for a CPA whose records another subscriber consumes.
//!
//! CPA sends every subscriber a copy, buffers at most 256 records for each, and disconnects a slow
//! one without an error. Without subscribers, records go to the queue.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::context::{Context, DEAD_AFTER, Interrupts, SessionEnd};
use super::resp_pop::pop_once;
use super::sizing::Sizing;
use crate::cpa::resp::{Commands, Connection, Message, Replies, RespFailure};
use crate::errors::Chain;
use crate::model::IngestMode;

/// A connection silent for this long gets a PING.
const PING_AFTER: Duration = Duration::from_secs(20);
/// Time for records in transit after UNSUBSCRIBE. CPA confirms within milliseconds. A stop, with
/// the last commit to the database, must fit into the ten seconds that the process gets.
const LAST_RECORDS: Duration = Duration::from_secs(3);
/// Messages between the reader and the spool; further ones stay in the socket.
const AHEAD: usize = 1024;
/// Bytes of these messages.
const AHEAD_BYTES: usize = 4 * 1024 * 1024;
/// Maximum bytes of one write to the spool.
const WRITE_BYTES: usize = 256 * 1024;

type Arrivals = mpsc::Receiver<Arrived>;

/// A message, and its part of [`AHEAD_BYTES`].
type Arrived = (Result<Message, RespFailure>, Option<OwnedSemaphorePermit>);

pub(super) async fn run(context: &mut Context) -> SessionEnd {
    match subscribe(context).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn subscribe(context: &mut Context) -> Result<Infallible, SessionEnd> {
    let maybe_cut = std::mem::take(&mut context.maybe_cut);
    let mut connection = context.connect().await?;
    connection.subscribe("usage").await?;
    let Connection {
        mut commands,
        mut replies,
    } = connection;
    replies.wait_forever();
    let bytes = replies.received();
    if maybe_cut {
        // CPA answers at once, so it did not restart: we were too slow.
        context.metrics.cut();
        tracing::warn!(
            "CPA disconnected the subscription as too slow: the records in its buffer for this exporter \
             are lost"
        );
    }
    context.set_mode(IngestMode::Subscribe);
    let (sender, arrivals) = mpsc::channel(AHEAD);
    let mut reader = JoinSet::new();
    reader.spawn(read_messages(replies, sender));
    // After the confirmation no new records are queued, so the queue can be drained without a gap
    // or a duplicate.
    match drain_queue(context).await {
        // Records from the subscription are read in any case.
        Ok(()) | Err(SessionEnd::Stopped) => {}
        Err(end) => tracing::warn!(?end, "records queued before the subscription stay in CPA"),
    }
    let outcome = receive(context, &mut commands, arrivals, &bytes).await;
    context.maybe_cut = matches!(outcome, Err(SessionEnd::Down { .. }));
    outcome
}

/// Drains the records queued before the subscription, on a second connection.
async fn drain_queue(context: &mut Context) -> Result<(), SessionEnd> {
    let mut connection = context.connect().await?;
    let mut sizing = Sizing::new(context.settings.pop_bytes);
    while pop_once(context, &mut connection, &mut sizing).await? {}
    Ok(())
}

/// Reads messages until the connection ends. Never cancelled within a message while the receiver is
/// open.
async fn read_messages(mut replies: Replies, sender: mpsc::Sender<Arrived>) {
    let room = Arc::new(Semaphore::new(AHEAD_BYTES));
    loop {
        let arrival = replies.message().await;
        let length = match &arrival {
            Ok(Message::Payload(record)) => record.len().min(AHEAD_BYTES),
            Ok(Message::Alive | Message::Unsubscribed) | Err(_) => 0,
        };
        let permits = u32::try_from(length).unwrap_or(u32::MAX);
        let permit = Arc::clone(&room).acquire_many_owned(permits).await.ok();
        let last = arrival.is_err();
        if sender.send((arrival, permit)).await.is_err() || last {
            return;
        }
    }
}

/// Moves messages to the spool until the mode ends.
async fn receive(
    context: &mut Context,
    commands: &mut Commands,
    mut arrivals: Arrivals,
    bytes: &AtomicU64,
) -> Result<Infallible, SessionEnd> {
    let interrupts = Interrupts::new(context, None);
    let mut last_message = Instant::now();
    let mut seen = 0;
    let mut pinged = false;
    context.touch();
    loop {
        if let Some(end) = interrupts.check(context) {
            unsubscribe(context, commands, arrivals).await?;
            return Err(end);
        }
        if !context
            .inlet
            .wait_for_room(2 * WRITE_BYTES as u64, &context.soft)
            .await
        {
            continue;
        }
        let wake = last_message + if pinged { DEAD_AFTER } else { PING_AFTER };
        let tick = Instant::now() + Duration::from_secs(1);
        tokio::select! {
            biased;
            () = context.soft.cancelled() => {}
            first = arrivals.recv() => {
                last_message = Instant::now();
                seen = bytes.load(Ordering::Relaxed);
                pinged = false;
                context.touch();
                store_arrivals(context, first, &mut arrivals).await?;
            }
            () = sleep_until(wake) => {
                let received = bytes.load(Ordering::Relaxed);
                if std::mem::replace(&mut seen, received) != received {
                    // A long message is on its way.
                    last_message = Instant::now();
                    pinged = false;
                } else if pinged {
                    // CPA sent the records since into the dead connection.
                    context.shared.contact().subscription_died();
                    return Err(RespFailure::Timeout(DEAD_AFTER).into());
                } else {
                    pinged = true;
                    send(commands, "PING").await;
                }
            }
            () = sleep_until(tick) => {}
        }
    }
}

/// Result of [`store_arrivals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    Messages,
    /// The subscription's confirmed end.
    Confirmation,
}

/// Writes `first` and the messages that have arrived after it.
async fn store_arrivals(
    context: &mut Context,
    first: Option<Arrived>,
    arrivals: &mut Arrivals,
) -> Result<Arrival, SessionEnd> {
    let mut next = Some(first.unwrap_or((Err(RespFailure::Ended(None)), None)));
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut met = Arrival::Messages;
    let mut failure = None;
    let mut permits = Vec::new();
    while let Some((arrival, permit)) = next.take() {
        permits.push(permit);
        match arrival {
            Ok(Message::Payload(record)) => {
                bytes += record.len();
                records.push(record);
            }
            Ok(Message::Alive) => {}
            Ok(Message::Unsubscribed) => met = Arrival::Confirmation,
            Err(ended) => failure = Some(ended),
        }
        if failure.is_none() && met == Arrival::Messages && bytes < WRITE_BYTES {
            next = arrivals.try_recv().ok();
        }
    }
    if !records.is_empty() {
        context.put(IngestMode::Subscribe, records).await?;
    }
    drop(permits);
    let Some(ended) = failure else {
        return Ok(met);
    };
    if let RespFailure::Cut(_) = ended {
        context.reply_cut(1);
    }
    Err(ended.into())
}

/// Sends a command. The reader notices a failure too, after all messages that arrived before it.
async fn send(commands: &mut Commands, command: &str) {
    if let Err(failure) = commands.send(&redis::cmd(command)).await {
        tracing::debug!(
            command,
            error = %Chain(&failure),
            "command not sent"
        );
    }
}

/// Unsubscribes and reads the records in transit: CPA sends them before its confirmation. CPA
/// queues records again from here on.
///
/// CPA loses the records in its buffer for us at the time it reads UNSUBSCRIBE.
async fn unsubscribe(
    context: &mut Context,
    commands: &mut Commands,
    mut arrivals: Arrivals,
) -> Result<(), SessionEnd> {
    let end = Instant::now() + LAST_RECORDS;
    // A CPA that does not read would not accept a command either.
    let mut why = match timeout_at(end, send(commands, "UNSUBSCRIBE")).await {
        Ok(()) => "nothing came",
        Err(_elapsed) => "the command could not be sent",
    };
    while let Ok(arrival) = timeout_at(end, arrivals.recv()).await {
        match store_arrivals(context, arrival, &mut arrivals).await {
            Ok(Arrival::Confirmation) => return Ok(()),
            Ok(Arrival::Messages) => why = "records kept coming",
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
