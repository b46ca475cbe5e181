use std::time::Duration;

use super::failures::everyone;
use super::support::{AT, account, answer, drive, poll, provider_of};
use crate::model::AuthType;
use crate::quota::{AccountRef, Failure, ParseError, Provider, Response};

fn failure_of(status: u16, headers: &[(&str, &str)]) -> Failure {
    let account = account("codex");
    let provider = provider_of(&account).unwrap();
    let headers: Vec<_> = headers
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let polled = drive(&provider, &account, false, |_| {
        Ok(Response {
            status,
            headers: headers.clone(),
            body: b"{}".to_vec(),
            at: AT,
        })
    });
    polled.result.unwrap_err()
}

#[test]
fn statuses_are_classified() {
    let table = [
        (401, Failure::Unauthorized, "unauthorized"),
        (402, Failure::Payment, "payment"),
        (403, Failure::Forbidden, "forbidden"),
        (404, Failure::Unsupported, "unsupported"),
        (405, Failure::Unsupported, "unsupported"),
        (429, Failure::Throttled { retry_after: None }, "throttled"),
        (408, Failure::Transient { retry_after: None }, "transient"),
        (502, Failure::Transient { retry_after: None }, "transient"),
        (302, Failure::Rejected(302), "rejected"),
        (400, Failure::Rejected(400), "rejected"),
        (0, Failure::Rejected(0), "rejected"),
        (200, Failure::Parse(ParseError::Shape), "parse"),
    ];
    for (status, failure, reason) in table {
        assert_eq!(failure_of(status, &[]), failure, "{status}");
        assert_eq!(failure.as_str(), reason);
        assert!(Failure::REASONS.contains(&reason));
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_and_bounded() {
    let wait = |value: &str| failure_of(429, &[("retry-After", value)]).retry_after();
    assert_eq!(wait("120"), Some(Duration::from_mins(2)));
    assert_eq!(
        wait("Sat, 09 May 2026 08:05:00 GMT"),
        Some(Duration::from_mins(5))
    );
    assert_eq!(wait("99999999999"), Some(Duration::from_hours(24)));
    // Claude sends 0 with a lasting refusal.
    for nothing in ["0", "", "soon", "-5", "Sat, 09 May 2020 08:05:00 GMT"] {
        assert_eq!(wait(nothing), None, "{nothing}");
    }
    let busy = failure_of(503, &[("Retry-After", "7")]);
    assert_eq!(busy.retry_after(), Some(Duration::from_secs(7)));
}

#[test]
fn failed_request_counts_as_an_attempt() {
    let account = account("codex");
    let provider = provider_of(&account).unwrap();
    let lost = Failure::Transient { retry_after: None };
    let polled = drive(&provider, &account, false, |_| Err(lost));
    assert_eq!(polled.result, Err(lost));
}

#[test]
fn plan_is_the_providers_statement_or_unknown() {
    let page =
        r#"{"rate_limit":{"primary_window":{"used_percent":5,"limit_window_seconds":18000}}}"#;
    assert_eq!(poll(&account("codex"), &[page]).plan(), None);
    let page = r#"{"plan_type":"plus"}"#;
    assert_eq!(poll(&account("codex"), &[page]).plan(), Some("plus"));
}

#[test]
fn every_provider_serves_only_its_own_accounts() {
    let oauth = [
        ("codex", "codex"),
        ("claude", "claude"),
        ("antigravity", "antigravity"),
        ("kimi", "kimi"),
        ("xai", "xai"),
        ("gemini-cli", "gemini-cli"),
        ("copilot", "copilot"),
        ("kiro", "kiro"),
    ];
    for (provider, id) in oauth {
        assert_eq!(provider_of(&account(provider)).unwrap().id(), id);
    }
    for provider in ["vertex", "qwen", "iflow", "", "openai-compatibility"] {
        assert!(provider_of(&account(provider)).is_none(), "{provider}");
    }
    // API keys have no windows of a subscription.
    for provider in ["codex", "claude", "xai", "gemini"] {
        let key = AccountRef::new(provider, AuthType::ApiKey, "231536fa11433566");
        assert!(provider_of(&key).is_none(), "{provider}");
    }
}

#[test]
fn requests_contain_only_the_token_placeholder() {
    let lost = Failure::Transient { retry_after: None };
    for (provider, account) in everyone() {
        let polled = drive(&provider, &account, true, |_| Err(lost));
        assert!(!polled.requests.is_empty(), "{provider:?}");
        for request in polled.requests {
            let authorization = request
                .headers
                .iter()
                .filter(|(name, _)| name == "Authorization");
            let values: Vec<&str> = authorization.map(|(_, value)| value.as_str()).collect();
            assert_eq!(values.len(), 1, "{provider:?}");
            assert!(values[0].ends_with("$TOKEN$"));
            assert!(request.url.starts_with("https://"));
            // Go's client decompresses only what it requested itself.
            assert!(
                !request
                    .headers
                    .iter()
                    .any(|(n, _)| n.eq_ignore_ascii_case("accept-encoding"))
            );
        }
    }
}

#[test]
fn lost_contact_with_cpa_ends_every_poll_at_once() {
    for (provider, account) in everyone() {
        for before in 0..3 {
            let mut left = before;
            let polled = drive(&provider, &account, true, |_| {
                if left == 0 {
                    return Err(Failure::NoContact);
                }
                left -= 1;
                answer(404, "")
            });
            if polled.requests.len() > before {
                assert_eq!(polled.requests.len(), before + 1, "{provider:?}");
                assert_eq!(polled.result, Err(Failure::NoContact), "{provider:?}");
            }
        }
    }
}

#[test]
fn debug_output_of_responses_omits_their_content() {
    let shown = format!("{:?}", answer(200, "alice@example.com"));
    assert_eq!(shown, "Ok(Response 200 (17 bytes))");
}

#[test]
fn every_provider_is_documented() {
    let docs = include_str!("../../../../../docs/providers.md");
    for provider in Provider::built_in() {
        let id = format!("(`{}`)", provider.id());
        let mut headings = docs.lines().filter(|line| line.starts_with("## "));
        assert!(
            headings.any(|line| line.ends_with(&id)),
            "docs/providers.md has no heading that ends with {id}: add a section on the provider"
        );
    }
}
