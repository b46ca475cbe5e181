//! Shared code of the commands about prices and costs.

use anyhow::Context as _;

use super::ConfigFlags;
use crate::app::offline::Offline;
use crate::app::prices;
use crate::clock::Clock;
pub(super) use crate::config::Money as Setup;
use crate::config::{self, Env};
use crate::model::UnixNanos;
use crate::pricing::{PriceTable, end_of, start_of};
use crate::store::Store;

impl Setup {
    pub(super) fn load<R>(flags: ConfigFlags<R>, env: &Env) -> anyhow::Result<Self> {
        Ok(config::load_money(&flags.into_flags(), env)?.value)
    }

    pub(super) fn table(&self) -> anyhow::Result<PriceTable> {
        prices::load(&self.storage.path, &self.cost)
    }

    /// The database with these settings.
    pub(super) fn offline(&self, store: Store) -> anyhow::Result<Offline> {
        Offline::new(store, self)
    }
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
