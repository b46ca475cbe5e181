use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// CPA's count of successful requests, shared by all readers of its lists: reading them costs CPA,
/// so each reader stores the sum for the others.
#[derive(Clone, Debug)]
pub struct SuccessCount {
    received: Arc<AtomicU64>,
    last: Arc<Mutex<Option<Counted>>>,
}

/// The count, and the number of records received before it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) successes: u64,
    pub(crate) arrived: u64,
    at: Instant,
}

impl SuccessCount {
    /// `received` counts received records.
    pub(crate) fn new(received: Arc<AtomicU64>) -> Self {
        Self {
            received,
            last: Arc::default(),
        }
    }

    /// Records received so far; read it before CPA's count.
    pub(crate) fn arrived(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Stores CPA's count `successes`; `arrived` was read before it.
    pub(crate) fn note(&self, successes: u64, arrived: u64) -> Counted {
        let counted = Counted {
            successes,
            arrived,
            at: Instant::now(),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
        counted
    }

    /// A count that is newer than `known` and younger than `age`.
    pub(crate) fn fresh(&self, known: Option<Counted>, age: Duration) -> Option<Counted> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|last| last.at.elapsed() < age && known.is_none_or(|known| last.at > known.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_used_once_and_expires() {
        let received = Arc::new(AtomicU64::new(7));
        let success_count = SuccessCount::new(Arc::clone(&received));
        let hour = Duration::from_hours(1);
        assert_eq!(success_count.fresh(None, hour), None);
        let noted = success_count.note(100, success_count.arrived());
        assert_eq!((noted.successes, noted.arrived), (100, 7));
        assert_eq!(success_count.fresh(None, hour), Some(noted));
        assert_eq!(success_count.fresh(None, Duration::ZERO), None);
        assert_eq!(success_count.fresh(Some(noted), hour), None);
        received.store(9, Ordering::Relaxed);
        let next = success_count.note(101, success_count.arrived());
        assert_eq!(success_count.clone().fresh(Some(noted), hour), Some(next));
    }
}
