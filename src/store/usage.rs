//! Sums of stored events, grouped by columns and by steps of time.

use std::fmt::Write as _;

use rusqlite::{Row, params};

use super::filter::{EventFilter, number};
use super::flags::sql::{FAILURE, GENERATES, TIMED};
use super::{Reader, StoreError};
use crate::model::{PastKey, UnixNanos};

/// Length of a time step in nanoseconds: 15 minutes. The offsets of all time zones are multiples of
/// it, so steps add up to local hours and days.
pub const USAGE_STEP: i64 = 15 * 60 * 1_000_000_000;

/// Condition of the requests that `cpa_unpriced_requests_total` counts. Events from before there were
/// prices have no price version.
const UNPRICED: &str = "flags & 2 = 0 AND price_version > 0 AND (unclassified > 0 OR \
    value_nano IS NULL AND (flags & 1 = 0 OR input + cache_read + cache_write + output + \
    reasoning > 0))";

/// Selects and groups events.
#[derive(Clone, Debug)]
pub struct UsageQuery {
    pub from: UnixNanos,
    /// Exclusive.
    pub to: UnixNanos,
    pub keys: Vec<PastKey>,
    /// Group by time steps of [`USAGE_STEP`], too.
    pub by_time: bool,
    pub filter: EventFilter,
}

/// The sums of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// In the order of [`UsageQuery::keys`]; 0 = absent. A reason is its code + 1.
    pub keys: Vec<u32>,
    /// Index of the step since the epoch; 0 when the query does not group by time.
    pub step: i64,
    pub sums: UsageSums,
}

/// Sums over events. The counters count the same events in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageSums {
    /// Attempts that asked a model for a response.
    pub requests: u64,
    pub failures: u64,
    /// Requests without a known price, or with tokens of unknown kind.
    pub unpriced_requests: u64,
    /// In the order of [`crate::model::TokenKind::ALL`].
    pub tokens: [u64; 6],
    /// Nano-dollars at list price.
    pub value: u64,
    /// Nano-dollars paid per use.
    pub cost: u64,
    /// Successful requests, whose latencies [`Self::latency_ms`] adds up.
    pub timed: u64,
    pub latency_ms: u64,
}

impl UsageSums {
    pub fn add(&mut self, other: &Self) {
        let parts = [
            (&mut self.requests, other.requests),
            (&mut self.failures, other.failures),
            (&mut self.unpriced_requests, other.unpriced_requests),
            (&mut self.value, other.value),
            (&mut self.cost, other.cost),
            (&mut self.timed, other.timed),
            (&mut self.latency_ms, other.latency_ms),
        ];
        let tokens = self.tokens.iter_mut().zip(other.tokens);
        for (sum, part) in parts.into_iter().chain(tokens) {
            *sum = sum.saturating_add(part);
        }
    }
}

impl Reader {
    /// Sums of the selected events, in no particular order.
    pub fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
        let sql = select(query);
        let mut statement = self.conn.prepare(&sql)?;
        let bounds = params![query.from.get(), query.to.get(), USAGE_STEP];
        let rows = statement.query_map(bounds, |row| read(row, query.keys.len()))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn read(row: &Row<'_>, keys: usize) -> rusqlite::Result<UsageRow> {
    let sum = |at: usize| row.get::<_, u64>(keys + 1 + at);
    Ok(UsageRow {
        keys: (0..keys).map(|at| row.get(at)).collect::<Result<_, _>>()?,
        step: row.get(keys)?,
        sums: UsageSums {
            requests: sum(0)?,
            failures: sum(1)?,
            unpriced_requests: sum(2)?,
            tokens: [sum(3)?, sum(4)?, sum(5)?, sum(6)?, sum(7)?, sum(8)?],
            value: sum(9)?,
            cost: sum(10)?,
            timed: sum(11)?,
            latency_ms: sum(12)?,
        },
    })
}

fn select(query: &UsageQuery) -> String {
    let mut sql = "SELECT ".to_owned();
    for key in &query.keys {
        // Writing to a `String` cannot fail.
        let _infallible = write!(sql, "{}, ", number(*key));
    }
    sql.push_str(if query.by_time { "ts / ?3" } else { "0 * ?3" });
    let _infallible = write!(
        sql,
        ", sum({GENERATES}), sum({FAILURE}), sum(coalesce({UNPRICED}, 0)), sum(input), sum(cache_read), \
         sum(cache_write), sum(output), sum(reasoning), sum(unclassified), \
         sum(coalesce(value_nano, 0)), sum(coalesce(cost_nano, 0)), sum({TIMED}), \
         sum(iif({TIMED}, latency_ms, 0)) FROM event WHERE ts >= ?1 AND ts < ?2"
    );
    sql.push_str(&query.filter.sql());
    let groups: Vec<String> = (1..=query.keys.len() + 1)
        .map(|at| at.to_string())
        .collect();
    let _infallible = write!(sql, " GROUP BY {}", groups.join(", "));
    sql
}
