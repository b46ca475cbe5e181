//! What a plugin of CPA reads. The page is made by hand after CPA's sources; none was captured.

use super::support::{account, told};
use crate::quota::{Auth, Failure, ParseError, providers};

#[test]
fn a_plugins_page_is_read_for_accounts_that_nobody_else_knows() {
    let mut devin = account("devin");
    assert!(providers::find(&devin).is_none());
    devin.has_plugin = true;
    assert_eq!(providers::find(&devin).unwrap().auth(), Auth::Plugin);
    let page = r#"{"subscription":{"plan":"team","tierId":"t1"},"groups":[
        {"displayName":"Fast models","buckets":[
            {"window":"5h","remainingFraction":0.75,"resetTime":"2026-05-09T10:00:00Z"},
            {"window":"weekly","remainingFraction":0,"resetTime":"2026-05-12T10:00:00Z"}]},
        {"buckets":[{"window":"","remainingFraction":1}]}]}"#;
    let read = told(&devin, &[page]);
    assert_eq!(
        read.rows(),
        [
            "fast_models 5h 0.25 @1778320800",
            "fast_models weekly 1 @1778580000 exhausted",
            "main unknown 0",
        ]
    );
    assert_eq!(read.plan(), Some("team"));
    let nothing = told(&devin, &["{}"]).result;
    assert_eq!(nothing, Err(Failure::Parse(ParseError::Shape)));
}

#[test]
fn who_knows_a_provider_comes_before_its_plugin() {
    let mut codex = account("codex");
    codex.has_plugin = true;
    assert_eq!(providers::find(&codex).unwrap().id(), "codex");
}
