use super::{DimId, TokenKind};

/// Nano-dollars per dollar.
pub const NANOS_PER_USD: u64 = 1_000_000_000;

/// List price of a record's tokens in nano-dollars by kind, in the order of [`TokenKind::ALL`]. The
/// value of the record is their sum, so nothing is rounded twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Value {
    by_kind: [u64; TokenKind::ALL.len()],
}

impl Value {
    /// The caller keeps the sum within `i64`, the type of the database column.
    pub const fn new(by_kind: [u64; TokenKind::ALL.len()]) -> Self {
        Self { by_kind }
    }

    pub const fn by_kind(&self) -> [u64; TokenKind::ALL.len()] {
        self.by_kind
    }

    pub fn total(&self) -> u64 {
        self.by_kind.iter().sum()
    }
}

/// Difference that a reprice makes to the events behind a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    pub provider: DimId,
    pub model: DimId,
    pub account: DimId,
    /// Nano-dollars.
    pub value: i64,
    pub cost: i64,
}

/// Value and cost of a record, as stored and counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// `None`: the model has no price on that day, so the value is unknown.
    pub value: Option<Value>,
    /// Whether the account pays per use; otherwise a plan covers the record.
    pub per_use: bool,
    /// Number of the price version in the database.
    pub price_version: u32,
    /// Value of the same tokens at the configured reference prices.
    pub references: Vec<(DimId, u64)>,
}

impl Money {
    /// Billed amount of the record: 0 if a plan covers it.
    pub fn cost(&self) -> Option<u64> {
        let value = self.value?.total();
        Some(if self.per_use { value } else { 0 })
    }
}
