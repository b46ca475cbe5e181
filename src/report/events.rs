//! Single requests: a table, JSON lines, or CSV.

use jiff::tz::TimeZone;

use super::Style;
use super::csv::{formula_free, row};
use super::grid::{Align, Cell, Layout, Paint, Step};
use super::text::{line, moment, number};
use crate::api::Event;

const MISSING: &str = "-";

const HEADS: [(&str, Align); 11] = [
    ("TIME", Align::Left),
    ("ACCOUNT", Align::Left),
    ("MODEL", Align::Left),
    ("CLIENT", Align::Left),
    ("RESULT", Align::Left),
    ("INPUT", Align::Right),
    ("CACHED", Align::Right),
    ("OUTPUT", Align::Right),
    ("LATENCY", Align::Right),
    ("VALUE", Align::Right),
    ("ERROR", Align::Left),
];
/// How the table gets narrower: the error text first, then what is least often asked for.
const STEPS: [Step; 8] = [
    Step::Shrink(10, 40),
    Step::Shrink(3, 16),
    Step::Drop(6),
    Step::Shrink(10, 20),
    Step::Drop(3),
    Step::Drop(10),
    Step::Shrink(2, 16),
    Step::Shrink(1, 14),
];

const CSV_HEAD: [&str; 25] = [
    "id",
    "time",
    "provider",
    "model",
    "alias",
    "endpoint",
    "account",
    "client",
    "service_tier",
    "reasoning_effort",
    "failed",
    "code",
    "reason",
    "latency_seconds",
    "time_to_first_token_seconds",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "unclassified_tokens",
    "cost_usd",
    "value_usd",
    "request_id",
    "error",
];

/// A JSON object with its line end.
pub fn json_line(event: &Event) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string(event)? + "\n")
}

pub fn csv_head() -> String {
    row(&CSV_HEAD.map(str::to_owned))
}

/// As in [`csv_head`].
pub fn csv_row(event: &Event, zone: &TimeZone) -> String {
    let optional = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let text = |text: &Option<String>| text.as_deref().map_or_else(String::new, formula_free);
    let tokens = &event.tokens;
    row(&[
        event.id.clone(),
        time(event, zone, "%Y-%m-%dT%H:%M:%S%.3f%:z"),
        formula_free(&event.provider),
        formula_free(&event.model),
        formula_free(&event.alias),
        formula_free(&event.endpoint),
        formula_free(&event.account),
        formula_free(&event.client),
        formula_free(&event.service_tier),
        formula_free(&event.reasoning_effort),
        event.failed.to_string(),
        event.code.map_or_else(String::new, |code| code.to_string()),
        text(&event.reason),
        event.latency.to_string(),
        optional(event.time_to_first_token),
        tokens.input.to_string(),
        tokens.cache_read.to_string(),
        tokens.cache_write.to_string(),
        tokens.output.to_string(),
        tokens.reasoning.to_string(),
        tokens.unclassified.to_string(),
        optional(event.cost_usd),
        optional(event.value_usd),
        text(&event.request_id),
        text(&event.error),
    ])
}

/// A line for each request, in the order given.
pub fn table(events: &[Event], zone: &TimeZone, style: &Style) -> String {
    let rows: Vec<Vec<Cell>> = events.iter().map(|event| cells(event, zone)).collect();
    let layout = Layout::fit(&HEADS, &rows, &STEPS, style);
    let head: Vec<Cell> = HEADS.iter().map(|(head, _)| Cell::plain(*head)).collect();
    let lines = std::iter::once(&head).chain(&rows);
    lines.map(|row| layout.line(row, style) + "\n").collect()
}

fn cells(event: &Event, zone: &TimeZone) -> Vec<Cell> {
    let tokens = &event.tokens;
    let value = event
        .value_usd
        .map_or_else(|| MISSING.to_owned(), |usd| format!("${usd:.4}"));
    vec![
        Cell::plain(time(event, zone, "%m-%d %H:%M:%S")),
        Cell::plain(line(&event.account)),
        Cell::plain(line(&event.model)),
        Cell::plain(line(&event.client)),
        result(event),
        Cell::plain(count(tokens.input)),
        Cell::plain(count(tokens.cache_read + tokens.cache_write)),
        Cell::plain(count(tokens.output + tokens.reasoning)),
        Cell::plain(format!("{:.1}s", event.latency)),
        Cell::plain(value),
        Cell::plain(event.error.as_deref().map(line).unwrap_or_default()),
    ]
}

/// `ok`, `prewarm`, or status and reason of the failure.
fn result(event: &Event) -> Cell {
    if !event.failed {
        return Cell::plain(if event.generate { "ok" } else { "prewarm" });
    }
    let code = event.code.map(|code| code.to_string());
    let parts = [code, event.reason.clone()];
    Cell {
        text: parts.into_iter().flatten().collect::<Vec<_>>().join(" "),
        paint: Paint::Gone,
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn count(tokens: u64) -> String {
    number(tokens as f64)
}

fn time(event: &Event, zone: &TimeZone, format: &str) -> String {
    let at = moment(event.time).map(|at| at.to_zoned(zone.clone()));
    at.map_or_else(|| MISSING.to_owned(), |at| at.strftime(format).to_string())
}
