//! Handles between the server and the rest of the program.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

/// Whether the program is ready, and if not, why. Clones share the state.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<RwLock<Option<&'static str>>>);

impl Readiness {
    /// Not ready; `reason` completes "not ready: …".
    pub fn waiting_for(reason: &'static str) -> Self {
        Self(Arc::new(RwLock::new(Some(reason))))
    }

    pub fn set_ready(&self) {
        self.set(None);
    }

    pub fn set_waiting_for(&self, reason: &'static str) {
        self.set(Some(reason));
    }

    /// The reason for not being ready; `None` when ready.
    pub fn reason(&self) -> Option<&'static str> {
        *self.0.read()
    }

    fn set(&self, reason: Option<&'static str>) {
        *self.0.write() = reason;
    }
}

/// Maximum number of queued reloads; they run one after another.
const WAITING_RELOADS: usize = 4;

/// Requests reloads of the configuration.
#[derive(Clone, Debug)]
pub struct ReloadHandle(mpsc::Sender<ReloadRequest>);

/// Receives reload requests.
#[derive(Debug)]
pub struct ReloadRequests(mpsc::Receiver<ReloadRequest>);

/// One reload request.
#[derive(Debug)]
#[must_use = "the requester waits for the outcome"]
pub struct ReloadRequest(Option<oneshot::Sender<Result<Reloaded, String>>>);

/// Result of a successful reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Sections with changes that need a restart.
    pub needs_restart: Vec<&'static str>,
}

pub fn reload_channel() -> (ReloadHandle, ReloadRequests) {
    let (sender, receiver) = mpsc::channel(WAITING_RELOADS);
    (ReloadHandle(sender), ReloadRequests(receiver))
}

impl ReloadHandle {
    /// Requests a reload without waiting. When the queue is full, the queued ones are enough.
    pub fn request(&self) {
        if self.0.try_send(ReloadRequest(None)).is_err() {
            tracing::debug!("reload request skipped: the queue is full");
        }
    }

    /// Requests a reload and waits for the result.
    pub async fn reload(&self) -> Result<Reloaded, String> {
        let (sender, outcome) = oneshot::channel();
        let stopping = |_closed| "the exporter is stopping".to_owned();
        self.0
            .try_send(ReloadRequest(Some(sender)))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => "a reload is under way".to_owned(),
                mpsc::error::TrySendError::Closed(_) => stopping(()),
            })?;
        outcome
            .await
            .unwrap_or_else(|_gone| Err("the exporter is stopping".to_owned()))
    }
}

impl ReloadRequests {
    /// `None` when all handles are dropped. Cancel-safe.
    pub async fn next(&mut self) -> Option<ReloadRequest> {
        self.0.recv().await
    }
}

impl ReloadRequest {
    /// Sends the result to the requester, which shows the error.
    pub fn finish(self, outcome: Result<Reloaded, String>) {
        if let Some(sender) = self.0 {
            // The requester may be gone; the outcome is already in the log.
            sender.send(outcome).ok();
        }
    }
}
