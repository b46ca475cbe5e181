use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::Account;

/// All accounts that CPA lists, as of the last look. Cheap to clone; never half a list.
#[derive(Clone, Debug)]
pub struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    accounts: ArcSwap<Vec<Account>>,
    /// What the providers themselves call the plans.
    plans: Mutex<HashMap<Box<str>, Box<str>>>,
    changes: watch::Sender<u64>,
}

impl Default for Directory {
    fn default() -> Self {
        Self(Arc::new(Inner {
            accounts: ArcSwap::default(),
            plans: Mutex::default(),
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

    /// The provider has named an account's plan, which CPA's list may not know.
    pub fn tell_plan(&self, auth_index: &str, plan: &str) {
        let mut plans = self.0.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.insert(auth_index.into(), plan.into());
    }

    /// Takes over a list that is sorted by index.
    pub(super) fn publish(&self, mut accounts: Vec<Account>) {
        let mut plans = self.0.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = |index: &str| accounts.binary_search_by(|a| (*a.auth_index).cmp(index));
        plans.retain(|index, _| listed(index).is_ok());
        for account in &mut accounts {
            // The provider's own word comes before what the list remembers from the login.
            if let Some(plan) = plans.get(&account.auth_index) {
                account.plan = Some(plan.clone());
            }
        }
        drop(plans);
        self.0.accounts.store(Arc::new(accounts));
        self.0.changes.send_modify(|count| *count += 1);
    }
}
