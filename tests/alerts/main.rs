//! Rules, alerts and their delivery, with the real promtool, Prometheus and Alertmanager.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code; clippy.toml covers only test functions"
)]

mod command;
mod delivery;
mod end_to_end;
mod inhibition;
mod messages;
mod promql;
mod reasons;
mod rules;
mod runbook;
mod script;
mod sinks;
#[path = "../../crates/boards/src/alerts/source.rs"]
mod source;
mod spark;
mod stack;
mod support;
mod tools;

// Of `source`, which the generator of the boards uses too.
use support::root;
