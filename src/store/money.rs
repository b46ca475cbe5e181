//! Price versions and the corrections of repricing.

use rusqlite::{TransactionBehavior, params};

use super::{Store, StoreError};
use crate::model::{Correction, DimId, UnixNanos};

impl Store {
    /// The number of a version of the price list; a new one is stored at once.
    pub fn price_version(
        &mut self,
        name: &str,
        source: &str,
        now: UnixNanos,
    ) -> Result<u32, StoreError> {
        let behavior = TransactionBehavior::Immediate;
        let tx = self.conn.transaction_with_behavior(behavior)?;
        tx.execute(
            "INSERT OR IGNORE INTO price_version (name, source, first_used) VALUES (?1, ?2, ?3)",
            params![name, source, now.get()],
        )?;
        let sql = "SELECT id FROM price_version WHERE name = ?1";
        let id = tx.query_row(sql, [name], |row| row.get(0))?;
        tx.commit()?;
        Ok(id)
    }

    /// Changes by repricing so far, by the labels of the counters.
    pub fn corrections(&self) -> Result<Vec<Correction>, StoreError> {
        let sql = "SELECT provider, model, account, value_nano, cost_nano FROM correction";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_and_then([], |row| {
            Ok(Correction {
                provider: DimId(row.get(0)?),
                model: DimId(row.get(1)?),
                account: DimId(row.get(2)?),
                value: row.get(3)?,
                cost: row.get(4)?,
            })
        })?;
        rows.collect()
    }
}
