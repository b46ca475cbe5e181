//! The gateway's log of requests, read by its primary key.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::table::{Field, Row, boolean, int, select, text};
use crate::{Database, GatewayError};

/// In the order in which [`LogRow::read`] takes them.
const FIELDS: &[Field] = &[
    int("id"),
    int("created_at"),
    int("type"),
    int("channel_id"),
    text("model_name"),
    int("quota"),
    int("prompt_tokens"),
    int("completion_tokens"),
    int("use_time"),
    int("elapsed_time"),
    boolean("is_stream"),
    int("token_id"),
    text("token_name"),
    int("user_id"),
    text("username"),
    text("group"),
    text("request_id"),
    text("other"),
];
const IDS: &[Field] = &[int("id")];
const REQUIRED: [&str; 3] = ["id", "created_at", "type"];
/// The rows among which the first one of a time is looked for: rows of one second are not in the
/// order of their ids.
const START_ROWS: usize = 1000;

/// A row of the log. What is NULL, or what this version of the gateway does not store, is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRow {
    pub id: i64,
    /// Unix seconds, by the gateway's clock when it wrote the row.
    pub created_at: i64,
    pub kind: i64,
    pub channel_id: i64,
    pub model_name: String,
    pub quota: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    /// Whole seconds (New API).
    pub use_time: Option<i64>,
    /// Milliseconds (One API).
    pub elapsed_time: Option<i64>,
    pub is_stream: Option<bool>,
    pub token_id: i64,
    pub token_name: String,
    pub user_id: i64,
    pub username: String,
    pub group: String,
    pub request_id: String,
    /// JSON.
    pub other: String,
}

impl LogRow {
    fn read(mut row: Row) -> Self {
        let mut number = || row.int().unwrap_or_default();
        let (id, created_at, kind, channel_id) = (number(), number(), number(), number());
        Self {
            id,
            created_at,
            kind,
            channel_id,
            model_name: row.text().unwrap_or_default(),
            quota: row.int().unwrap_or_default(),
            prompt_tokens: row.int().unwrap_or_default(),
            completion_tokens: row.int().unwrap_or_default(),
            use_time: row.int(),
            elapsed_time: row.int(),
            is_stream: row.int().map(|value| value != 0),
            token_id: row.int().unwrap_or_default(),
            token_name: row.text().unwrap_or_default(),
            user_id: row.int().unwrap_or_default(),
            username: row.text().unwrap_or_default(),
            group: row.text().unwrap_or_default(),
            request_id: row.text().unwrap_or_default(),
            other: row.text().unwrap_or_default(),
        }
    }
}

/// The log, with the columns that exist.
#[derive(Debug)]
pub struct LogTable {
    database: Database,
    name: String,
    columns: BTreeSet<String>,
}

impl LogTable {
    /// Looks which columns the table `name` has.
    pub async fn open(database: Database, name: &str) -> Result<Self, GatewayError> {
        let columns = database.columns(name).await?;
        if columns.is_empty() {
            return Err(GatewayError::Table(name.to_owned()));
        }
        if let Some(column) = REQUIRED.into_iter().find(|one| !columns.contains(*one)) {
            let table = name.to_owned();
            return Err(GatewayError::Column { table, column });
        }
        let name = name.to_owned();
        Ok(Self {
            database,
            name,
            columns,
        })
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// One API stores milliseconds, no errors, and channel tests as type 5.
    pub fn is_one_api(&self) -> bool {
        !self.columns.contains("use_time") && !self.columns.contains("other")
    }

    pub async fn max_id(&self) -> Result<Option<i64>, GatewayError> {
        let table = self.table();
        self.number(format!("SELECT max(id) AS id FROM {table}"))
            .await
    }

    /// The row with the lowest id.
    pub async fn first(&self) -> Result<Option<LogRow>, GatewayError> {
        Ok(self.read("ORDER BY id LIMIT 1").await?.pop())
    }

    /// The lowest id among the first rows that were written at `time` or later, by the index on the
    /// time.
    pub async fn first_since(&self, time: i64) -> Result<Option<i64>, GatewayError> {
        let table = self.table();
        self.number(format!(
            "SELECT min(id) AS id FROM (SELECT id FROM {table} WHERE created_at >= {time} \
             ORDER BY created_at, id LIMIT {START_ROWS}) AS earliest"
        ))
        .await
    }

    /// The first rows from `id` on, in the order of their ids.
    pub async fn from(&self, id: i64, limit: usize) -> Result<Vec<LogRow>, GatewayError> {
        self.read(&format!("WHERE id >= {id} ORDER BY id LIMIT {limit}"))
            .await
    }

    /// The rows in some ranges of ids, both ends included.
    pub async fn within(&self, ranges: &[(i64, i64)]) -> Result<Vec<LogRow>, GatewayError> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let mut rest = String::from("WHERE ");
        for (at, (first, last)) in ranges.iter().enumerate() {
            let or = if at > 0 { " OR " } else { "" };
            // A `String` takes everything.
            if first == last {
                write!(rest, "{or}id = {first}").ok();
            } else {
                write!(rest, "{or}id BETWEEN {first} AND {last}").ok();
            }
        }
        rest.push_str(" ORDER BY id");
        self.read(&rest).await
    }

    async fn number(&self, sql: String) -> Result<Option<i64>, GatewayError> {
        let rows = self.database.rows(sql, IDS).await?;
        Ok(rows.into_iter().next().and_then(|mut row| row.int()))
    }

    async fn read(&self, rest: &str) -> Result<Vec<LogRow>, GatewayError> {
        let engine = self.database.engine();
        let sql = select(engine, &self.name, FIELDS, &self.columns);
        let rows = self.database.rows(format!("{sql} {rest}"), FIELDS).await?;
        Ok(rows.into_iter().map(LogRow::read).collect())
    }

    fn table(&self) -> String {
        self.database.engine().quote(&self.name)
    }
}
