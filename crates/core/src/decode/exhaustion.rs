//! Parses refusals that state the reset time of a used-up plan.

use jiff::SignedDuration;
use serde_json::Value;

use crate::json::{Node, after};
use crate::model::{Exhaustion, UnixNanos};

/// Longer texts are error pages, not refusals.
const MAX_BODY: usize = 64 * 1024;

/// Parses what a refusal at the time `at` states about a used-up plan. `None` for a request rate
/// limit and for an unknown text.
pub fn exhaustion(status: u16, body: &str, at: UnixNanos) -> Option<Exhaustion> {
    if status != 429 || body.len() > MAX_BODY {
        return None;
    }
    let body: Value = serde_json::from_str(body).ok()?;
    let error = Node::of(&body, at).get("error");
    let resets_at = if error.get("type").text() == Some("usage_limit_reached") {
        error.end(&["resets_at"], &["resets_in_seconds"])
    } else {
        let is_quota = |detail: &Node<'_>| detail.get("reason").text() == Some("QUOTA_EXHAUSTED");
        let metadata = error.get("details").items().find(is_quota)?.get("metadata");
        let delay = || after(at, seconds_of(metadata.get("quotaResetDelay").text()?)?);
        metadata.get("quotaResetTimeStamp").time().or_else(delay)
    };
    Some(Exhaustion { resets_at })
}

/// A Go duration such as `2h30m5.5s`.
fn seconds_of(text: &str) -> Option<f64> {
    let duration: SignedDuration = text.parse().ok()?;
    Some(duration.as_secs_f64())
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
            assert_eq!(seconds_of(text), None, "{text}");
        }
    }
}
