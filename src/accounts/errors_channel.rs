//! CPA's channel of failures, on a RESP connection of its own. Nothing depends on it: where RESP
//! is not to be had, its metric is absent and cool-downs show at the next look.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Decoding;
use super::error_event::{self, ErrorEvent};
use crate::cpa::resp::{Connection, Endpoint, Message, RespFailure};
use crate::cpa::{Access, Refusal, RespError};
use crate::decode::Secrets;
use crate::errors::Chain;

const CHANNEL: &str = "errors";
/// Events that may wait for the watcher; CPA keeps 256 more for a slow reader.
const WAITING: usize = 256;
/// Each login costs CPA a bcrypt check.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_mins(10);
/// A port where nobody listens costs nothing.
const RETRY_MAX_DOWN: Duration = Duration::from_secs(30);
/// A connection that has lived so long was good.
const GOOD_AFTER: Duration = Duration::from_mins(1);
/// A silent connection is asked whether it still lives, and given up when it does not answer.
const PING_AFTER: Duration = Duration::from_mins(1);
const PING_TIMEOUT: Duration = Duration::from_secs(30);

/// What the channel's task is made of.
#[derive(Debug)]
pub struct ErrorsParts {
    pub url: Url,
    /// For `https` URLs.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    pub access: Arc<Access>,
    pub secrets: Secrets,
    pub stop: CancellationToken,
}

/// Listens to the channel, ready to run.
#[derive(Debug)]
pub struct ErrorsChannel {
    endpoint: Endpoint,
    access: Arc<Access>,
    decoding: Decoding,
    events: mpsc::Sender<ChannelEvent>,
    stop: CancellationToken,
    /// So that the log speaks of changes only.
    said: bool,
    garbled: bool,
}

/// What the channel tells the watcher.
#[derive(Debug)]
pub(super) enum ChannelEvent {
    Failure(ErrorEvent),
    /// The connection ended, perhaps with CPA itself: all failures so far are older than that.
    SessionEnd,
}

/// The watcher's end.
#[derive(Debug)]
pub struct Events(pub(super) mpsc::Receiver<ChannelEvent>);

impl ErrorsChannel {
    pub fn new(parts: ErrorsParts) -> (Self, Events) {
        let (events, receiver) = mpsc::channel(WAITING);
        let this = Self {
            endpoint: Endpoint::new(&parts.url, parts.tls),
            access: parts.access,
            decoding: Decoding {
                secrets: parts.secrets,
                keep_email: false,
            },
            events,
            stop: parts.stop,
            said: false,
            garbled: false,
        };
        (this, Events(receiver))
    }

    /// Runs until the program stops. May be dropped at any time: what is missed is not counted
    /// and shows at the next look.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.listen_on()).await;
    }

    async fn listen_on(&mut self) {
        let mut retry = RETRY_FIRST;
        while let Some(key) = self.access.accepted_key(&self.stop).await {
            let began = Instant::now();
            let failure = match self.listen(&key).await {
                Ok(never) => match never {},
                Err(failure) => failure,
            };
            if began.elapsed() > GOOD_AFTER {
                retry = RETRY_FIRST;
            }
            self.ended(&failure);
            // The watcher ends with the program, and so do we.
            drop(self.events.send(ChannelEvent::SessionEnd).await);
            if matches!(failure, RespFailure::Connect(_)) {
                retry = retry.min(RETRY_MAX_DOWN);
            }
            sleep(retry).await;
            retry = (retry * 2).min(RETRY_MAX);
        }
    }

    async fn listen(&mut self, key: &SecretString) -> Result<Infallible, RespFailure> {
        let mut connection = Connection::open(&self.endpoint, key.expose_secret()).await?;
        connection.subscribe(CHANNEL).await?;
        self.said = false;
        tracing::info!("subscribed to CPA's errors channel");
        loop {
            if let Message::Payload(payload) = next(&mut connection).await? {
                self.hand_on(&payload).await;
            }
        }
    }

    async fn hand_on(&mut self, payload: &[u8]) {
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
        if let RespFailure::Answer(RespError::Refused(refusal)) = failure
            && let Refusal::WrongKey | Refusal::MissingKey | Refusal::Banned(_) = refusal
        {
            // A failed login counts, whoever made it. Other refusals concern RESP alone.
            self.access.refused(*refusal);
        } else if !std::mem::replace(&mut self.said, true) {
            tracing::info!(
                error = %Chain(failure),
                "CPA's errors channel is unavailable; retrying"
            );
        }
    }
}

/// The next message. A half-open connection is found out by asking.
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
