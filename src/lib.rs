//! A Prometheus exporter for CLIProxyAPI (CPA).
//!
//! Modules in the order a record passes them:
//!
//! * [`model`]: the vocabulary every other module shares.
//! * [`cpa`]: the management key and the HTTP API, on which the next and others stand.
//! * [`source`]: taking records from CPA.
//! * [`spool`]: raw batches on disk between pop and commit.
//! * [`ingest`]: the one thread through which every record passes.
//! * [`decode`]: bytes to events, and the place where secrets end.
//! * [`pricing`]: what tokens cost.
//! * [`budget`]: limits that we count ourselves.
//! * [`store`]: the SQLite database.
//! * [`accounts`]: beside the records, which credentials CPA has and how they are.
//! * [`metrics`]: totals, and what Prometheus reads.
//! * [`quota`]: how providers are asked how much of a plan is used.
//! * [`api`]: the types of the HTTP API.
//! * [`http`]: the web side.
//! * [`query`]: questions about stored events.
//! * [`report`]: what is known, as text for people and programs.
//! * [`history`]: beside the records, the past from a file and for Prometheus.
//!
//! What puts them together and what they stand on:
//!
//! * [`cli`]: the command line; [`app`]: the one place that sees every part.
//! * [`config`]: what the user wrote, and what the program may rely on.
//! * [`lifecycle`], [`telemetry`], [`clock`], [`platform`], [`errors`], [`http_client`], [`version`].
//! * [`simulator`]: a strict stand-in for CPA, for `simulate`, the demo, tests and benches.

pub use cpa_exporter_core::{budget, decode, model, pricing, quota};
pub use cpa_exporter_simulator as simulator;

pub mod accounts;
pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cpa;
pub mod errors;
pub mod gateway;
pub mod history;
pub mod http;
pub mod http_client;
pub mod ingest;
pub mod lifecycle;
pub mod metrics;
pub mod platform;
pub mod poller;
pub mod query;
pub mod report;
pub mod source;
pub mod spool;
pub mod store;
pub mod telemetry;
pub mod version;
