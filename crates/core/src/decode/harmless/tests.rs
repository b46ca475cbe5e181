//! Forms in which secrets occur in error texts, and what must stay readable.

use serde_json::Value;

use super::super::failure_reason;
use super::keep_harmless;

fn kept(text: &str) -> String {
    keep_harmless(text, &[], ["", ""])
}

/// The forms in which excerpts leaked.
#[test]
fn secrets_are_masked_in_every_form() {
    let secret = "Zq7-plain.Zq7";
    for form in [
        "projects/{}/locations/us",
        "x-api-key: {}",
        "X-Api-Key:{}",
        r#"{"api_key":"{}"}"#,
        r#"{"api_key" "{}"}"#,
        r#"{\"apiKey\":\"{}\"}"#,
        "password={}",
        "password = {}",
        "Cookie: session={}; path=/",
        "Token {}",
        "Authorization: Basic {}",
        "https://h/cb#access_token={}&state=1",
        "https://user:{}@api.openai.com/v1?key={}",
        "{}%40example.com was not found",
        "\u{201c}{}@example.com\u{201d} was not found",
        "\u{ab}{}\u{bb}",
        r"the key \u0041{} is invalid",
        r"the key\n{} is invalid",
        "api_key={}&limit=10",
        "user {} in organization org-{}",
    ] {
        let out = kept(&form.replace("{}", secret));
        assert!(
            !out.contains("Zq7") && !out.contains("plain"),
            "{form}: {out}"
        );
    }
}

#[test]
fn ids_and_keys_without_a_name_are_masked() {
    for secret in [
        "0123456789abcdef",
        "73785c5800f78b2cf8715d2876cd3afc",
        "019a0b1c-2d3e-7f5a-8bcd-0123456789ab",
        "11111111-2222-4333-8444-555555555550",
        "4111111111111111",
        "4111-1111-1111-1111",
        "192.168.0.17",
        "someone@example.com",
        "sk-ant-0123",
        "k2-x9-m4-q7",
        "a-b-c-d-1",
        "alice",
        "ключ",
        "秘密",
    ] {
        assert_eq!(
            kept(&format!("the key {secret} is invalid")),
            "the key ... is invalid"
        );
    }
}

/// A secret that consists of known words is masked by its name.
#[test]
fn values_of_secret_names_are_masked_whatever_they_are() {
    for (text, expected) in [
        (
            r#"{"api_key":"open stream 42","code":400}"#,
            r#"{"api_key":"...","code":400}"#,
        ),
        (
            r#"{"api_key":"","code":"invalid_api_key"}"#,
            r#"{"api_key":"","code":"invalid_api_key"}"#,
        ),
        ("password=secret&limit=100", "password=...&limit=100"),
        ("password: secret, try again", "password: ..., try again"),
        ("Authorization: Bearer open", "Authorization: Bearer ..."),
        ("Token 123456 is expired", "Token ... is expired"),
        ("Token is expired", "Token is expired"),
        (
            "projects/open/locations/global",
            "projects/.../locations/global",
        ),
        ("x-api-key: \"open stream\"", "x-api-key: \"...\""),
    ] {
        assert_eq!(kept(text), expected);
    }
}

#[test]
fn messages_numbers_times_and_models_are_kept() {
    for text in [
        "Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-11-23 10:00:00",
        "You've hit your limit \u{b7} resets 3pm (UTC)",
        "model: claude-opus-4-6 is not supported; use gpt-5.3-codex, gemini-2.5-pro or kimi-k2.5",
        "claude-sonnet-4-5-20250929",
        "prompt is too long: 212000 tokens > 200000 maximum, 12.5%",
        "IP banned due to too many failed attempts. Try again in 29m58s",
        r#"{"resets_at":1795322231,"resets_in_seconds":3600,"retryDelay":"17s"}"#,
        "type.googleapis.com/google.rpc.RetryInfo",
        "dial tcp: lookup api.openai.com: no such host",
        "http2: client connection force closed via ClientConn.Close",
        "账户余额不足",
    ] {
        assert_eq!(kept(text), text);
    }
}

/// The stored text of a failure still says what failed.
#[test]
fn the_reason_of_a_failure_survives() {
    let lines = include_str!("../../../../../tests/fixtures/cases/failures.jsonl");
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| case[key].as_str().unwrap();
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let masked = kept(text("text"));
        let reason = failure_reason(text("provider"), status, &masked);
        assert_eq!(reason.as_str(), text("reason"), "{masked}");
    }
}
