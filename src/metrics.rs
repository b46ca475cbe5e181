//! What Prometheus reads.
//!
//! * `catalogue` is the one table of families; [`sections()`] lists them.
//! * [`Counters`] counts events into totals by internal ids. It belongs to the ingest thread; what it
//!   has staged becomes public with the commit of the same transaction.
//! * [`Exposition`] is what a scrape reads: an immutable snapshot, rendered once a version, and
//!   the [`Handles`] through which the other parts tell facts about themselves.

pub(crate) mod catalogue;
mod counted;
mod counter;
mod counters;
mod encode;
mod exposition;
mod family;
mod gateway;
mod handles;
mod labels;
mod names;
mod past;
mod sections;
mod snapshot;
mod table;

#[cfg(test)]
mod tests;

pub use counted::Record;
pub use counters::{Counters, CountersConfig, PlanFee, PriceFacts, PriceOfModel, WrongTotal};
pub use encode::Dialect;
pub use exposition::{Exposition, Form, NoPage, Page};
pub use family::{Buckets, Family, Kind};
pub use gateway::{
    GatewayInput, GatewayItem, GatewayOutcome, GatewayRow, GatewayStreamEnd, GatewayTokens,
};
pub use handles::{
    AccountErrors, BuildInfo, ContactState, ExporterMetrics, GaugeSet, Handles, LogCounts, Loss,
    Losses, PollMetrics, ReconnectReason, Samples, SourceMetrics, StoreFile, StoreMetrics,
    StoreSizes,
};
pub use labels::{Aliases, Caps};
pub use names::{AccountLabel, AccountNames};
pub use past::{BlockWriter, PastOutput, PastPage, PastSeries, PastTimes, past_queries};
pub use sections::sections;
pub use snapshot::Audience;
