//! The accounts without the watcher, for commands that print the result and exit.

use super::Account;
use super::account_set::AccountSet;
use crate::clock::Clock;
use crate::cpa::lists::{ListsFailure, ListsReader};

/// All accounts in CPA's lists, sorted by index.
pub(crate) async fn accounts_once(
    mut lists: ListsReader,
    clock: &Clock,
) -> Result<Vec<Account>, ListsFailure> {
    let read = lists.all().await?;
    let mut set = AccountSet::default();
    set.apply(&read, clock.now());
    Ok(set.list())
}
