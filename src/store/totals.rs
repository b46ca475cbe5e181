//! The running totals: loaded whole at start, written as absolute values.

use rusqlite::{Connection, params};

use super::{Reader, Store, StoreError};
use crate::model::TotalRow;

impl Store {
    /// All totals of the current epoch.
    pub fn load_totals(&self) -> Result<Vec<TotalRow>, StoreError> {
        load(&self.conn, self.state.epoch)
    }

    /// Begins a new epoch when this database is older than `commits` says it should be.
    ///
    /// Somebody laid back an older copy: its totals are lower than what Prometheus has seen.
    /// Going on from them would look like a reset to a high value and count almost the whole
    /// total a second time; zero is the reset that Prometheus understands. The old epoch's rows
    /// stay. Returns whether an epoch was begun.
    pub fn begin_epoch_if_older_than(&mut self, commits: u64) -> Result<bool, StoreError> {
        if self.state.commits >= commits {
            return Ok(false);
        }
        let mut next = self.state;
        next.epoch += 1;
        next.commits = commits;
        let tx = self.conn.transaction()?;
        tx.execute(
            "INSERT INTO total SELECT ?1, family, k1, k2, k3, k4, k5, 1, zeroblob(length(cells)) \
             FROM total WHERE epoch = ?2",
            params![next.epoch, self.state.epoch],
        )?;
        next.save(&tx)?;
        tx.commit()?;
        self.state = next;
        Ok(true)
    }
}

impl Reader {
    /// All totals of the current epoch.
    pub fn totals(&self) -> Result<Vec<TotalRow>, StoreError> {
        let epoch = self
            .conn
            .query_row("SELECT epoch FROM state", [], |row| row.get(0))?;
        load(&self.conn, epoch)
    }
}

fn load(conn: &Connection, epoch: i64) -> Result<Vec<TotalRow>, StoreError> {
    let sql = "SELECT family, k1, k2, k3, k4, k5, shown, cells FROM total WHERE epoch = ?1";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_and_then([epoch], |row| {
        let cells: Vec<u8> = row.get(7)?;
        let (words, rest) = cells.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(StoreError::Content("cells of a total"));
        }
        Ok(TotalRow {
            family: row.get(0)?,
            key: [
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
            ],
            shown: row.get(6)?,
            cells: words.iter().map(|w| u64::from_le_bytes(*w)).collect(),
        })
    })?;
    rows.collect()
}

pub(super) fn save(
    conn: &Connection,
    epoch: i64,
    rows: impl Iterator<Item = TotalRow>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO total VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
               ON CONFLICT DO UPDATE SET shown = excluded.shown, cells = excluded.cells";
    let mut statement = conn.prepare_cached(sql)?;
    let mut blob = Vec::new();
    for row in rows {
        blob.clear();
        for cell in &row.cells {
            blob.extend_from_slice(&cell.to_le_bytes());
        }
        let [k1, k2, k3, k4, k5] = row.key;
        statement.execute(params![
            epoch, row.family, k1, k2, k3, k4, k5, row.shown, &blob
        ])?;
    }
    Ok(())
}
