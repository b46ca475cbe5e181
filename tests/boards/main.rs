//! The Grafana boards: a generator, and what is asked of its output.
//!
//! `boards` holds one file per board, `text` its words in three languages; metric names, labels
//! and units come from the exporter's own catalogue. The generator is a test target and no part
//! of the program. `UPDATE_DASHBOARDS=1 cargo test --test boards` writes the files; without it
//! the same test fails when they differ. How to add a panel or a board: `grafana/README.md`.
//!
//! * What a board is made of: `board` (plan, sections, variables) > `kinds` and `table` (kinds of
//!   panels, columns) > `panel` (what is true of every one) > `query`, `style`, `text`.
//! * What is written: `files` (JSON for provisioning and import), `docs` (`docs/dashboards.md`).
//! * What is asked of it: `lint`, `promises`, `names`, `promql`, `shape`, and `live` against a Prometheus with
//!   the history of a made-up household: `world`, `figures`, `money`, `seed`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a mistake in a board should end the run where it is"
)]

mod board;
mod boards;
mod catalogue;
mod docs;
mod figures;
mod files;
mod kinds;
mod lint;
mod live;
mod money;
mod names;
mod panel;
mod promises;
mod promql;
mod query;
mod seed;
mod shape;
mod style;
mod table;
mod text;
mod world;
