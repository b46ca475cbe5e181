//! The ingest thread's jobs behind the API.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::prices;
use crate::api::{ImportSummary, RepriceRequest, RepriceStep};
use crate::config::{self, Env, Flags};
use crate::errors::Chain;
use crate::http::{ApiFailure, JobService};
use crate::ingest::{JobError, JobHandle};
use crate::pricing::PriceTable;

#[derive(Debug)]
pub(super) struct IngestJobs {
    pub(super) handle: JobHandle,
    /// The configuration is read again for a reprice, which uses the prices of now.
    pub(super) flags: Flags,
    pub(super) env: Env,
    pub(super) prices: RepricePrices,
}

/// The price list of the reprice under way: all its parts use the same one.
#[derive(Debug, Default)]
pub(super) struct RepricePrices(Mutex<Option<Arc<PriceTable>>>);

impl IngestJobs {
    fn prices(&self, is_first: bool) -> anyhow::Result<Arc<PriceTable>> {
        let mut current = self.prices.0.lock();
        if let Some(table) = current.as_ref().filter(|_| !is_first) {
            return Ok(Arc::clone(table));
        }
        let config = config::load_money(&self.flags, &self.env)?.value;
        let table = Arc::new(prices::load(&config.storage.path, &config.cost)?);
        *current = Some(Arc::clone(&table));
        Ok(table)
    }
}

impl JobService for IngestJobs {
    fn import(&self, records: Vec<Bytes>) -> BoxFuture<'static, Result<ImportSummary, ApiFailure>> {
        let handle = self.handle.clone();
        Box::pin(async move { handle.import(records).await.map_err(failure) })
    }

    fn reprice(
        &self,
        request: RepriceRequest,
    ) -> BoxFuture<'static, Result<RepriceStep, ApiFailure>> {
        let handle = self.handle.clone();
        let table = self.prices(request.after.is_none());
        let table = table.map_err(|error| ApiFailure::Failed(format!("{error:#}")));
        Box::pin(async move { handle.reprice(request, table?).await.map_err(failure) })
    }
}

fn failure(error: JobError) -> ApiFailure {
    match error {
        JobError::Stopping => ApiFailure::Unavailable(error.to_string()),
        JobError::Invalid(error) => ApiFailure::Invalid(error.to_string()),
        JobError::Store(error) => {
            let remedy = error.class().remedy();
            ApiFailure::Failed(format!("{}: {remedy}", Chain(&error)))
        }
    }
}
