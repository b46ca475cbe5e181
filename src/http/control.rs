//! Handles between the server and the rest of the program.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{mpsc, oneshot};

/// Whether the program does its work yet, and if not, why. Clones share one answer.
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

    /// The reason why not; `None` when ready.
    pub fn reason(&self) -> Option<&'static str> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, reason: Option<&'static str>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// Reloads wait in line, so that two of them never run at once. More than this wait nowhere.
const WAITING_RELOADS: usize = 4;

/// Asks for the configuration to be read again.
#[derive(Clone, Debug)]
pub struct ReloadHandle(mpsc::Sender<ReloadRequest>);

/// Where the asked-for reloads arrive.
#[derive(Debug)]
pub struct ReloadRequests(mpsc::Receiver<ReloadRequest>);

/// One reload that somebody waits for.
#[derive(Debug)]
#[must_use = "somebody waits for the outcome"]
pub struct ReloadRequest(Option<oneshot::Sender<Result<Reloaded, String>>>);

/// The configuration was read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Sections with changes that only a restart brings.
    pub needs_restart: Vec<&'static str>,
}

pub fn reload_channel() -> (ReloadHandle, ReloadRequests) {
    let (sender, receiver) = mpsc::channel(WAITING_RELOADS);
    (ReloadHandle(sender), ReloadRequests(receiver))
}

impl ReloadHandle {
    /// Asks without waiting for the outcome. When reloads wait in line already, those will do.
    pub fn request(&self) {
        if self.0.try_send(ReloadRequest(None)).is_err() {
            tracing::debug!("a reload is waiting already");
        }
    }

    /// Asks and waits for the outcome.
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
    /// `None` when nobody can ask any more. Cancel-safe.
    pub async fn next(&mut self) -> Option<ReloadRequest> {
        self.0.recv().await
    }
}

impl ReloadRequest {
    /// Tells who asked; the error is shown to them.
    pub fn finish(self, outcome: Result<Reloaded, String>) {
        if let Some(sender) = self.0 {
            // Who asked may have gone away; the outcome was logged where it came about.
            sender.send(outcome).ok();
        }
    }
}
