use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

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
    /// There is work. Calls between two rounds count once.
    pub fn wake(&self) {
        self.set(|state| state.woken = true);
    }

    pub(super) fn stop(&self) {
        self.set(|state| state.stopping = true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.0.state.lock().stopping
    }

    /// Waits until woken, told to stop, or `limit` has passed.
    pub(super) fn wait(&self, limit: Duration) {
        let mut state = self.0.state.lock();
        let is_idle = |state: &mut State| !state.woken && !state.stopping;
        self.0.changed.wait_while_for(&mut state, is_idle, limit);
        state.woken = false;
    }

    /// A pause that only a stop interrupts.
    pub(super) fn pause(&self, length: Duration) {
        let mut state = self.0.state.lock();
        let is_running = |state: &mut State| !state.stopping;
        self.0
            .changed
            .wait_while_for(&mut state, is_running, length);
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.state.lock());
        self.0.changed.notify_all();
    }
}
