//! Statements over the columns that a table has.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::Engine;

/// A column as it is read. What a version of the gateway does not have reads as NULL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// Types are cast in the statement, so that all engines give the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    /// 0 or 1; a boolean in PostgreSQL.
    Bool,
    Real,
    Text,
}

pub(crate) const fn int(name: &'static str) -> Field {
    Field {
        name,
        kind: Kind::Int,
    }
}

pub(crate) const fn boolean(name: &'static str) -> Field {
    Field {
        name,
        kind: Kind::Bool,
    }
}

pub(crate) const fn real(name: &'static str) -> Field {
    Field {
        name,
        kind: Kind::Real,
    }
}

pub(crate) const fn text(name: &'static str) -> Field {
    Field {
        name,
        kind: Kind::Text,
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

impl Value {
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Null | Self::Real(_) | Self::Text(_) => None,
        }
    }

    pub(crate) fn real(&self) -> Option<f64> {
        match self {
            Self::Real(value) => Some(*value),
            #[expect(clippy::cast_precision_loss, reason = "a balance in dollars")]
            Self::Int(value) => Some(*value as f64),
            Self::Null | Self::Text(_) => None,
        }
    }

    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(value) => Some(value),
            Self::Null | Self::Int(_) | Self::Real(_) => None,
        }
    }
}

/// The values of a row, taken in the order of the fields.
#[derive(Debug)]
pub(crate) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    fn next(&mut self) -> Value {
        self.0.next().unwrap_or(Value::Null)
    }

    pub(crate) fn int(&mut self) -> Option<i64> {
        self.next().int()
    }

    pub(crate) fn real(&mut self) -> Option<f64> {
        self.next().real()
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        self.next().into_text()
    }
}

/// `SELECT` and the fields, those that do not exist as NULL, and `FROM`.
pub(crate) fn select(
    engine: Engine,
    table: &str,
    fields: &[Field],
    existing: &BTreeSet<String>,
) -> String {
    let mut sql = "SELECT ".to_owned();
    for (at, field) in fields.iter().enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        let value = if existing.contains(field.name) {
            cast(engine, field)
        } else {
            null(engine, field.kind).to_owned()
        };
        // A `String` takes everything.
        write!(sql, "{comma}{value}").ok();
    }
    write!(sql, " FROM {}", engine.quote(table)).ok();
    sql
}

fn cast(engine: Engine, field: &Field) -> String {
    let name = engine.quote(field.name);
    match (engine, field.kind) {
        (Engine::Postgres, Kind::Int) => format!("{name}::bigint"),
        (Engine::Postgres, Kind::Bool) => format!("{name}::int::bigint"),
        (Engine::Postgres, Kind::Real) => format!("{name}::float8"),
        (Engine::Postgres, Kind::Text) => format!("{name}::text"),
        (Engine::Mysql, Kind::Int | Kind::Bool) => format!("CAST({name} AS SIGNED)"),
        (Engine::Mysql, Kind::Real) => format!("{name} + 0e0"),
        (Engine::Mysql, Kind::Text) => format!("CAST({name} AS CHAR)"),
        (Engine::Sqlite, Kind::Int | Kind::Bool) => format!("CAST({name} AS INTEGER)"),
        (Engine::Sqlite, Kind::Real) => format!("CAST({name} AS REAL)"),
        // Also of a BLOB, as `channels.channel_info` is.
        (Engine::Sqlite, Kind::Text) => format!("CAST({name} AS TEXT)"),
    }
}

fn null(engine: Engine, kind: Kind) -> &'static str {
    match (engine, kind) {
        (Engine::Postgres, Kind::Int | Kind::Bool) => "NULL::bigint",
        (Engine::Postgres, Kind::Real) => "NULL::float8",
        (Engine::Postgres, Kind::Text) => "NULL::text",
        (Engine::Mysql, Kind::Int | Kind::Bool) => "CAST(NULL AS SIGNED)",
        (Engine::Mysql, Kind::Real) => "NULL + 0e0",
        (Engine::Mysql, Kind::Text) => "CAST(NULL AS CHAR)",
        (Engine::Sqlite, _) => "NULL",
    }
}
