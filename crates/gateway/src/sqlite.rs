//! SQLite: one short statement on a connection of its own.
//!
//! The gateway uses a rollback journal, so that its writers wait for readers: measured, a reader
//! that holds a transaction for 8 s makes requests fail, while short statements do no harm. A new
//! connection for each statement also follows a file that was replaced.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::GatewayError;
use crate::table::{Kind, Row, Value};

/// How long a statement waits for the gateway's writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) async fn rows(
    path: PathBuf,
    sql: String,
    kinds: Vec<Kind>,
) -> Result<Vec<Row>, GatewayError> {
    let read = tokio::task::spawn_blocking(move || {
        let rows = read(&path, &sql, &kinds);
        rows.map_err(|source| GatewayError::Sqlite {
            path: path.display().to_string(),
            source,
        })
    });
    read.await.map_err(|_ended| GatewayError::Thread)?
}

fn read(path: &Path, sql: &str, kinds: &[Kind]) -> rusqlite::Result<Vec<Row>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let values = (0..kinds.len()).map(|at| Ok(value(row.get_ref(at)?)));
        Ok(Row::new(values.collect::<rusqlite::Result<_>>()?))
    })?;
    rows.collect()
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Value::Text(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}
