//! One database of a gateway, whatever its engine.

use std::collections::BTreeSet;
use std::path::Path;

#[cfg(feature = "sql")]
use crate::server::Server;
use crate::table::{Field, Kind, Row, int, text};
use crate::{Dsn, GatewayError, sqlite};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    Mysql,
}

impl Engine {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// An identifier, quoted. `group` and `key` are reserved words.
    pub(crate) fn quote(self, name: &str) -> String {
        match self {
            Self::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Sqlite | Self::Mysql => format!("`{}`", name.replace('`', "``")),
        }
    }
}

/// Transactions of PostgreSQL at one moment: all before `xmin` have ended, all from `xmax` on have
/// not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub xmin: i64,
    pub xmax: i64,
}

const NAME: &[Field] = &[text("name")];
const SNAPSHOT: &[Field] = &[int("xmin"), int("xmax")];

/// A database that is only read.
#[derive(Debug)]
pub struct Database {
    dsn: Dsn,
    #[cfg(feature = "sql")]
    server: Option<Server>,
}

impl Database {
    /// Connects nothing yet.
    #[cfg(feature = "sql")]
    pub fn new(dsn: Dsn) -> Result<Self, GatewayError> {
        let server = dsn.url().map(|url| Server::new(dsn.engine(), url));
        let server = server.transpose()?;
        Ok(Self { dsn, server })
    }

    #[cfg(not(feature = "sql"))]
    pub fn new(dsn: Dsn) -> Result<Self, GatewayError> {
        match dsn.engine() {
            Engine::Sqlite => Ok(Self { dsn }),
            engine @ (Engine::Postgres | Engine::Mysql) => {
                let text = format!(
                    "this build cannot read {}: build it with the feature gateway-sql",
                    engine.name()
                );
                Err(GatewayError::Unsupported(text))
            }
        }
    }

    pub fn engine(&self) -> Engine {
        self.dsn.engine()
    }

    /// Names the database without user and password.
    pub fn location(&self) -> String {
        self.dsn.location()
    }

    /// The columns of a table that may be read; empty if there is no such table.
    pub(crate) async fn columns(&self, table: &str) -> Result<BTreeSet<String>, GatewayError> {
        let sql = match self.engine() {
            Engine::Sqlite => format!("SELECT name FROM pragma_table_info({})", literal(table)),
            Engine::Postgres => format!(
                "SELECT column_name::text FROM information_schema.columns \
                 WHERE table_schema = ANY (current_schemas(false)) AND table_name = {}",
                literal(table)
            ),
            Engine::Mysql => format!(
                "SELECT CAST(column_name AS CHAR) FROM information_schema.columns \
                 WHERE table_schema = DATABASE() AND table_name = {}",
                literal(table)
            ),
        };
        let rows = self.rows(sql, NAME).await?;
        Ok(rows.into_iter().filter_map(|mut row| row.text()).collect())
    }

    /// The rows of a statement whose columns have the kinds of `fields`.
    pub(crate) async fn rows(
        &self,
        sql: String,
        fields: &'static [Field],
    ) -> Result<Vec<Row>, GatewayError> {
        let kinds: Vec<Kind> = fields.iter().map(|field| field.kind).collect();
        #[cfg(feature = "sql")]
        if let Some(server) = &self.server {
            return server.rows(sql, &kinds).await;
        }
        let path = self.dsn.file().map(Path::to_owned).unwrap_or_default();
        sqlite::rows(path, sql, kinds).await
    }

    /// The running transactions; `None` where the engine does not show them.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        if self.engine() != Engine::Postgres {
            return None;
        }
        // Since PostgreSQL 13.
        let sql = "SELECT pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint \
                   FROM pg_current_snapshot() AS now";
        let rows = self.rows(sql.to_owned(), SNAPSHOT).await.ok()?;
        let mut row = rows.into_iter().next()?;
        let (xmin, xmax) = (row.int()?, row.int()?);
        Some(Snapshot { xmin, xmax })
    }
}

/// A text in SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
