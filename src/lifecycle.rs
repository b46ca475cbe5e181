//! Owns every task of the process: spawns them, stops them, and limits the time of a stop.
//!
//! A stop has two tokens. *Soft* requests: accept no more, finish the current work, return. *Hard*
//! comes at the end of the grace period: return at once. The module does not depend on the tasks.
//! comes when the grace period is over: drop what you do. It knows nothing about what tasks do.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::platform::Signal;

/// Time between the soft and the hard stop.
pub const GRACE: Duration = Duration::from_secs(10);

/// Time after the hard stop before the process exits without the remaining tasks.
const AFTER_HARD: Duration = Duration::from_millis(500);

/// Spawns tasks and stops them together.
#[derive(Debug)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    died: Arc<OnceLock<&'static str>>,
}

/// Why the process stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A stop signal.
    StopSignal,
    /// The named essential task ended without a stop request.
    TaskEnded(&'static str),
}

/// How the drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// All tasks had returned.
    Complete,
    /// The grace period ended.
    TimedOut,
    /// A second stop signal came.
    SecondSignal,
}

/// Result of [`Lifecycle::run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub cause: Cause,
    pub drain: Drain,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    pub fn new() -> Self {
        let hard = CancellationToken::new();
        Self {
            soft: hard.child_token(),
            hard,
            tasks: TaskTracker::new(),
            died: Arc::new(OnceLock::new()),
        }
    }

    /// Cancelled when tasks must finish their current work and return.
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Cancelled at the end of the grace period.
    pub fn hard(&self) -> CancellationToken {
        self.hard.clone()
    }

    /// Spawns an essential task: when it returns or panics without a stop request, the process
    /// stops.
    pub fn spawn_essential<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let guard = EssentialGuard {
            name,
            soft: self.soft.clone(),
            died: Arc::clone(&self.died),
        };
        self.tasks.spawn(async move {
            let _guard = guard;
            task.await;
        });
    }

    /// Spawns a task that may end early; a stop waits for it too.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(async move {
            task.await;
            tracing::debug!(task = name, "task ended");
        });
    }

    /// Waits for a stop signal or the end of an essential task, then drains.
    ///
    /// `next_signal` must be cancel-safe. `on_signal` is called for each signal but
    /// [`Signal::Stop`] and must not block: pass the work to a task.
    pub async fn run(
        self,
        mut next_signal: impl AsyncFnMut() -> Signal,
        mut on_signal: impl FnMut(Signal),
        grace: Duration,
    ) -> Ended {
        let cause = loop {
            tokio::select! {
                biased;
                () = self.soft.cancelled() => break self.cause(),
                signal = next_signal() => match signal {
                    Signal::Stop => break Cause::StopSignal,
                    signal @ (Signal::Reload | Signal::Refresh) => on_signal(signal),
                },
            }
        };
        match cause {
            Cause::StopSignal => tracing::info!("stopping: committing received records"),
            Cause::TaskEnded(task) => tracing::error!(task, "stopping: a required task ended"),
        }
        self.soft.cancel();
        self.tasks.close();
        let drain = self.drain(&mut next_signal, grace).await;
        match (drain, cause) {
            (Drain::Complete, Cause::StopSignal) => {
                tracing::info!("stopped: all received records are committed");
            }
            (Drain::Complete, Cause::TaskEnded(_)) => {
                tracing::warn!("stopped: records without a commit wait in the spool");
            }
            (Drain::TimedOut, _) => tracing::warn!(?grace, "stopped: grace period exceeded"),
            (Drain::SecondSignal, _) => tracing::warn!("stopped at once: second signal"),
        }
        Ended { cause, drain }
    }

    async fn drain(&self, next_signal: &mut impl AsyncFnMut() -> Signal, grace: Duration) -> Drain {
        let hurry = async {
            // Ignore reloads during the stop.
            while next_signal().await != Signal::Stop {}
        };
        let in_time = tokio::select! {
            biased;
            waited = timeout(grace, self.tasks.wait()) => waited.is_ok(),
            () = hurry => {
                self.hard.cancel();
                return Drain::SecondSignal;
            }
        };
        if in_time {
            return Drain::Complete;
        }
        self.hard.cancel();
        if timeout(AFTER_HARD, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "tasks still running at exit");
        }
        Drain::TimedOut
    }

    fn cause(&self) -> Cause {
        self.died
            .get()
            .map_or(Cause::StopSignal, |name| Cause::TaskEnded(name))
    }
}

/// Reports the end of its task on drop, also after a panic.
struct EssentialGuard {
    name: &'static str,
    soft: CancellationToken,
    died: Arc<OnceLock<&'static str>>,
}

impl Drop for EssentialGuard {
    fn drop(&mut self) {
        if !self.soft.is_cancelled() {
            // The first end is the cause; later ones follow from it.
            self.died.get_or_init(|| self.name);
            self.soft.cancel();
        }
    }
}

#[cfg(test)]
#[path = "lifecycle/tests.rs"]
mod tests;
