//! Parts for the tests of this module.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::accounting::{Accounting, AccountingParts};
use super::{LimitParts, MoneyParts, WindowSpans};
use crate::decode::{Decoder, HashKey};
use crate::metrics::{
    AccountNames, BuildInfo, Counters, CountersConfig, Exposition, GaugeSet, Handles,
};
use crate::model::UnixNanos;
use crate::pricing::{Billing, CacheWrites, Layer, PriceTable, built_in};
use crate::store::Store;

pub(super) fn decoder() -> Decoder {
    Decoder::new(HashKey([7; 16]))
}

pub(super) fn prices() -> PriceTable {
    let files = [(Layer::BuiltIn, built_in().unwrap())];
    PriceTable::new(&files, CacheWrites::Short).unwrap()
}

/// No quota windows are counted.
pub(super) fn no_windows() -> WindowSpans {
    tokio::sync::watch::channel(Arc::default()).1
}

/// The stage with the built-in prices.
pub(super) fn accounting(store: &mut Store) -> Accounting {
    let build = BuildInfo {
        version: "0",
        revision: "0",
        rustc: "0",
    };
    let exposition = Exposition::new(Handles::new(build, Arc::new(Vec::new)), 1);
    let counters = Counters::new(
        CountersConfig::default(),
        exposition,
        AccountNames::default(),
    );
    let parts = AccountingParts {
        counters,
        money: MoneyParts {
            prices: Arc::new(ArcSwap::from_pointee(prices())),
            billing: Billing::default(),
            references: Vec::new(),
        },
        limits: LimitParts {
            rules: Arc::default(),
            gauges: GaugeSet::default(),
            windows: no_windows(),
        },
    };
    Accounting::offline(parts, store, UnixNanos::from_millis(1))
}
