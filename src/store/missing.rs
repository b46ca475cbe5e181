//! Models whose traffic has no price.

use super::StoreError;
use super::flags::sql::{GENERATES, SUCCEEDED};
use super::read::Reader;
use crate::model::UnixNanos;

/// Stored traffic of a model that had no price when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpricedModel {
    pub provider: String,
    pub model: String,
    pub requests: u64,
    pub tokens: u64,
    pub first: UnixNanos,
    pub last: UnixNanos,
}

impl Reader {
    /// Most tokens first. Failures without tokens are left out, as the counters leave them out.
    pub fn unpriced_models(&self) -> Result<Vec<UnpricedModel>, StoreError> {
        // Dimensions 0 and 2 are providers and models.
        let sql = format!("
            SELECT coalesce((SELECT value FROM dimension WHERE dimension = 0 AND id = provider), ''),
                   coalesce((SELECT value FROM dimension WHERE dimension = 2 AND id = model), ''),
                   requests, tokens, first, last
            FROM (
                SELECT provider, model, count(*) FILTER (WHERE {GENERATES}) AS requests,
                       sum(total) AS tokens, min(ts) AS first, max(ts) AS last
                FROM (
                    SELECT provider, model, flags, ts, input + cache_read + cache_write + output
                           + reasoning + unclassified AS total
                    FROM event WHERE value_nano IS NULL
                )
                WHERE total > 0 OR {SUCCEEDED}
                GROUP BY provider, model
            )
            ORDER BY tokens DESC, requests DESC, 1, 2");
        let mut statement = self.connection().prepare(&sql)?;
        let rows = statement.query_and_then([], |row| {
            Ok(UnpricedModel {
                provider: row.get(0)?,
                model: row.get(1)?,
                requests: row.get(2)?,
                tokens: row.get(3)?,
                first: UnixNanos::new(row.get(4)?),
                last: UnixNanos::new(row.get(5)?),
            })
        })?;
        rows.collect()
    }
}
