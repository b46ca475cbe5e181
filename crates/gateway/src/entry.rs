//! The meaning of a row of the log.
//!
//! Types 2 (consume), 5 (error) and 6 (refund) are read. Forks give other numbers meanings of their
//! own, so everything else is foreign.

use serde_json::Value;

use crate::LogRow;

/// Name of the token of a channel test, and its text.
const TEST: &str = "模型测试";

/// A row of the log as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: i64,
    /// Unix seconds.
    pub at: i64,
    pub class: Class,
    pub channel_id: i64,
    pub model: String,
    /// In the gateway's units; never negative.
    pub quota: u64,
    pub tokens: TokenCounts,
    /// Milliseconds; of successful requests only.
    pub duration_ms: Option<u64>,
    /// Milliseconds from the start to the first response; of streams only.
    pub first_response_ms: Option<u64>,
    pub stream_end: Option<StreamEnd>,
    /// HTTP status of an error.
    pub status_code: Option<u16>,
    /// The gateway's class of an error; empty if unknown.
    pub error_type: String,
}

/// What a row tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An answered request, also if its stream broke off.
    Success,
    /// A failed attempt on a channel.
    Error,
    /// A channel test of the gateway.
    Test,
    /// An amount without a request of its own: a fee, or the settlement of a task.
    Charge,
    Refund,
    /// A type that is none of ours.
    Foreign(i64),
}

/// Tokens as the gateway stores them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// With `OpenAI`'s semantics it includes `cache_read`, with Claude's it excludes the cache.
    pub prompt: u64,
    pub completion: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    /// The part of the input that was neither read from the cache nor written to it.
    pub uncached: u64,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    Ok,
    ClientGone,
    Timeout,
    ScannerError,
    PingFail,
    Other,
}

impl Entry {
    pub fn read(row: &LogRow, one_api: bool) -> Self {
        // Broken JSON tells nothing; the columns still count.
        let other: Value = serde_json::from_str(&row.other).unwrap_or_default();
        let class = class(row, &other, one_api);
        let is_success = class == Class::Success;
        let is_error = class == Class::Error;
        Self {
            id: row.id,
            at: row.created_at,
            class,
            channel_id: row.channel_id,
            model: row.model_name.clone(),
            quota: natural(row.quota),
            tokens: tokens(row, &other),
            duration_ms: duration_ms(row).filter(|_| is_success),
            first_response_ms: first_response(row, &other).filter(|_| is_success),
            stream_end: stream_end(&other).filter(|_| is_success),
            status_code: number(&other, "status_code")
                .filter(|_| is_error)
                .and_then(|code| u16::try_from(code).ok()),
            error_type: if is_error {
                text(&other, "error_type")
            } else {
                ""
            }
            .to_owned(),
        }
    }
}

fn class(row: &LogRow, other: &Value, one_api: bool) -> Class {
    let is_test = row.token_id == 0 && row.token_name == TEST;
    let is_charge = ["violation_fee", "task_id", "is_task"]
        .iter()
        .any(|name| other.get(name).is_some_and(is_set));
    match row.kind {
        2 if is_test => Class::Test,
        2 if is_charge => Class::Charge,
        2 => Class::Success,
        5 if one_api => Class::Test,
        5 => Class::Error,
        6 => Class::Refund,
        kind => Class::Foreign(kind),
    }
}

/// Whether a flag or an id is there.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Bool(true) | Value::Array(_) | Value::Object(_) => true,
    }
}

fn tokens(row: &LogRow, other: &Value) -> TokenCounts {
    let count = |name| number(other, name).unwrap_or_default();
    let prompt = natural(row.prompt_tokens);
    let cache_read = count("cache_tokens");
    let by_lifetime = count("cache_creation_tokens_5m") + count("cache_creation_tokens_1h");
    let cache_write = [
        count("cache_write_tokens"),
        count("cache_creation_tokens"),
        by_lifetime,
    ]
    .into_iter()
    .find(|tokens| *tokens > 0)
    .unwrap_or_default();
    let is_claude =
        text(other, "usage_semantic") == "anthropic" || other.get("claude").is_some_and(is_set);
    let uncached = if is_claude {
        prompt
    } else {
        prompt.saturating_sub(cache_read)
    };
    TokenCounts {
        prompt,
        completion: natural(row.completion_tokens),
        cache_read,
        cache_write,
        uncached,
    }
}

fn duration_ms(row: &LogRow) -> Option<u64> {
    let seconds = row
        .use_time
        .map(|seconds| natural(seconds).saturating_mul(1000));
    // 0 in rows of before the column existed.
    let millis = row.elapsed_time.map(natural).filter(|millis| *millis > 0);
    seconds.or(millis)
}

/// -1000 in rows without a stream.
fn first_response(row: &LogRow, other: &Value) -> Option<u64> {
    let millis = number(other, "frt").filter(|millis| *millis > 0);
    millis.filter(|_| row.is_stream != Some(false))
}

/// The end by its status: `eof` is the normal end of some streams.
fn stream_end(other: &Value) -> Option<StreamEnd> {
    let end = other.get("stream_status")?;
    if text(end, "status") == "ok" {
        return Some(StreamEnd::Ok);
    }
    Some(match text(end, "end_reason") {
        "client_gone" => StreamEnd::ClientGone,
        "timeout" => StreamEnd::Timeout,
        "scanner_error" => StreamEnd::ScannerError,
        "ping_fail" => StreamEnd::PingFail,
        _ => StreamEnd::Other,
    })
}

/// A count, rounded down; nothing if it is negative or no number.
fn number(object: &Value, name: &str) -> Option<u64> {
    let value = object.get(name)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float becomes an integer by saturation"
    )]
    let rounded = || {
        value
            .as_f64()
            .filter(|value| *value >= 0.0)
            .map(|value| value as u64)
    };
    value.as_u64().or_else(rounded)
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: i64, other: &str) -> LogRow {
        LogRow {
            id: 7,
            created_at: 1_795_323_451,
            kind,
            channel_id: 3,
            model_name: "m".to_owned(),
            quota: 100,
            prompt_tokens: 10,
            completion_tokens: 2,
            use_time: Some(3),
            is_stream: Some(true),
            token_id: 1,
            token_name: "t".to_owned(),
            other: other.to_owned(),
            ..LogRow::default()
        }
    }

    fn class_of(row: &LogRow) -> Class {
        Entry::read(row, false).class
    }

    #[test]
    fn a_type_has_the_meaning_of_its_gateway() {
        for (kind, expected) in [
            (1, Class::Foreign(1)),
            (2, Class::Success),
            (5, Class::Error),
            (6, Class::Refund),
            (8, Class::Foreign(8)),
            (0, Class::Foreign(0)),
        ] {
            assert_eq!(class_of(&row(kind, "{}")), expected);
        }
        assert_eq!(Entry::read(&row(5, ""), true).class, Class::Test);
        let test = LogRow {
            token_id: 0,
            token_name: TEST.to_owned(),
            ..row(2, "{}")
        };
        assert_eq!(class_of(&test), Class::Test);
        // A user may give a token that name.
        let named = LogRow {
            token_id: 4,
            ..test
        };
        assert_eq!(class_of(&named), Class::Success);
        for other in [
            r#"{"violation_fee":0.5}"#,
            r#"{"is_task":true}"#,
            r#"{"task_id":"a"}"#,
        ] {
            assert_eq!(class_of(&row(2, other)), Class::Charge, "{other}");
        }
        for other in [
            r#"{"is_task":false,"task_id":"","violation_fee":0}"#,
            "no json",
            "[1]",
        ] {
            assert_eq!(class_of(&row(2, other)), Class::Success, "{other}");
        }
    }

    #[test]
    fn the_cache_is_part_of_the_prompt_with_openai_and_beside_it_with_claude() {
        let openai = Entry::read(&row(2, r#"{"cache_tokens":4}"#), false).tokens;
        let counts = (
            openai.prompt,
            openai.cache_read,
            openai.cache_write,
            openai.uncached,
        );
        assert_eq!(counts, (10, 4, 0, 6));
        for mark in [r#""claude":true"#, r#""usage_semantic":"anthropic""#] {
            let other = format!(
                r#"{{{mark},"cache_tokens":40,"cache_creation_tokens_5m":3,"cache_creation_tokens_1h":2}}"#
            );
            let claude = Entry::read(&row(2, &other), false).tokens;
            let counts = (
                claude.prompt,
                claude.cache_read,
                claude.cache_write,
                claude.uncached,
            );
            assert_eq!(counts, (10, 40, 5, 10));
        }
    }

    #[test]
    fn times_have_the_units_of_the_gateway() {
        let entry = Entry::read(&row(2, r#"{"frt":412.7}"#), false);
        assert_eq!(
            (entry.duration_ms, entry.first_response_ms),
            (Some(3000), Some(412))
        );
        let entry = Entry::read(&row(2, r#"{"frt":-1000}"#), false);
        assert_eq!(entry.first_response_ms, None);
        // Of a failed attempt it is the time since the request began.
        assert_eq!(
            Entry::read(&row(5, r#"{"frt":9}"#), false).duration_ms,
            None
        );
        let one_api = LogRow {
            use_time: None,
            elapsed_time: Some(1234),
            ..row(2, "")
        };
        assert_eq!(Entry::read(&one_api, true).duration_ms, Some(1234));
        let old = LogRow {
            elapsed_time: Some(0),
            ..one_api
        };
        assert_eq!(Entry::read(&old, true).duration_ms, None);
    }

    #[test]
    fn a_stream_is_judged_by_its_status() {
        for (status, reason, expected) in [
            ("ok", "eof", StreamEnd::Ok),
            ("ok", "done", StreamEnd::Ok),
            ("error", "client_gone", StreamEnd::ClientGone),
            ("error", "scanner_error", StreamEnd::ScannerError),
            ("error", "eof", StreamEnd::Other),
        ] {
            let other =
                format!(r#"{{"stream_status":{{"status":"{status}","end_reason":"{reason}"}}}}"#);
            assert_eq!(
                Entry::read(&row(2, &other), false).stream_end,
                Some(expected)
            );
        }
    }

    #[test]
    fn numbers_below_zero_and_of_a_wrong_type_count_nothing() {
        let broken = LogRow {
            quota: -5,
            prompt_tokens: -1,
            ..row(2, r#"{"cache_tokens":"4"}"#)
        };
        let entry = Entry::read(&broken, false);
        assert_eq!(
            (entry.quota, entry.tokens.prompt, entry.tokens.cache_read),
            (0, 0, 0)
        );
        let error = Entry::read(
            &row(5, r#"{"status_code":429,"error_type":"openai_error"}"#),
            false,
        );
        assert_eq!(
            (error.status_code, &*error.error_type),
            (Some(429), "openai_error")
        );
    }
}
