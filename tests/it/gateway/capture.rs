//! Captured databases: rows of real gateways, with the totals of their upstream's ledger.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use super::server::Engine;

pub(super) struct Capture(Value);

/// Engines' names of the types of a column.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Int,
    Bool,
    Decimal,
    Text,
    Json,
    Time,
}

pub(super) const TABLES: [&str; 5] = ["logs", "channels", "tokens", "abilities", "options"];

impl Capture {
    pub(super) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/fixtures/gateway/{name}.json"));
        Self(serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    }

    pub(super) fn columns(&self, table: &str) -> Vec<&str> {
        let columns = self.0[table]["columns"].as_array().unwrap();
        columns.iter().map(|name| name.as_str().unwrap()).collect()
    }

    pub(super) fn rows(&self, table: &str) -> Vec<&Vec<Value>> {
        let rows = self.0[table]["rows"].as_array().unwrap();
        rows.iter().map(|row| row.as_array().unwrap()).collect()
    }

    /// The rows as objects.
    pub(super) fn objects(&self, table: &str) -> Vec<Value> {
        let columns = self.columns(table);
        let object = |row: &Vec<Value>| {
            let pairs = columns.iter().zip(row);
            pairs
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect()
        };
        self.rows(table).into_iter().map(object).collect()
    }

    pub(super) fn list(&self, name: &str) -> &Vec<Value> {
        self.0[name].as_array().unwrap()
    }

    /// The tables, empty.
    pub(super) fn schema(&self, engine: Engine) -> String {
        let table = |table: &&str| {
            let columns = self.columns(table);
            let declared = columns.iter().map(|name| {
                let kind = if *name == "id" {
                    match engine {
                        Engine::Postgres => "bigserial PRIMARY KEY",
                        Engine::Mariadb => "bigint AUTO_INCREMENT PRIMARY KEY",
                    }
                } else {
                    server_type(engine, kind(name))
                };
                format!("{} {kind}", quoted(engine, name))
            });
            let declared: Vec<String> = declared.collect();
            format!("CREATE TABLE {table} ({});\n", declared.join(", "))
        };
        TABLES.iter().map(table).collect()
    }

    /// Statements that make the tables and their rows.
    pub(super) fn sql(&self, engine: Engine) -> String {
        let mut sql = self.schema(engine);
        for table in TABLES {
            let columns = self.columns(table);
            let names: Vec<String> = columns.iter().map(|name| quoted(engine, name)).collect();
            for row in self.rows(table) {
                let values: Vec<String> = columns
                    .iter()
                    .zip(row)
                    .map(|(name, value)| literal(engine, name, value))
                    .collect();
                let (names, values) = (names.join(", "), values.join(", "));
                writeln!(sql, "INSERT INTO {table} ({names}) VALUES ({values});").unwrap();
            }
        }
        sql
    }

    /// The database as a file.
    pub(super) fn write_sqlite(&self, path: &Path) {
        let mut conn = Connection::open(path).unwrap();
        let transaction = conn.transaction().unwrap();
        for table in TABLES {
            let columns = self.columns(table);
            let declared: Vec<String> = columns
                .iter()
                .map(|name| {
                    let key = if *name == "id" { " PRIMARY KEY" } else { "" };
                    format!("`{name}` {}{key}", sqlite_type(kind(name)))
                })
                .collect();
            let sql = format!("CREATE TABLE {table} ({})", declared.join(", "));
            transaction.execute(&sql, []).unwrap();
            let places = vec!["?"; columns.len()].join(", ");
            let names: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
            let sql = format!(
                "INSERT INTO {table} ({}) VALUES ({places})",
                names.join(", ")
            );
            for row in self.rows(table) {
                let values = columns
                    .iter()
                    .zip(row)
                    .map(|(name, value)| sqlite(name, value));
                transaction
                    .execute(&sql, rusqlite::params_from_iter(values))
                    .unwrap();
            }
        }
        transaction.commit().unwrap();
    }
}

pub(super) fn kind(column: &str) -> Kind {
    match column {
        "is_stream" | "unlimited_quota" | "enabled" | "system_prompt_reset" => Kind::Bool,
        "balance" => Kind::Decimal,
        "channel_info" => Kind::Json,
        "deleted_at" => Kind::Time,
        "content"
        | "username"
        | "token_name"
        | "model_name"
        | "channel_name"
        | "group"
        | "ip"
        | "request_id"
        | "upstream_request_id"
        | "other"
        | "name"
        | "models"
        | "tag"
        | "other_info"
        | "model"
        | "key"
        | "value" => Kind::Text,
        _ => Kind::Int,
    }
}

fn quoted(engine: Engine, name: &str) -> String {
    match engine {
        Engine::Postgres => format!("\"{name}\""),
        Engine::Mariadb => format!("`{name}`"),
    }
}

/// As the gateways' own migration declares them.
const fn server_type(engine: Engine, kind: Kind) -> &'static str {
    match (engine, kind) {
        (_, Kind::Int) => "bigint",
        (Engine::Postgres, Kind::Bool) => "boolean",
        (Engine::Mariadb, Kind::Bool) => "tinyint(1)",
        (Engine::Postgres, Kind::Decimal) => "numeric",
        (Engine::Mariadb, Kind::Decimal) => "double",
        (Engine::Postgres, Kind::Text) => "text",
        (Engine::Mariadb, Kind::Text) => "longtext",
        (_, Kind::Json) => "json",
        (Engine::Postgres, Kind::Time) => "timestamptz",
        (Engine::Mariadb, Kind::Time) => "datetime(3)",
    }
}

fn literal(engine: Engine, column: &str, value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Number(number) if matches!(kind(column), Kind::Bool) => {
            if number.as_i64() == Some(0) {
                "false"
            } else {
                "true"
            }
            .to_owned()
        }
        Value::Number(number) => number.to_string(),
        Value::String(text) if engine == Engine::Mariadb && matches!(kind(column), Kind::Time) => {
            format!("'{}'", text.get(..19).unwrap())
        }
        Value::String(text) => {
            let text = text.replace('\'', "''");
            let text = match engine {
                Engine::Postgres => text,
                Engine::Mariadb => text.replace('\\', "\\\\"),
            };
            format!("'{text}'")
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => unreachable!("{value}"),
    }
}

const fn sqlite_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "integer",
        Kind::Bool => "numeric",
        Kind::Decimal => "real",
        Kind::Text => "text",
        Kind::Json => "json",
        Kind::Time => "datetime",
    }
}

fn sqlite(column: &str, value: &Value) -> rusqlite::types::Value {
    use rusqlite::types::Value as Sql;
    match value {
        Value::Null => Sql::Null,
        // As the gateway's driver stores it.
        Value::String(text) if matches!(kind(column), Kind::Json) => {
            Sql::Blob(text.clone().into_bytes())
        }
        Value::String(text) => Sql::Text(text.clone()),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Sql::Real(number.as_f64().unwrap()), Sql::Integer),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => unreachable!("{value}"),
    }
}
