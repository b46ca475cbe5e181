//! The families whose totals live in the database: how their series are keyed and their cells
//! laid out.

use super::catalogue::{Buckets, Family, Kind, ingest, money, traffic};
use super::labels::LabelKind::{self, Account, Client, Code, Endpoint, Model, Reason};
use super::labels::LabelKind::{Combo, Effort, Executor, Provider, Reference, Tier};
use crate::model::{Control, RejectReason, TokenKind, TokenQuality, TotalRow};

/// A restored family. Its position in [`RESTORED`] is its number in this process.
#[derive(Debug)]
pub(super) struct Restored {
    /// Number in the database; never reused for another meaning.
    pub(super) id: u16,
    pub(super) family: &'static Family,
    /// What the parts of a series' key are, in label order.
    pub(super) key: &'static [LabelKind],
    pub(super) cells: Cells,
    /// Shown at 0 first, because the first value of a new series adds nothing to `increase()`.
    pub(super) zero_first: bool,
}

/// What the numbers of one series are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cells {
    /// One counter.
    One,
    /// One counter for each value of a last, closed label.
    Kinds(fn() -> Vec<&'static str>),
    /// One counter of nano-dollars, shown in dollars.
    Usd,
    /// The same for each value of a last, closed label.
    UsdKinds(fn() -> Vec<&'static str>),
    /// Observations per bucket (not cumulative), beyond the last bound, and the sum.
    Buckets(Buckets),
    /// Sum in milliseconds, count.
    Summary,
    /// Latest time in nanoseconds; 0 = never.
    Time,
}

impl Restored {
    /// Numbers per series.
    pub(super) fn width(&self) -> usize {
        match self.cells {
            Cells::One | Cells::Usd | Cells::Time => 1,
            Cells::Summary => 2,
            Cells::Kinds(values) | Cells::UsdKinds(values) => values().len(),
            Cells::Buckets(buckets) => buckets.bounds.len() + 2,
        }
    }

    /// Lines that a series takes on the page.
    pub(super) fn lines(&self) -> usize {
        match self.cells {
            Cells::Buckets(buckets) => buckets.bounds.len() + 3,
            Cells::One
            | Cells::Kinds(_)
            | Cells::Usd
            | Cells::UsdKinds(_)
            | Cells::Summary
            | Cells::Time => self.width(),
        }
    }

    /// Those of a histogram.
    pub(super) fn buckets(&self) -> Option<Buckets> {
        match self.cells {
            Cells::Buckets(buckets) => Some(buckets),
            Cells::One
            | Cells::Kinds(_)
            | Cells::Usd
            | Cells::UsdKinds(_)
            | Cells::Summary
            | Cells::Time => None,
        }
    }

    /// Gauges show the latest of their members, everything else the sum.
    pub(super) fn is_latest(&self) -> bool {
        matches!(self.cells, Cells::Time)
    }
}

/// Positions in [`RESTORED`].
pub(super) mod at {
    pub(in crate::metrics) const REQUESTS: usize = 0;
    pub(in crate::metrics) const FAILURES: usize = 1;
    pub(in crate::metrics) const TOKENS: usize = 2;
    pub(in crate::metrics) const DURATION: usize = 3;
    pub(in crate::metrics) const FIRST_TOKEN: usize = 4;
    pub(in crate::metrics) const OUTPUT_TOKEN: usize = 5;
    pub(in crate::metrics) const ENDPOINT: usize = 6;
    pub(in crate::metrics) const TIER: usize = 7;
    pub(in crate::metrics) const CLIENT_REQUESTS: usize = 8;
    pub(in crate::metrics) const CLIENT_FAILURES: usize = 9;
    pub(in crate::metrics) const CLIENT_TOKENS: usize = 10;
    pub(in crate::metrics) const QUALITY: usize = 11;
    pub(in crate::metrics) const ACCOUNT_DURATION: usize = 12;
    pub(in crate::metrics) const LAST_REQUEST: usize = 13;
    pub(in crate::metrics) const RECORDS: usize = 14;
    pub(in crate::metrics) const BYTES: usize = 15;
    pub(in crate::metrics) const DUPLICATES: usize = 16;
    pub(in crate::metrics) const PREWARM: usize = 17;
    pub(in crate::metrics) const REJECTS: usize = 18;
    pub(in crate::metrics) const CONTROL: usize = 19;
    pub(in crate::metrics) const LAG: usize = 20;
    pub(in crate::metrics) const LAST_EVENT: usize = 21;
    pub(in crate::metrics) const LIST_VALUE: usize = 22;
    pub(in crate::metrics) const COST: usize = 23;
    pub(in crate::metrics) const LIST_VALUE_BY_KIND: usize = 24;
    pub(in crate::metrics) const CLIENT_LIST_VALUE: usize = 25;
    pub(in crate::metrics) const CLIENT_COST: usize = 26;
    pub(in crate::metrics) const UNPRICED_REQUESTS: usize = 27;
    pub(in crate::metrics) const UNPRICED_TOKENS: usize = 28;
    pub(in crate::metrics) const REFERENCE_VALUE: usize = 29;
    pub(in crate::metrics) const COMBO_REQUESTS: usize = 30;
    pub(in crate::metrics) const COMBO_TOKENS: usize = 31;
    pub(in crate::metrics) const COMBO_LIST_VALUE: usize = 32;
}

const fn born(
    id: u16,
    family: &'static Family,
    key: &'static [LabelKind],
    cells: Cells,
) -> Restored {
    Restored {
        id,
        family,
        key,
        cells,
        zero_first: true,
    }
}

/// Known from the start, so its zero has been seen by the time that anything happens.
const fn constant(id: u16, family: &'static Family, cells: Cells) -> Restored {
    Restored {
        id,
        family,
        key: &[],
        cells,
        zero_first: false,
    }
}

const fn histogram(family: &'static Family) -> Cells {
    match family.kind {
        Kind::Histogram(buckets) => Cells::Buckets(buckets),
        Kind::Counter | Kind::Gauge | Kind::Summary => Cells::One,
    }
}

fn kinds() -> Vec<&'static str> {
    TokenKind::ALL.map(TokenKind::as_str).to_vec()
}

/// The kinds that have a price, in the order of [`TokenKind::ALL`].
pub(super) fn priced_kinds() -> Vec<&'static str> {
    let priced = |kind: &TokenKind| *kind != TokenKind::Unclassified;
    TokenKind::ALL
        .into_iter()
        .filter(priced)
        .map(TokenKind::as_str)
        .collect()
}

fn qualities() -> Vec<&'static str> {
    TokenQuality::ALL.map(TokenQuality::as_str).to_vec()
}

fn reject_reasons() -> Vec<&'static str> {
    RejectReason::ALL.map(RejectReason::as_str).to_vec()
}

fn messages() -> Vec<&'static str> {
    Control::ALL.map(Control::as_str).to_vec()
}

/// In the order of [`at`].
#[rustfmt::skip]
pub(super) static RESTORED: &[Restored] = &[
    born(1, &traffic::REQUESTS, &[Provider, Model, Account], Cells::One),
    born(2, &traffic::REQUEST_FAILURES, &[Provider, Model, Account, Code, Reason], Cells::One),
    born(3, &traffic::TOKENS, &[Provider, Model, Account], Cells::Kinds(kinds)),
    born(4, &traffic::REQUEST_DURATION, &[Provider, Model], histogram(&traffic::REQUEST_DURATION)),
    born(5, &traffic::TIME_TO_FIRST_TOKEN, &[Provider, Model], histogram(&traffic::TIME_TO_FIRST_TOKEN)),
    born(6, &traffic::TIME_PER_OUTPUT_TOKEN, &[Provider, Model], histogram(&traffic::TIME_PER_OUTPUT_TOKEN)),
    born(7, &traffic::REQUESTS_BY_ENDPOINT, &[Provider, Endpoint, Executor], Cells::One),
    born(8, &traffic::REQUESTS_BY_TIER, &[Provider, Tier, Effort], Cells::One),
    born(9, &traffic::CLIENT_REQUESTS, &[Client, Model], Cells::One),
    born(10, &traffic::CLIENT_FAILURES, &[Client, Model, Reason], Cells::One),
    born(11, &traffic::CLIENT_TOKENS, &[Client, Model], Cells::Kinds(kinds)),
    born(12, &traffic::TOKEN_QUALITY, &[Provider], Cells::Kinds(qualities)),
    born(13, &traffic::ACCOUNT_DURATION, &[Provider, Account], Cells::Summary),
    Restored { zero_first: false, ..born(14, &traffic::ACCOUNT_LAST_REQUEST, &[Account], Cells::Time) },
    constant(15, &ingest::INGEST_RECORDS, Cells::One),
    constant(16, &ingest::INGEST_BYTES, Cells::One),
    constant(17, &ingest::INGEST_DUPLICATES, Cells::One),
    constant(18, &ingest::INGEST_PREWARM, Cells::One),
    constant(19, &ingest::INGEST_REJECTS, Cells::Kinds(reject_reasons)),
    constant(20, &ingest::INGEST_CONTROL, Cells::Kinds(messages)),
    constant(21, &ingest::INGEST_LAG, histogram(&ingest::INGEST_LAG)),
    constant(22, &ingest::INGEST_LAST_EVENT, Cells::Time),
    born(40, &money::LIST_VALUE, &[Provider, Model, Account], Cells::Usd),
    born(41, &money::COST, &[Provider, Model, Account], Cells::Usd),
    born(42, &money::LIST_VALUE_BY_KIND, &[Provider, Model], Cells::UsdKinds(priced_kinds)),
    born(43, &money::CLIENT_LIST_VALUE, &[Client, Model], Cells::Usd),
    born(44, &money::CLIENT_COST, &[Client, Model], Cells::Usd),
    born(45, &money::UNPRICED_REQUESTS, &[Provider, Model], Cells::One),
    born(46, &money::UNPRICED_TOKENS, &[Provider, Model], Cells::One),
    born(47, &money::REFERENCE_VALUE, &[Reference, Provider], Cells::Usd),
    born(48, &money::COMBO_REQUESTS, &[Combo, Model], Cells::One),
    born(49, &money::COMBO_TOKENS, &[Combo, Model], Cells::One),
    born(50, &money::COMBO_LIST_VALUE, &[Combo, Model], Cells::Usd),
];

/// The label values in the keys of stored totals, with repetitions.
pub(super) fn label_ids(rows: &[TotalRow]) -> impl Iterator<Item = (LabelKind, u32)> {
    rows.iter().flat_map(|row| {
        let def = RESTORED.iter().find(|def| def.id == row.family);
        let key = def.into_iter().flat_map(|def| def.key);
        key.copied().zip(row.key)
    })
}
