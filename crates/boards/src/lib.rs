//! The Grafana boards and the other forms of the alert rules: a generator, and the checks of its
//! output.
//!
//! `cargo run -p cpa-exporter-boards` writes the files; the tests of this crate fail when they
//! differ. How to add a panel or a board: `grafana/README.md`.
//!
//! * Boards: `boards` holds one file per board, `text` its words in three languages; metric names,
//!   labels and units come from the exporter's own catalogue. A board is made of `board` (plan,
//!   sections, variables) > `kinds` and `table` (kinds of panels, columns) > `panel` (what is true
//!   of every one) > `query`, `style`, `text`.
//! * Rules: `alerts` gives the rules of `alerts/rules` and `prometheus/recording.rules.yml` the
//!   forms of Grafana's own alerting and of the Prometheus operator.
//! * Files: `files` (JSON for provisioning and import), `docs` (`docs/dashboards.md`).
//! * Checks: `lint`, `promises`, `names`, `promql`, `shape`, and `live` against a Prometheus with
//!   the history of a made-up household: `world`, `figures`, `money`, `seed`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a mistake in a board or a rule ends the run where it is; no exporter runs this code"
)]

mod alerts;
mod board;
mod boards;
mod catalogue;
mod docs;
mod files;
mod kinds;
mod panel;
mod query;
mod style;
mod table;
mod text;

#[cfg(test)]
mod figures;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod live;
#[cfg(test)]
mod money;
#[cfg(test)]
mod names;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod promql;
#[cfg(test)]
mod seed;
#[cfg(test)]
mod shape;
#[cfg(test)]
mod world;

pub use files::files;
