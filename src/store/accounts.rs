//! Accounts that CPA lists: named like those of records, and remembered.

use rusqlite::params;

use super::{Ingest, StoreError};
use crate::model::{AccountSeen, Dimension};

/// Nothing needs to know when an account was last listed to the minute.
const SEEN_GRAIN: i64 = 3_600_000_000_000;

impl Ingest<'_> {
    /// Gives the account a name if it has none, and notes that CPA lists it.
    pub fn account_seen(&mut self, seen: &AccountSeen) -> Result<(), StoreError> {
        let id = self
            .interner
            .intern(Dimension::Account, &seen.auth_index, &seen.provider);
        let sql = "INSERT INTO account VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (account) DO UPDATE SET provider = ?2, last_seen = max(last_seen, ?4)";
        let grain = seen.at.get() / SEEN_GRAIN * SEEN_GRAIN;
        self.conn.prepare_cached(sql)?.execute(params![
            id.0,
            seen.provider,
            seen.at.get(),
            grain
        ])?;
        Ok(())
    }
}
