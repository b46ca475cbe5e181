use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Wakes the ingest thread and tells it to stop.
#[derive(Clone, Debug, Default)]
pub struct WakeUp(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    woken: bool,
    stopping: bool,
}

impl WakeUp {
    /// The spool has grown. Calls between two looks of the thread count once.
    pub fn wake(&self) {
        self.set(|state| state.woken = true);
    }

    pub(super) fn stop(&self) {
        self.set(|state| state.stopping = true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.0
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stopping
    }

    /// Waits until woken, told to stop, or `limit` has passed.
    pub(super) fn wait(&self, limit: Duration) {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |state: &mut State| !state.woken && !state.stopping;
        let (mut state, _timed_out) = self
            .0
            .changed
            .wait_timeout_while(state, limit, idle)
            .unwrap_or_else(PoisonError::into_inner);
        state.woken = false;
    }

    /// A pause that only a stop cuts short.
    pub(super) fn pause(&self, length: Duration) {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let _guard = self
            .0
            .changed
            .wait_timeout_while(state, length, |state| !state.stopping)
            .unwrap_or_else(PoisonError::into_inner);
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.changed.notify_all();
    }
}
