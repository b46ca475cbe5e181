use super::{DimId, TokenKind};

/// Nano-dollars in a dollar.
pub const NANOS_PER_USD: u64 = 1_000_000_000;

/// What a record's tokens are worth at list price, in nano-dollars by kind, in the order of
/// [`TokenKind::ALL`]. The value of the record is their sum: nothing is rounded twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Value {
    by_kind: [u64; TokenKind::ALL.len()],
}

impl Value {
    /// The caller keeps the sum within `i64`, which is how the database holds it.
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

/// What repricing has added to the events behind a counter, or taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    pub provider: DimId,
    pub model: DimId,
    pub account: DimId,
    /// Nano-dollars.
    pub value: i64,
    pub cost: i64,
}

/// The money side of a record, as it is stored and counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// `None`: the model has no price that day, so that nothing is known about its worth.
    pub value: Option<Value>,
    /// Whether the account pays for each use; otherwise a plan covers it.
    pub per_use: bool,
    /// Number of the price version in the database.
    pub price_version: u32,
    /// What the same tokens are worth at the configured reference prices.
    pub references: Vec<(DimId, u64)>,
}

impl Money {
    /// What is billed for the record: nothing when a plan covers it.
    pub fn cost(&self) -> Option<u64> {
        let value = self.value?.total();
        Some(if self.per_use { value } else { 0 })
    }
}
