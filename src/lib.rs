//! A Prometheus exporter for CLIProxyAPI (CPA).
//!
//! Modules in the order a record passes them:
//!
//! * [`model`]: the vocabulary every other module shares.
//! * [`spool`]: raw batches on disk between pop and commit.

pub mod model;
pub mod spool;
