//! The table of all metric families. Exposition, `docs/metrics.md`, boards and tests use it.
//!
//! A counter of records is declared by one row of `traffic`, `money` or `ingest`: name, labels, help,
//! amount per record, and SQL for `backfill`. Nothing else names it.

pub(crate) mod accounts;
pub(crate) mod budgets;
pub(super) mod exporter;
pub(crate) mod gateway;
pub(super) mod ingest;
pub(super) mod money;
pub(super) mod traffic;

use super::counter::{Counter, StoredFamily};
use super::family::Family;

/// Declares each family once, and lists them in the order of the exposition.
macro_rules! families {
    ($vis:vis $all:ident; $($constant:ident: $kind:expr, $name:literal, $labels:expr, $help:literal;)*) => {
        $($vis static $constant: $crate::metrics::family::Family =
            $crate::metrics::family::Family {
                name: $name,
                kind: $kind,
                labels: $labels,
                help: $help,
            };)*
        $vis static $all: &[&$crate::metrics::family::Family] = &[$(&$constant),*];
    };
}
use families;

/// The families of counters.
pub(super) fn declared<F>(counters: &'static [Counter<F>]) -> Vec<&'static Family> {
    counters.iter().map(|row| &row.stored.family).collect()
}

/// All families whose totals are stored, in the order of the exposition. Their positions are their
/// numbers within the process.
pub(super) fn stored_families() -> Vec<&'static StoredFamily> {
    fn of<F>(counters: &'static [Counter<F>]) -> impl Iterator<Item = &'static StoredFamily> {
        counters.iter().map(|row| &row.stored)
    }
    of(traffic::COUNTERS)
        .chain(of(ingest::OF_PAYLOADS))
        .chain(of(ingest::OF_OUTCOMES))
        .chain(of(ingest::OF_COMMITS))
        .chain(of(ingest::OF_RECORDS))
        .chain(of(money::COUNTERS))
        .chain(of(money::OF_REFERENCES))
        .chain(of(money::OF_COMBOS))
        .chain(of(gateway::COUNTERS))
        .collect()
}
