//! The last contact with CPA and the last known loss, for the next run: rows of the table `cursor`.

use rusqlite::OptionalExtension as _;

use super::{Ingest, Reader, StoreError, cursors};
use crate::model::UnixNanos;

/// The row of the last contact with CPA: time.
const CONTACT: &str = "contact";
/// The row of CPA's request count at its last read, and of the records since.
const COUNTS: &str = "contact/counts";
/// The row of the last known loss: time.
const LOSS: &str = "loss";

/// What an earlier run knew of its contact with CPA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContactHistory {
    /// The last contact.
    pub contact: Option<UnixNanos>,
    /// CPA's request count at its last read, and the records that arrived after it.
    pub counts: Option<(u64, u64)>,
    /// The last known loss.
    pub loss: Option<UnixNanos>,
}

impl Reader {
    pub fn contact_history(&self) -> Result<ContactHistory, StoreError> {
        let row = |name: &str| -> Result<Option<(i64, u64)>, StoreError> {
            let sql = "SELECT major, minor FROM cursor WHERE name = ?1";
            let row = self
                .conn
                .query_row(sql, [name], |row| Ok((row.get(0)?, row.get(1)?)));
            Ok(row.optional()?)
        };
        let time = |row: Option<(i64, u64)>| row.map(|(at, _)| UnixNanos::new(at));
        Ok(ContactHistory {
            contact: time(row(CONTACT)?),
            counts: row(COUNTS)?.map(|(counted, arrived)| (counted.cast_unsigned(), arrived)),
            loss: time(row(LOSS)?),
        })
    }
}

impl Ingest<'_> {
    pub(super) fn contact(
        &mut self,
        at: UnixNanos,
        counts: Option<(u64, u64)>,
    ) -> Result<(), StoreError> {
        cursors::save(self.conn, CONTACT, at.get(), 0)?;
        match counts {
            Some((counted, arrived)) => {
                cursors::save(self.conn, COUNTS, counted.cast_signed(), arrived)
            }
            None => cursors::remove(self.conn, COUNTS),
        }
    }

    pub(super) fn loss(&mut self, at: UnixNanos) -> Result<(), StoreError> {
        cursors::save(self.conn, LOSS, at.get(), 0)
    }
}
