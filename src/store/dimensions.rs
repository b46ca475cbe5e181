//! Interning: text that repeats becomes a small number.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a wrong id would count under another name; a restart replays the spool"
)]

use foldhash::{HashMap, HashSet};
use rusqlite::Connection;

use super::{Reader, StoreError, names};
use crate::model::{DimId, Dimension};

/// Most values of one dimension. What comes later shares [`OVERFLOW`]: whoever sends endless
/// made-up model names shall fill neither memory nor disk.
const MAX_VALUES: usize = 100_000;
pub(super) const OVERFLOW: &str = "(other)";
/// Most error texts that are interned. Those that name a request differ from all others.
const MAX_FAILURE_TEXTS: usize = 2000;

/// The text that a label shows for an interned value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewName {
    pub dimension: Dimension,
    pub id: DimId,
    /// As stored.
    pub value: Box<str>,
    pub label: String,
}

/// All interned values, in memory; the table is their copy on disk.
///
/// Ids handed out in a transaction that fails stay valid: their rows are written by the next
/// one that commits.
#[derive(Debug, Default)]
pub(super) struct Interner {
    by_value: [HashMap<Box<str>, DimId>; Dimension::ALL.len()],
    labels: [HashSet<Box<str>>; Dimension::ALL.len()],
    unsaved: Vec<Row>,
    new_names: Vec<NewName>,
}

#[derive(Debug)]
struct Row {
    dimension: Dimension,
    id: DimId,
    value: Box<str>,
    label: Option<String>,
}

impl Interner {
    pub(super) fn load(conn: &Connection) -> Result<Self, StoreError> {
        let mut this = Self::default();
        let mut statement = conn
            .prepare("SELECT dimension, id, value, label FROM dimension ORDER BY dimension, id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let dimension = Dimension::from_code(row.get(0)?)
                .ok_or(StoreError::Content("unknown dimension"))?;
            this.remember(&Row {
                dimension,
                id: DimId(row.get(1)?),
                value: row.get(2)?,
                label: row.get(3)?,
            });
        }
        Ok(this)
    }

    /// The id of `value`, a new one if it was never seen. `provider` helps to name accounts.
    pub(super) fn intern(&mut self, dimension: Dimension, value: &str, provider: &str) -> DimId {
        if value.is_empty() {
            return DimId::NONE;
        }
        let known = self.map(dimension);
        if let Some(id) = known.get(value) {
            return *id;
        }
        if known.len() >= MAX_VALUES && value != OVERFLOW {
            return self.intern(dimension, OVERFLOW, provider);
        }
        let id = next_id(known.len());
        let labels = &self.labels[slot(dimension)];
        let taken = |name: &str| labels.contains(name);
        let row = Row {
            dimension,
            id,
            value: value.into(),
            label: names::choose(dimension, value, provider, id, taken),
        };
        self.remember(&row);
        self.unsaved.push(row);
        id
    }

    /// The id of an error text, as long as there are few.
    pub(super) fn intern_failure_text(&mut self, text: &str) -> Option<DimId> {
        let dimension = Dimension::FailureText;
        let known = self.map(dimension);
        let has_place = known.len() < MAX_FAILURE_TEXTS || known.contains_key(text);
        has_place.then(|| self.intern(dimension, text, ""))
    }

    /// Names given out since the last call, those of loaded values included.
    pub(super) fn take_new_names(&mut self) -> Vec<NewName> {
        std::mem::take(&mut self.new_names)
    }

    pub(super) fn has_new_names(&self) -> bool {
        !self.new_names.is_empty()
    }

    /// Writes the rows that no committed transaction has written yet.
    pub(super) fn save(&self, conn: &Connection) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO dimension (dimension, id, value, label) VALUES (?1, ?2, ?3, ?4)";
        let mut statement = conn.prepare_cached(sql)?;
        for row in &self.unsaved {
            statement.execute((row.dimension.code(), row.id.0, &row.value, &row.label))?;
        }
        Ok(())
    }

    pub(super) fn saved(&mut self) {
        self.unsaved.clear();
    }

    fn remember(&mut self, row: &Row) {
        let at = slot(row.dimension);
        self.by_value[at].insert(row.value.clone(), row.id);
        if let Some(label) = &row.label {
            self.labels[at].insert(label.as_str().into());
        }
        if row.dimension == Dimension::FailureText {
            // Never a label.
            return;
        }
        self.new_names.push(NewName {
            dimension: row.dimension,
            id: row.id,
            value: row.value.clone(),
            label: row.label.clone().unwrap_or_else(|| row.value.to_string()),
        });
    }

    fn map(&self, dimension: Dimension) -> &HashMap<Box<str>, DimId> {
        &self.by_value[slot(dimension)]
    }
}

impl Reader {
    /// Names of all interned values, those seen first first.
    pub fn names(&self) -> Result<Vec<NewName>, StoreError> {
        Ok(Interner::load(&self.conn)?.take_new_names())
    }
}

/// Place of a dimension in the arrays of the [`Interner`], which have one for each code.
fn slot(dimension: Dimension) -> usize {
    usize::from(dimension.code())
}

/// Ids count from 1.
fn next_id(known: usize) -> DimId {
    let id = u32::try_from(known + 1).expect("a dimension holds at most MAX_VALUES + 1 values");
    DimId(id)
}
