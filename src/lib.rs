//! A Prometheus exporter for CLIProxyAPI (CPA).
//!
//! Modules in the order a record passes them:
//!
//! * [`model`]: the vocabulary every other module shares.

pub mod model;
