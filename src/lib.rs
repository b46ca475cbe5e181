//! A Prometheus exporter for CLIProxyAPI (CPA).
//!
//! Modules in the order a record passes them:
//!
//! * [`model`]: the vocabulary every other module shares.
//!
//! What carries them:
//!
//! * [`config`]: what the user wrote, made into a valid [`config::Config`].
//! * [`telemetry`]: where log lines go, and how many there were.
//! * [`lifecycle`]: owns every task, turns signals into a stop.
//! * [`clock`], [`platform`]: time, and what only one platform has.

pub mod clock;
pub mod config;
pub mod lifecycle;
pub mod model;
pub mod platform;
pub mod telemetry;
