//! What all boards share in looks: thresholds, colours by name (they follow the theme), mappings.

use serde_json::{Value, json};

use crate::text::Texts;

/// For the least important: `text` is black in the light theme and would weigh most.
pub(crate) const GREY: &str = "#8e8e8e";

/// Colour from a value on.
pub(crate) type Step = (&'static str, Option<f64>);

/// The same everywhere, and the same as in the alert rules.
pub(crate) const QUOTA: &[Step] = &[("green", None), ("orange", Some(0.8)), ("red", Some(0.9))];
/// As a line over time: used up is worse than nearly used up.
pub(crate) const QUOTA_OR_GONE: &[Step] = &[
    ("green", None),
    ("orange", Some(0.8)),
    ("red", Some(0.9)),
    ("dark-red", Some(1.0)),
];
/// Dashed lines in a graph, nothing below them.
pub(crate) const QUOTA_LINES: &[Step] = &[
    ("transparent", None),
    ("orange", Some(0.8)),
    ("red", Some(0.9)),
];
/// Of a budget: at 1 it is spent.
pub(crate) const BUDGET: &[Step] = &[("green", None), ("orange", Some(0.8)), ("red", Some(1.0))];
pub(crate) const FAILED: &[Step] = &[("green", None), ("orange", Some(0.02)), ("red", Some(0.05))];
pub(crate) const NEUTRAL: &[Step] = &[("text", None)];

pub(crate) fn steps(steps: &[Step]) -> Value {
    let all: Vec<Value> = steps
        .iter()
        .map(|(color, value)| json!({"color": color, "value": value}))
        .collect();
    json!({"mode": "absolute", "steps": all})
}

pub(crate) fn fixed(color: &str) -> Value {
    json!({"mode": "fixed", "fixedColor": color})
}

pub(crate) fn by_steps() -> Value {
    json!({"mode": "thresholds"})
}

/// Exact values to words.
pub(crate) fn values(words: &[(&str, &str, &str)]) -> Value {
    let mut options = serde_json::Map::new();
    for (index, (value, text, color)) in words.iter().enumerate() {
        let mut shown = json!({"text": text, "index": index});
        if !color.is_empty() {
            shown["color"] = json!(color);
        }
        options.insert((*value).to_owned(), shown);
    }
    json!({"type": "value", "options": options})
}

pub(crate) fn range(from: f64, to: f64, text: &str, color: &str) -> Value {
    let result = json!({"text": text, "color": color, "index": 50});
    json!({"type": "range", "options": {"from": from, "to": to, "result": result}})
}

/// Ratios of nothing are NaN, and a mapping beats `noValue`.
pub(crate) fn nothing(text: &str, color: &str) -> Value {
    let result = json!({"text": text, "color": color, "index": 90});
    json!({"type": "special", "options": {"match": "null+nan", "result": result}})
}

/// A ratio of nothing.
pub(crate) fn not_a_number(text: &str) -> Value {
    let result = json!({"text": text, "color": "text", "index": 91});
    json!({"type": "special", "options": {"match": "nan", "result": result}})
}

/// The numbers of `cpa_account_state`. Cooling heals by itself (blue), an error needs somebody;
/// CPA has no state for most API keys (grey; -1 and -2 sort them below the rest).
pub(crate) fn states(t: &Texts) -> Vec<Value> {
    let words = values(&[
        ("0", t.word("active"), "green"),
        ("-2", t.word("no_state"), GREY),
        ("-1", t.word("in_use"), GREY),
        ("1", t.word("no_state"), GREY),
        ("2", t.word("pending"), "yellow"),
        ("3", t.word("disabled"), "purple"),
        ("4", t.word("cooling"), "blue"),
        ("5", t.word("error"), "red"),
    ]);
    vec![words, nothing(t.word("no_data"), "transparent")]
}

/// Closed sets keep their colours on every board.
pub(crate) const STATUS_COLORS: &[(&str, &str)] = &[
    ("active", "green"),
    ("cooling", "blue"),
    ("error", "red"),
    ("disabled", "purple"),
    ("pending", "yellow"),
    ("unknown", GREY),
];
pub(crate) const KIND_COLORS: &[(&str, &str)] = &[
    ("cache_read", "blue"),
    ("cache_write", "yellow"),
    ("input", "orange"),
    ("output", "green"),
    ("reasoning", "purple"),
    ("unclassified", GREY),
];
pub(crate) const REASON_COLORS: &[(&str, &str)] = &[
    ("rate_limit", "orange"),
    ("quota", "dark-red"),
    ("auth", "purple"),
    ("billing", "dark-purple"),
    ("invalid", "blue"),
    ("client", GREY),
    ("timeout", "light-orange"),
    ("overloaded", "yellow"),
    ("upstream", "red"),
    ("network", "light-blue"),
    ("interrupted", "light-purple"),
    ("other", "light-green"),
];
