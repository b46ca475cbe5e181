//! Conditions on stored events.

use std::fmt::Write as _;

use super::columns::{RequestId, request_id};
use super::past::column;
use crate::model::PastKey;

/// SQL of the error text. Texts that repeat are stored once.
pub(super) const ERROR_TEXT: &str = "iif(typeof(excerpt) = 'integer', (SELECT value FROM dimension \
    WHERE dimension = 10 AND id = excerpt), excerpt)";

/// Selects events, in addition to a range of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Each column must have one of its values; 0 = absent. A reason is its code + 1.
    pub columns: Vec<(PastKey, Vec<u32>)>,
    /// Only failures, or only successes.
    pub failed: Option<bool>,
    pub min_latency_ms: u64,
    pub request_id: Option<String>,
    /// Part of the error text; the case of ASCII letters does not matter.
    pub error: Option<String>,
}

impl EventFilter {
    /// SQL that follows another condition. Texts are in hex, so they cannot become SQL.
    pub(super) fn sql(&self) -> String {
        let mut sql = String::new();
        for (key, values) in &self.columns {
            let values: Vec<String> = values.iter().map(u32::to_string).collect();
            // Writing to a `String` cannot fail.
            let _infallible = write!(sql, " AND {} IN ({})", number(*key), values.join(", "));
        }
        if let Some(failed) = self.failed {
            let _infallible = write!(sql, " AND flags & 1 = {}", u8::from(failed));
        }
        if self.min_latency_ms > 0 {
            let _infallible = write!(sql, " AND latency_ms >= {}", self.min_latency_ms);
        }
        if let Some(id) = &self.request_id {
            let id = match request_id(id) {
                RequestId::None => "NULL".to_owned(),
                RequestId::Short(bytes) => blob(&bytes),
                RequestId::Uuid(bytes) => blob(&bytes),
                RequestId::Text(text) => self::text(text),
            };
            let _infallible = write!(sql, " AND request_id IS {id}");
        }
        if let Some(part) = &self.error {
            let part = text(&part.to_ascii_lowercase());
            let _infallible = write!(sql, " AND instr(lower({ERROR_TEXT}), {part}) > 0");
        }
        sql
    }
}

fn blob(bytes: &[u8]) -> String {
    let mut sql = "x'".to_owned();
    for byte in bytes {
        let _infallible = write!(sql, "{byte:02x}");
    }
    sql + "'"
}

fn text(text: &str) -> String {
    format!("CAST({} AS TEXT)", blob(text.as_bytes()))
}

/// The column's number, 0 where it is absent.
pub(super) fn number(key: PastKey) -> String {
    match key {
        PastKey::Interned(_) => column(key).to_owned(),
        PastKey::Status => "coalesce(status, 0)".to_owned(),
        // The first reason has code 0.
        PastKey::Reason => "coalesce(reason + 1, 0)".to_owned(),
    }
}
