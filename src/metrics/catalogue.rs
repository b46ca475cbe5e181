//! The table of all metric families. Exposition, `docs/metrics.md`, boards and tests use it.
//!
//! A counter of records is declared by one row of `traffic`, `money` or `ingest`: name, labels, help,
//! amount per record, and SQL for `backfill`. Nothing else names it.

pub(crate) mod accounts;
pub(crate) mod budgets;
pub(super) mod exporter;
pub(super) mod ingest;
pub(super) mod money;
pub(super) mod traffic;

use super::counter::{Counter, StoredFamily};
use super::handles::{SourceMetrics, StoreMetrics};

/// A metric family as Prometheus sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// With `_total` for counters.
    pub name: &'static str,
    pub kind: Kind,
    /// Label names in the order in which they are written.
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram(Buckets),
    /// Without quantiles: sum and count only.
    Summary,
}

/// Upper bounds in raw units, and how many raw units make one base unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    pub bounds: &'static [u64],
    pub scale: u64,
}

impl Kind {
    /// The word behind `# TYPE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// Declares each family once, and lists them in the order of the exposition.
macro_rules! families {
    ($vis:vis $all:ident; $($constant:ident: $kind:expr, $name:literal, $labels:expr, $help:literal;)*) => {
        $($vis static $constant: $crate::metrics::catalogue::Family =
            $crate::metrics::catalogue::Family {
                name: $name,
                kind: $kind,
                labels: $labels,
                help: $help,
            };)*
        $vis static $all: &[&$crate::metrics::catalogue::Family] = &[$(&$constant),*];
    };
}
use families;

/// The sections of the exposition and of the documentation, with their families in order.
pub fn sections() -> [(&'static str, Vec<&'static Family>); 6] {
    let money = [
        declared(money::COUNTERS),
        declared(money::OF_REFERENCES),
        declared(money::OF_COMBOS),
        money::GAUGES.to_vec(),
    ];
    let ingest = [
        declared(ingest::OF_PAYLOADS),
        declared(ingest::OF_OUTCOMES),
        declared(ingest::OF_COMMITS),
        declared(ingest::OF_RECORDS),
        SourceMetrics::FAMILIES.iter().collect(),
        StoreMetrics::FAMILIES.iter().collect(),
    ];
    [
        ("Traffic", declared(traffic::COUNTERS)),
        ("Accounts and quotas", accounts::ALL.to_vec()),
        ("Money", money.concat()),
        ("Budgets and comparisons", budgets::ALL.to_vec()),
        ("Ingest and CPA", ingest.concat()),
        ("Self", exporter::ALL.to_vec()),
    ]
}

fn declared<F>(counters: &'static [Counter<F>]) -> Vec<&'static Family> {
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
        .collect()
}
