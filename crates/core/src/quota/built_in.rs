//! What the providers share.

use std::time::Duration;

use super::session::{BoxFuture, Session};
use super::{AccountRef, Failure, ParseError};
use crate::model::{AccountFacts, QuotaAnswer, Reading};

/// Whose token a provider is polled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// CPA holds the token and inserts it.
    Cpa,
    /// CPA does not support this provider; the token comes from a configured file.
    OwnToken,
    /// A plugin of CPA reads the quota, and CPA forwards it.
    Plugin,
}

/// A provider that needs no configuration.
pub(super) struct BuiltIn {
    pub(super) id: &'static str,
    /// Whether this provider can read the account's quota.
    pub(super) serves: fn(&AccountRef) -> bool,
    pub(super) auth: Auth,
    /// Minimum interval between polls of one account; more frequent ones do harm.
    pub(super) min_interval: Duration,
    pub(super) fetch: for<'a> fn(&'a mut Session<'_>) -> Fetch<'a>,
}

pub(super) type Fetch<'a> = BoxFuture<'a, Result<QuotaAnswer, Failure>>;

impl BuiltIn {
    /// The usual provider: CPA holds the token.
    pub(super) const fn new(
        id: &'static str,
        serves: fn(&AccountRef) -> bool,
        fetch: for<'a> fn(&'a mut Session<'_>) -> Fetch<'a>,
    ) -> Self {
        Self {
            id,
            serves,
            auth: Auth::Cpa,
            min_interval: Duration::from_mins(1),
            fetch,
        }
    }
}

/// A response with at least one known value.
pub(super) fn parsed(
    readings: Vec<Reading>,
    facts: AccountFacts,
) -> Result<QuotaAnswer, ParseError> {
    if readings.is_empty() && facts == AccountFacts::default() {
        return Err(ParseError::Shape);
    }
    Ok(QuotaAnswer { readings, facts })
}

/// Keeps one reading per limit: the one with the highest usage.
pub(super) fn fullest(rows: impl IntoIterator<Item = Reading>) -> Vec<Reading> {
    let mut kept: Vec<Reading> = Vec::new();
    for row in rows {
        match kept.iter_mut().find(|known| known.limit() == row.limit()) {
            Some(known) if known.used_ratio() >= row.used_ratio() => {}
            Some(known) => *known = row,
            None => kept.push(row),
        }
    }
    kept
}
