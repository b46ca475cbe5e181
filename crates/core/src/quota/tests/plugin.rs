//! Quotas from a plugin of CPA. The response is hand-made from CPA's source; none was captured.

use super::support::{account, poll, provider_of};
use crate::quota::{Auth, Failure, ParseError};

#[test]
fn plugin_is_polled_for_accounts_without_a_provider() {
    let mut devin = account("devin");
    assert!(provider_of(&devin).is_none());
    devin.has_plugin = true;
    assert_eq!(provider_of(&devin).unwrap().auth(), Auth::Plugin);
    let page = r#"{"subscription":{"plan":"team","tierId":"t1"},"groups":[
        {"displayName":"Fast models","buckets":[
            {"window":"5h","remainingFraction":0.75,"resetTime":"2026-05-09T10:00:00Z"},
            {"window":"weekly","remainingFraction":0,"resetTime":"2026-05-12T10:00:00Z"}]},
        {"buckets":[{"window":"","remainingFraction":1}]}]}"#;
    let read = poll(&devin, &[page]);
    assert_eq!(
        read.rows(),
        [
            "fast_models 5h 0.25 @1778320800",
            "fast_models weekly 1 @1778580000 exhausted",
            "main unknown 0",
        ]
    );
    assert_eq!(read.plan(), Some("team"));
    let nothing = poll(&devin, &["{}"]).result;
    assert_eq!(nothing, Err(Failure::Parse(ParseError::Shape)));
}

#[test]
fn provider_precedes_the_plugin() {
    let mut codex = account("codex");
    codex.has_plugin = true;
    assert_eq!(provider_of(&codex).unwrap().id(), "codex");
}
