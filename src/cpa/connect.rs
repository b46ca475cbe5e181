//! RESP connections and their logins.

use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::refusal::{Refusal, RespError};
use super::resp::{Connection, RespFailure};

impl Client {
    /// Waits until CPA may be called, opens a RESP connection and logs in. `None` when `stop` came
    /// first.
    pub(crate) async fn connect(
        &self,
        stop: &CancellationToken,
    ) -> Option<Result<Connection, RespFailure>> {
        loop {
            let key = self.access().key(stop).await?;
            let Some(opened) = self.open(&key).await else {
                continue;
            };
            match &opened {
                Ok(_) => {
                    self.access().connected();
                    self.access().accepted(&key);
                }
                Err(RespFailure::Answer(RespError::Refused(refusal)))
                    if !refusal.concerns_key() =>
                {
                    self.access().refused(*refusal, None);
                }
                Err(_) => {}
            }
            return Some(opened);
        }
    }

    /// Like [`Self::connect`], for a secondary connection: waits until CPA has accepted the key.
    pub(crate) async fn connect_accepted(
        &self,
        stop: &CancellationToken,
    ) -> Option<Result<Connection, RespFailure>> {
        loop {
            let key = self.access().accepted_key(stop).await?;
            let Some(opened) = self.open(&key).await else {
                continue;
            };
            // Other refusals concern this connection alone.
            if let Err(RespFailure::Answer(RespError::Refused(banned @ Refusal::Banned(_)))) =
                &opened
            {
                self.access().refused(*banned, None);
            }
            return Some(opened);
        }
    }

    /// Opens a connection in its turn and reports a refused key. `None` if the key was replaced.
    async fn open(&self, key: &SecretString) -> Option<Result<Connection, RespFailure>> {
        let mut turn = self.access().turn(key).await?;
        let opening = Connection::open(self.endpoint(), key.expose_secret());
        let opened = turn.hold(opening).await;
        if let Err(RespFailure::Answer(RespError::Refused(refusal))) = &opened
            && refusal.concerns_key()
        {
            self.access().refused(*refusal, Some(key));
        }
        Some(opened)
    }
}
