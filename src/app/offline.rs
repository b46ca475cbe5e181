//! The database without a running exporter, for commands that hold the lock of its directory.

use std::sync::Arc;

use tokio::sync::watch;

use super::build_info;
use super::records::accounting;
use super::storage::hash_key;
use crate::api::{ImportSummary, RepriceRequest, RepriceStep};
use crate::clock::Clock;
use crate::config::Money;
use crate::decode::Decoder;
use crate::ingest::{Accounting, LimitParts, Reprice, import};
use crate::metrics::{AccountNames, Counters, CountersConfig, Exposition, GaugeSet, Handles};
use crate::model::UnixNanos;
use crate::pricing::PriceTable;
use crate::store::{Store, StoreError};

/// A database and the accounting stage of the exporter.
#[derive(Debug)]
pub(crate) struct Offline {
    pub(crate) store: Store,
    decoder: Decoder,
    accounting: Accounting,
    prices: Arc<PriceTable>,
    clock: Clock,
}

impl Offline {
    pub(crate) fn new(mut store: Store, config: &Money) -> anyhow::Result<Self> {
        let Money {
            storage,
            cost,
            aliases,
        } = config;
        let clock = Clock::system();
        let exposition = Exposition::new(Handles::new(build_info(), Arc::new(Vec::new)), 1);
        let names = AccountNames::default();
        // Nothing is published, so labels and limits need no configuration.
        let counters = Counters::new(CountersConfig::default(), exposition, names);
        let limits = LimitParts {
            rules: Arc::default(),
            gauges: GaugeSet::default(),
            windows: watch::channel(Arc::default()).1,
        };
        let (prices, parts) = accounting(&storage.path, cost, aliases, counters, limits)?;
        Ok(Self {
            accounting: Accounting::offline(parts, &mut store, clock.now()),
            decoder: Decoder::new(hash_key(&storage.path)?),
            prices: prices.load_full(),
            store,
            clock,
        })
    }

    /// Imports records as history, received now.
    pub(crate) fn import<R: AsRef<[u8]>>(
        &mut self,
        records: &[R],
    ) -> Result<ImportSummary, StoreError> {
        self.import_received(records, self.clock.now())
    }

    pub(crate) fn import_received<R: AsRef<[u8]>>(
        &mut self,
        records: &[R],
        received: UnixNanos,
    ) -> Result<ImportSummary, StoreError> {
        let Self {
            store,
            decoder,
            accounting,
            ..
        } = self;
        import(store, decoder, accounting, records, received)
    }

    /// Reprices the whole range.
    pub(crate) fn reprice(&mut self, request: &RepriceRequest) -> anyhow::Result<RepriceStep> {
        let Self {
            store, accounting, ..
        } = self;
        let table = Arc::clone(&self.prices);
        let mut reprice = Reprice::new(request, table, store, accounting, self.clock.now())?;
        while reprice.step(store, accounting)? {}
        Ok(reprice.finish())
    }
}
