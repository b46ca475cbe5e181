//! A gateway that writes its log, with a ledger of what it has committed.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

/// A SQLite database of a gateway.
pub(super) struct Writer {
    conn: Connection,
    path: PathBuf,
}

impl Writer {
    pub(super) fn create(directory: &Path) -> Self {
        let path = directory.join("one-api.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(
            "CREATE TABLE logs (id integer PRIMARY KEY, user_id integer, created_at integer, \
             type integer, content text, username text, token_name text, model_name text, \
             quota integer, prompt_tokens integer, completion_tokens integer, use_time integer, \
             is_stream numeric, channel_id integer, token_id integer, `group` text, other text)",
        )
        .unwrap();
        Self { conn, path }
    }

    pub(super) fn open(path: &Path) -> Self {
        let conn = Connection::open(path).unwrap();
        let path = path.to_owned();
        Self { conn, path }
    }

    pub(super) fn dsn(&self) -> String {
        format!("sqlite://{}", self.path.display())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Commits a request's row.
    pub(super) fn row(&self, id: i64, created_at: i64) {
        self.row_of(id, created_at, 2, 7);
    }

    pub(super) fn row_of(&self, id: i64, created_at: i64, kind: i64, quota: i64) {
        self.conn
            .execute(
                "INSERT INTO logs VALUES (?1, 1, ?2, ?3, NULL, 'u', 't', 'm', ?4, 10, 2, 1, 0, 3, 1, \
                 NULL, '{}')",
                params![id, created_at, kind, quota],
            )
            .unwrap();
    }

    pub(super) fn execute(&self, sql: &str) {
        self.conn.execute_batch(sql).unwrap();
    }
}
