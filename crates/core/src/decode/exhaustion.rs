//! Parses refusals that state the reset time of a used-up plan.

use std::time::Duration;

use serde::Deserialize;

use super::timestamp;
use crate::model::{Exhaustion, UnixNanos};

/// Longer texts are error pages, not refusals.
const MAX_BODY: usize = 64 * 1024;
/// Maximum plausible wait: a year.
const MAX_WAIT: f64 = 31_622_400.0;

#[derive(Deserialize)]
struct Body {
    error: Error,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    resets_at: Option<serde_json::Value>,
    #[serde(default)]
    resets_in_seconds: Option<serde_json::Value>,
    #[serde(default)]
    details: Vec<Detail>,
}

/// An entry of Google's `details`, of several kinds.
#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    quota_reset_time_stamp: Option<String>,
    #[serde(default)]
    quota_reset_delay: Option<String>,
}

/// Parses what a refusal at the time `at` states about a used-up plan. `None` for a request rate
/// limit and for an unknown text.
pub fn exhaustion(status: u16, body: &str, at: UnixNanos) -> Option<Exhaustion> {
    if status != 429 || body.len() > MAX_BODY {
        return None;
    }
    let Body { error } = serde_json::from_str(body).ok()?;
    if error.kind.as_deref() == Some("usage_limit_reached") {
        let number = |value: &Option<serde_json::Value>| value.as_ref()?.as_f64();
        let fixed =
            number(&error.resets_at).and_then(|seconds| after(UnixNanos::new(0), seconds, 9e9));
        let relative = || after(at, number(&error.resets_in_seconds)?, MAX_WAIT);
        return Some(Exhaustion {
            resets_at: fixed.or_else(relative),
        });
    }
    let is_quota = |detail: &Detail| detail.reason.as_deref() == Some("QUOTA_EXHAUSTED");
    let metadata = error
        .details
        .into_iter()
        .find(is_quota)?
        .metadata
        .unwrap_or_default();
    let fixed = timestamp::parse(metadata.quota_reset_time_stamp.as_deref());
    let relative = || {
        after(
            at,
            go_seconds(metadata.quota_reset_delay.as_deref()?)?,
            MAX_WAIT,
        )
    };
    Some(Exhaustion {
        resets_at: fixed.or_else(relative),
    })
}

fn after(at: UnixNanos, seconds: f64, most: f64) -> Option<UnixNanos> {
    let possible = (0.0..=most).contains(&seconds);
    possible.then(|| at.saturating_add(Duration::from_secs_f64(seconds)))
}

/// Parses a Go duration such as `2h30m5.5s`.
fn go_seconds(text: &str) -> Option<f64> {
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(end);
        let (factor, len) = if unit.starts_with("ms") {
            (0.001, 2)
        } else if unit.starts_with('h') {
            (3600.0, 1)
        } else if unit.starts_with('m') {
            (60.0, 1)
        } else if unit.starts_with('s') {
            (1.0, 1)
        } else {
            return None;
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = unit.get(len..)?;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixNanos = UnixNanos::from_millis(1_795_322_211_000);

    /// Reset time in seconds since 1970; `Err` if the text does not report a used-up plan.
    fn seconds(body: &str) -> Result<Option<i64>, ()> {
        let found = exhaustion(429, body, AT).ok_or(())?;
        Ok(found.resets_at.map(|at| at.as_millis() / 1000))
    }

    #[test]
    fn refusal_states_the_reset_time() {
        let table = [
            (
                r#"{"error":{"type":"usage_limit_reached","plan_type":"plus","resets_at":1795333887,"resets_in_seconds":11676}}"#,
                Ok(Some(1_795_333_887)),
            ),
            (
                r#"{"status":429,"error":{"type":"usage_limit_reached","resets_in_seconds":3600}}"#,
                Ok(Some(1_795_325_811)),
            ),
            (r#"{"error":{"type":"usage_limit_reached"}}"#, Ok(None)),
            (
                r#"{"error":{"type":"usage_limit_reached","resets_at":"soon","resets_in_seconds":-5}}"#,
                Ok(None),
            ),
            (
                r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"a","retryDelay":"17s"},{"reason":"QUOTA_EXHAUSTED","metadata":{"quotaResetTimeStamp":"2026-11-22T12:00:00Z"}}]}}"#,
                Ok(Some(1_795_348_800)),
            ),
            (
                r#"{"error":{"details":[{"reason":"QUOTA_EXHAUSTED","metadata":{"quotaResetDelay":"1h0m30.5s"}}]}}"#,
                Ok(Some(1_795_325_841)),
            ),
            (
                r#"{"error":{"details":[{"reason":"QUOTA_EXHAUSTED"}]}}"#,
                Ok(None),
            ),
        ];
        for (body, expected) in table {
            assert_eq!(seconds(body), expected, "{body}");
        }
    }

    #[test]
    fn rate_limit_is_not_exhaustion() {
        for body in [
            r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#,
            r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"t","retryDelay":"17s"}]}}"#,
            r#"{"error":{"details":[{"reason":"RATE_LIMIT_EXCEEDED"}]}}"#,
            r#"{"error":"usage_limit_reached"}"#,
            "<html>429</html>",
            r#"{"error":{"type":"usage_limit_reached""#,
            "",
        ] {
            assert_eq!(seconds(body), Err(()), "{body}");
        }
        let body = r#"{"error":{"type":"usage_limit_reached"}}"#;
        assert_eq!(exhaustion(500, body, AT), None);
        for text in ["", "5", "h", "5x", "1..2s", "é"] {
            assert_eq!(go_seconds(text), None, "{text}");
        }
    }
}
