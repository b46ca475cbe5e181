//! Providers must neither derive readings from errors nor loop.

use super::support::{account, answer, drive, key_at, provider_of, with_project};
use crate::model::AuthType;
use crate::quota::{AccountRef, Failure, ParseError, Provider};

/// One account per provider; the test below checks that none is missing.
pub(super) fn everyone() -> Vec<(Provider, AccountRef)> {
    let accounts = Provider::built_in().map(|provider| match provider.id() {
        "glm" => key_at("https://api.z.ai/v1"),
        "minimax" => key_at("https://api.minimax.io/v1"),
        "plugin" => AccountRef {
            has_plugin: true,
            ..account("devin")
        },
        id => with_project(id),
    });
    let pairs = accounts.filter_map(|account| Some((provider_of(&account)?, account)));
    pairs.collect()
}

#[test]
fn every_provider_has_a_test_account() {
    let everyone = everyone();
    let ids: Vec<&str> = everyone.iter().map(|(provider, _)| provider.id()).collect();
    let built_in: Vec<Provider> = Provider::built_in().collect();
    let built_in: Vec<&str> = built_in.iter().map(Provider::id).collect();
    let missing: Vec<&&str> = built_in.iter().filter(|id| !ids.contains(id)).collect();
    assert!(
        missing.is_empty(),
        "no account tests the providers {missing:?}: add one that they serve to `everyone` in \
         crates/core/src/quota/tests/failures.rs"
    );
    assert_eq!(
        ids, built_in,
        "an account in `everyone` is served by another provider"
    );
    assert!(
        everyone
            .iter()
            .all(|(_, account)| account.auth_type != AuthType::Unknown)
    );
}

#[test]
fn every_failure_is_returned() {
    for (provider, account) in everyone() {
        for (status, failure) in [
            (402, Failure::Payment),
            (403, Failure::Forbidden),
            (404, Failure::Unsupported),
            (429, Failure::Throttled { retry_after: None }),
            (500, Failure::Transient { retry_after: None }),
        ] {
            let polled = drive(&provider, &account, true, |_| {
                answer(status, "<html>no</html>")
            });
            assert_eq!(polled.result, Err(failure), "{} {status}", provider.id());
        }
    }
}

#[test]
fn unrelated_json_is_a_parse_error() {
    for (provider, account) in everyone() {
        for (body, error) in [
            ("<!doctype html><title>Sign in</title>", ParseError::Json),
            ("", ParseError::Json),
            (r#"{"five_hour":{"utilization":4"#, ParseError::Json),
            ("NaN", ParseError::Json),
            (r#"{"used_percent":1e400}"#, ParseError::Json),
            ("[1,2]", ParseError::Shape),
            ("null", ParseError::Shape),
            ("{}", ParseError::Shape),
        ] {
            let polled = drive(&provider, &account, true, |_| answer(200, body));
            assert_eq!(
                polled.result,
                Err(Failure::Parse(error)),
                "{} {body}",
                provider.id()
            );
        }
    }
}
