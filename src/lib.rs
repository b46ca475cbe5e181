//! A Prometheus exporter for CLIProxyAPI (CPA).
//!
//! Modules in the order a record passes them:
//!
//! * [`model`]: the vocabulary every other module shares.
//! * [`simulator`]: a strict stand-in for CPA, for `simulate`, the demo, tests and benches.

pub mod model;
pub mod simulator;
