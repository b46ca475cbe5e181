//! Shared code of the commands about prices and costs.

use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;

use super::ConfigFlags;
use crate::app::prices;
use crate::clock::Clock;
pub(super) use crate::config::Money as Setup;
use crate::config::{self, Env};
use crate::ingest::{EventPricer, ImportSink, MoneyParts};
use crate::model::{Event, Money, Route, UnixNanos};
use crate::pricing::{Billing, PriceTable, end_of, start_of};
use crate::store::{NewName, Store, StoreError};

impl Setup {
    pub(super) fn load<R>(flags: ConfigFlags<R>, env: &Env) -> anyhow::Result<Self> {
        Ok(config::load_money(&flags.into_flags(), env)?.value)
    }

    pub(super) fn table(&self) -> anyhow::Result<PriceTable> {
        prices::load(&self.storage.path, &self.cost)
    }
}

/// Prices imported events by the prices of their days.
pub(super) struct Priced(EventPricer);

impl Priced {
    pub(super) fn new(
        table: PriceTable,
        billing: Billing,
        store: &mut Store,
    ) -> Result<Self, StoreError> {
        let mut this = Self(EventPricer::new(MoneyParts {
            prices: Arc::new(ArcSwap::from_pointee(table)),
            billing,
            references: Vec::new(),
        }));
        this.0.refresh(store, now())?;
        this.names(store.take_new_names());
        Ok(this)
    }
}

impl ImportSink for Priced {
    fn names(&mut self, names: Vec<NewName>) {
        for name in &names {
            self.0.name(name);
        }
    }

    fn money(&mut self, event: &Event<'_>, route: &Route) -> Money {
        self.0.money(event, route)
    }

    fn entered(&mut self, _event: &Event<'_>, _route: &Route, _money: &Money) {}
}

pub(super) fn now() -> UnixNanos {
    Clock::system().now()
}

/// Today in UTC, in the format of price lists.
pub(super) fn today() -> anyhow::Result<String> {
    Ok(timestamp(now())?.strftime("%Y-%m-%d").to_string())
}

pub(super) fn timestamp(at: UnixNanos) -> anyhow::Result<jiff::Timestamp> {
    jiff::Timestamp::from_nanosecond(at.get().into()).context("the time is out of range")
}

/// The start of a day, or a time.
pub(super) fn parse_start(text: &str) -> Result<UnixNanos, String> {
    start_of(text).ok_or_else(|| expected(text))
}

/// The end of a day, or a time.
pub(super) fn parse_end(text: &str) -> Result<UnixNanos, String> {
    end_of(text).ok_or_else(|| expected(text))
}

fn expected(text: &str) -> String {
    format!(
        "expected a day in UTC like 2026-11-22 or a time like 2026-11-22T08:00:00Z, found {text}"
    )
}

/// Nano-dollars as dollars, exactly.
pub(super) fn usd(nanos: i128) -> String {
    const NANOS: u128 = 1_000_000_000;
    let sign = if nanos < 0 { "-" } else { "" };
    let (whole, fraction) = (nanos.unsigned_abs() / NANOS, nanos.unsigned_abs() % NANOS);
    format!("{sign}{whole}.{fraction:09}")
}
