//! Subscribes to CPA's channel of failures on a separate RESP connection. Optional: if RESP is
//! unavailable, its metric is absent and cool-downs appear with the next snapshot.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::error_event::{self, ErrorEvent};
use crate::cpa::resp::{Connection, Message, RespFailure};
use crate::cpa::{Client, Decoding};
use crate::decode::Secrets;
use crate::errors::Chain;

const CHANNEL: &str = "errors";
/// Capacity of the queue to the watcher; CPA buffers 256 more for a slow reader.
const WAITING: usize = 256;
/// Initial back-off: each login costs CPA a bcrypt check.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_mins(10);
/// Maximum back-off while the port is closed, where an attempt costs nothing.
const RETRY_MAX_DOWN: Duration = Duration::from_secs(30);
/// A connection that lasted this long resets the back-off.
const GOOD_AFTER: Duration = Duration::from_mins(1);
/// An idle connection is pinged after this time, and closed if it does not respond.
const PING_AFTER: Duration = Duration::from_mins(1);
const PING_TIMEOUT: Duration = Duration::from_secs(30);

/// Dependencies of the channel's task.
#[derive(Debug)]
pub struct ErrorsParts {
    pub client: Client,
    pub secrets: Secrets,
    pub stop: CancellationToken,
}

/// Subscriber of the channel.
#[derive(Debug)]
pub struct ErrorsChannel {
    client: Client,
    decoding: Decoding,
    events: mpsc::Sender<ChannelEvent>,
    stop: CancellationToken,
    /// Whether the current failure has been logged, so that only changes are logged.
    logged: bool,
    garbled: bool,
}

/// Events for the watcher.
#[derive(Debug)]
pub(super) enum ChannelEvent {
    Failure(ErrorEvent),
    /// The connection ended. CPA may have restarted, so all earlier failures may be void.
    SessionEnd,
}

/// The watcher's receiver.
#[derive(Debug)]
pub struct Events(pub(super) mpsc::Receiver<ChannelEvent>);

impl ErrorsChannel {
    pub fn new(parts: ErrorsParts) -> (Self, Events) {
        let (events, receiver) = mpsc::channel(WAITING);
        let this = Self {
            client: parts.client,
            decoding: Decoding {
                secrets: parts.secrets,
                keep_email: false,
            },
            events,
            stop: parts.stop,
            logged: false,
            garbled: false,
        };
        (this, Events(receiver))
    }

    /// Runs until the program stops. Cancel-safe: a missed failure is not counted and appears with
    /// the next snapshot.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.listen_on()).await;
    }

    async fn listen_on(&mut self) {
        let mut retry = RETRY_FIRST;
        while let Some(opened) = self.client.connect_accepted(&self.stop).await {
            let began = Instant::now();
            let failure = match self.listen(opened).await {
                Ok(never) => match never {},
                Err(failure) => failure,
            };
            if began.elapsed() > GOOD_AFTER {
                retry = RETRY_FIRST;
            }
            self.ended(&failure);
            // The watcher stops with the program, and so does this task.
            drop(self.events.send(ChannelEvent::SessionEnd).await);
            if matches!(failure, RespFailure::Connect(_)) {
                retry = retry.min(RETRY_MAX_DOWN);
            }
            sleep(retry).await;
            retry = (retry * 2).min(RETRY_MAX);
        }
    }

    async fn listen(
        &mut self,
        opened: Result<Connection, RespFailure>,
    ) -> Result<Infallible, RespFailure> {
        let mut connection = opened?;
        connection.subscribe(CHANNEL).await?;
        connection.replies.wait_forever();
        self.logged = false;
        tracing::info!("subscribed to CPA's errors channel");
        loop {
            if let Message::Payload(payload) = next(&mut connection).await? {
                self.forward(&payload).await;
            }
        }
    }

    async fn forward(&mut self, payload: &[u8]) {
        match error_event::decode(payload, &self.decoding) {
            // As above.
            Some(event) => drop(self.events.send(ChannelEvent::Failure(event)).await),
            None if !std::mem::replace(&mut self.garbled, true) => tracing::warn!(
                bytes = payload.len(),
                "message on CPA's errors channel without an account; such messages are ignored"
            ),
            None => {}
        }
    }

    fn ended(&mut self, failure: &RespFailure) {
        if !std::mem::replace(&mut self.logged, true) {
            tracing::info!(
                error = %Chain(failure),
                "CPA's errors channel is unavailable; retrying"
            );
        }
    }
}

/// Reads the next message. Pings an idle connection, to detect one that is half open.
async fn next(connection: &mut Connection) -> Result<Message, RespFailure> {
    let Connection { commands, replies } = connection;
    let mut message = pin!(replies.message());
    if let Ok(message) = timeout(PING_AFTER, &mut message).await {
        return message;
    }
    commands.send(&redis::cmd("PING")).await?;
    match timeout(PING_TIMEOUT, message).await {
        Ok(message) => message,
        Err(_elapsed) => Err(RespFailure::Timeout(PING_TIMEOUT)),
    }
}
