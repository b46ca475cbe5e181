//! A thread that reads stored events while the ingest thread continues.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::wake_up::WakeUp;
use crate::store::StoreError;

/// The running thread. It ends early when this is dropped.
pub(super) struct StoredRead<T> {
    thread: JoinHandle<Result<T, StoreError>>,
    _abandon: Abandon,
}

struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<T: Send + 'static> StoredRead<T> {
    /// `read` ends early once its argument is true. Its end wakes the ingest thread.
    pub(super) fn start(
        name: &str,
        wake_up: WakeUp,
        read: impl FnOnce(&AtomicBool) -> Result<T, StoreError> + Send + 'static,
    ) -> io::Result<Self> {
        let abandoned = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&abandoned);
        let work = move || {
            let result = read(&stop);
            wake_up.wake();
            result
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        Ok(Self {
            thread: thread.spawn(work)?,
            _abandon: Abandon(abandoned),
        })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end. A panic goes on in the caller: its reason holds for the next try too, and
    /// the hook has logged it.
    pub(super) fn join(self) -> Result<T, StoreError> {
        match self.thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
