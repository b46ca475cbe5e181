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
//! * [`clock`], [`platform`], [`version`]: time, what only one platform has, what was built.
//! * [`http`], [`http_client`]: serving, and asking others.
//! * [`app`]: the one place that sees every part; [`cli`]: what the shell sees.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod http_client;
pub mod lifecycle;
pub mod model;
pub mod platform;
pub mod telemetry;
pub mod version;
