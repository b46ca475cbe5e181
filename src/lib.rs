//! A Prometheus exporter for CLIProxyAPI (CPA).
//!
//! Modules in the order a record passes them:
//!
//! * [`model`]: the vocabulary every other module shares.
//! * [`spool`]: raw batches on disk between pop and commit.
//! * [`decode`]: bytes to events, and the place where secrets end.
//! * [`store`]: the SQLite database.
//! * [`metrics`]: totals, and what Prometheus reads.
//! * [`simulator`]: a strict stand-in for CPA, for `simulate`, the demo, tests and benches.

pub mod decode;
pub mod metrics;
pub mod model;
pub mod simulator;
pub mod spool;
pub mod store;
