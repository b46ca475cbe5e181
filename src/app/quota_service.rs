//! The poller's handles behind the quota API.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::api::{AccountFilter, AccountQuota, RefreshOutcome};
use crate::http::QuotaService;
use crate::poller::{Quotas, RefreshHandle};

#[derive(Debug)]
pub(super) struct PolledQuotas {
    pub(super) quotas: Quotas,
    /// `None` when polling is off.
    pub(super) refresh: Option<RefreshHandle>,
}

impl QuotaService for PolledQuotas {
    fn accounts(&self) -> Arc<Vec<AccountQuota>> {
        self.quotas.get()
    }

    fn refresh(&self, filter: AccountFilter) -> Option<BoxFuture<'static, Option<RefreshOutcome>>> {
        let handle = self.refresh.clone()?;
        Some(Box::pin(async move { handle.refresh(filter).await }))
    }
}
