use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::Account;

/// All accounts in CPA's latest list. Cheap to clone; readers never see a partial list.
#[derive(Clone, Debug)]
pub struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    accounts: ArcSwap<Vec<Account>>,
    /// Plans as the providers report them, by index.
    plans: Mutex<HashMap<Box<str>, Box<str>>>,
    changes: watch::Sender<u64>,
    plan_changed: Notify,
}

impl Default for Directory {
    fn default() -> Self {
        Self(Arc::new(Inner {
            accounts: ArcSwap::default(),
            plans: Mutex::default(),
            changes: watch::Sender::new(0),
            plan_changed: Notify::new(),
        }))
    }
}

impl Directory {
    pub fn new() -> Self {
        Self::default()
    }

    /// A list that does not change; must be sorted by index.
    pub(crate) fn of(accounts: Vec<Account>) -> Self {
        let this = Self::default();
        this.publish(accounts);
        this
    }

    /// The latest list, sorted by index; empty before the first snapshot.
    pub fn snapshot(&self) -> Arc<Vec<Account>> {
        self.0.accounts.load_full()
    }

    /// Number of publications; `changed().await` waits for the next one. 0 before the first.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Records an account's plan as the provider reports it; CPA's list may lack it.
    pub fn record_plan(&self, auth_index: &str, plan: &str) {
        let mut plans = self.0.plans.lock();
        let known = plans.insert(auth_index.into(), plan.into());
        if known.is_some_and(|known| *known == *plan) {
            return;
        }
        let mut accounts = self.snapshot().to_vec();
        let named = accounts.iter_mut().find(|a| *a.auth_index == *auth_index);
        if let Some(account) = named.filter(|account| account.plan.as_deref() != Some(plan)) {
            account.plan = Some(plan.into());
            self.replace(accounts);
            self.0.plan_changed.notify_one();
        }
    }

    /// Waits until the plan of a listed account has changed.
    pub(super) async fn plan_changed(&self) {
        self.0.plan_changed.notified().await;
    }

    /// Publishes a list, which must be sorted by index.
    pub(super) fn publish(&self, mut accounts: Vec<Account>) {
        let mut plans = self.0.plans.lock();
        let listed = |index: &str| accounts.binary_search_by(|a| (*a.auth_index).cmp(index));
        plans.retain(|index, _| listed(index).is_ok());
        for account in &mut accounts {
            // The provider's report precedes the plan that CPA stored at login.
            if let Some(plan) = plans.get(&account.auth_index) {
                account.plan = Some(plan.clone());
            }
        }
        self.replace(accounts);
    }

    /// The caller holds the lock of the plans, so that no plan is lost between two lists.
    fn replace(&self, accounts: Vec<Account>) {
        self.0.accounts.store(Arc::new(accounts));
        self.0.changes.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::model::AuthType;

    fn account(index: &str, plan: Option<&str>) -> Account {
        Account {
            plan: plan.map(Into::into),
            ..Account::new(index.into(), "claude".into(), AuthType::Oauth)
        }
    }

    fn plans(directory: &Directory) -> Vec<Option<Box<str>>> {
        let accounts = directory.snapshot();
        accounts
            .iter()
            .map(|account| account.plan.clone())
            .collect()
    }

    #[test]
    fn recorded_plan_is_published_at_once() {
        let directory = Directory::new();
        directory.publish(vec![account("aa", None), account("bb", Some("free"))]);
        assert_eq!(directory.plan_changed().now_or_never(), None);
        directory.record_plan("bb", "max");
        assert_eq!(plans(&directory), [None, Some("max".into())]);
        assert_eq!(directory.plan_changed().now_or_never(), Some(()));
        assert_eq!(*directory.changes().borrow(), 2);
        // A repeat, and an account that is not listed.
        directory.record_plan("bb", "max");
        directory.record_plan("cc", "max");
        assert_eq!(directory.plan_changed().now_or_never(), None);
        assert_eq!(*directory.changes().borrow(), 2);
        // The list's plan does not replace the provider's.
        directory.publish(vec![account("aa", None), account("bb", Some("free"))]);
        assert_eq!(plans(&directory), [None, Some("max".into())]);
    }
}
