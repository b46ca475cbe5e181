//! Reads a gateway (New API, One API) from its database and hands the rows to the ingest thread.
//!
//! One task polls: the log every second, channels and tokens less often. It hands the rows on with the
//! position behind them and goes on only once both are committed, so that a crash at any point neither
//! loses nor doubles a row.

mod gauges;
mod position;
mod task;

pub use task::{Gateway, Parts, Source};
