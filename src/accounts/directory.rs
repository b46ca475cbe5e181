use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::Account;

/// All accounts that CPA lists, as of the last look. Cheap to clone; never half a list.
#[derive(Clone, Debug)]
pub struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    accounts: ArcSwap<Vec<Account>>,
    changes: watch::Sender<u64>,
}

impl Default for Directory {
    fn default() -> Self {
        Self(Arc::new(Inner {
            accounts: ArcSwap::default(),
            changes: watch::Sender::new(0),
        }))
    }
}

impl Directory {
    pub fn new() -> Self {
        Self::default()
    }

    /// The latest list, sorted by index; empty before the first look.
    pub fn snapshot(&self) -> Arc<Vec<Account>> {
        self.0.accounts.load_full()
    }

    /// Counts the publications: `changed().await` waits for the next one, 0 is before the first.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    pub(super) fn publish(&self, accounts: Vec<Account>) {
        self.0.accounts.store(Arc::new(accounts));
        self.0.changes.send_modify(|count| *count += 1);
    }
}
