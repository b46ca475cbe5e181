//! Antigravity and Gemini CLI.

use super::support::{account, answer, captured, drive, poll, provider_of, with_project};
use crate::model::Unit;
use crate::quota::Failure;

#[test]
fn captured_summary_is_parsed() {
    let polled = poll(
        &with_project("antigravity"),
        &[&captured("antigravity_summary")],
    );
    assert_eq!(
        polled.rows(),
        [
            "gemini_models 5h 0.6 @1795331226",
            "gemini_models weekly 0.1 @1795722226",
            "claude_and_gpt_models weekly 0 @1795722226",
        ]
    );
    let request = &polled.requests[0];
    assert_eq!(
        request.url,
        "https://daily-cloudcode-pa.googleapis.com/v1internal:retrieveUserQuotaSummary"
    );
    assert_eq!(request.body.as_deref(), Some(r#"{"project":"proj-fix-1"}"#));
    assert!(!format!("{request:?}").contains("proj-fix"));
}

#[test]
fn unrequested_balances_are_kept() {
    let page = captured("antigravity_summary");
    let without = poll(&with_project("antigravity"), &[&page]).result.unwrap();
    assert!(without.facts.is_partial);
    let assist = r#"{"paidTier":{"id":"g1-pro-tier"}}"#;
    let with = poll(&with_project("antigravity"), &[&page, assist]).result;
    assert!(!with.unwrap().facts.is_partial);
}

fn antigravity(bucket: &str) -> Vec<String> {
    let page = format!(r#"{{"groups":[{{"buckets":[{bucket}]}}]}}"#);
    poll(&with_project("antigravity"), &[page.as_str(); 4]).rows()
}

#[test]
fn remaining_fraction_has_many_forms() {
    let table = [
        (
            r#"{"bucketId":"gemini-5h","window":"five_hour","remainingFraction":0.4}"#,
            "gemini 5h 0.6",
        ),
        (
            r#"{"bucketId":"3p-weekly","window":"week","remainingFraction":"72%"}"#,
            "3p weekly 0.28",
        ),
        (
            r#"{"bucketId":"a","window":"fortnight","remaining":{"remainingFraction":0}}"#,
            "a unknown 1 exhausted",
        ),
        (
            r#"{"bucketId":"a","window":"weekly","remaining":{"case":"remainingFraction","value":0.5}}"#,
            "a weekly 0.5",
        ),
    ];
    for (bucket, row) in table {
        assert_eq!(antigravity(bucket), [row], "{bucket}");
    }
    // Without a fraction, the remaining amount is unknown, not 0.
    assert!(antigravity(r#"{"bucketId":"gemini-5h","window":"5h","disabled":true}"#).is_empty());
}

#[test]
fn hosts_are_tried_in_turn() {
    let body = captured("antigravity_summary");
    let wrapped = format!(r#"{{"summary":{body}}}"#);
    let account = with_project("antigravity");
    let provider = provider_of(&account).unwrap();
    let mut bodies = [
        (503, "<html>"),
        (200, r#"{"groups":[]}"#),
        (200, wrapped.as_str()),
    ]
    .into_iter();
    let polled = drive(&provider, &account, false, |_| {
        let (status, body) = bodies.next().unwrap();
        answer(status, body)
    });
    assert_eq!(polled.rows().len(), 3);
    assert_eq!(polled.requests.len(), 3);

    let all = |statuses: [u16; 3]| {
        let mut statuses = statuses.into_iter();
        drive(&provider, &account, false, |_| {
            answer(statuses.next().unwrap(), "{}")
        })
    };
    assert_eq!(all([403, 500, 500]).result, Err(Failure::Forbidden));
    let refused = all([401, 200, 200]);
    assert_eq!(
        (refused.result, refused.requests.len()),
        (Err(Failure::Unauthorized), 1)
    );
    let empty = drive(&provider, &account, false, |_| {
        answer(200, r#"{"groups":[]}"#)
    });
    assert!(empty.rows().is_empty());
}

const ASSIST: &str = r#"{"currentTier":{"id":"free-tier","name":"Free"},"cloudaicompanionProject":"found-project",
    "paidTier":{"id":"g1-ultra-tier","availableCredits":[{"creditType":"GOOGLE_ONE_AI","creditAmount":"123","minimumCreditAmountForUsage":"50"}]}}"#;

#[test]
fn missing_project_is_requested() {
    let account = account("antigravity");
    let body = captured("antigravity_summary");
    let polled = poll(&account, &[ASSIST, &body]);
    assert!(polled.urls()[0].ends_with(":loadCodeAssist"));
    let request = polled.requests[1].body.as_deref();
    assert_eq!(request, Some(r#"{"project":"found-project"}"#));
    // The current tier, which all accounts have, is not the plan.
    assert_eq!(polled.plan(), Some("ultra"));
    assert_eq!(
        polled.result.unwrap().facts.credits,
        [(Unit::Credits, 123.0)]
    );

    let provider = provider_of(&account).unwrap();
    let nowhere = drive(&provider, &account, false, |_| {
        answer(200, r#"{"currentTier":{}}"#)
    });
    assert_eq!(nowhere.result, Err(Failure::Incomplete("project")));
}

#[test]
fn plan_is_requested_after_the_quota() {
    let body = captured("antigravity_summary");
    let polled = poll(&with_project("antigravity"), &[&body, ASSIST]);
    assert_eq!((polled.rows().len(), polled.plan()), (3, Some("ultra")));
}

#[test]
fn gemini_uses_the_tightest_bucket_of_each_model() {
    let page = r#"{"buckets":[
        {"modelId":"gemini-2.5-pro","tokenType":"REQUESTS","remainingAmount":"42","remainingFraction":0.7,"resetTime":"2026-05-10T00:00:00Z"},
        {"modelId":"gemini-2.5-pro","tokenType":"REQUESTS","remainingFraction":0.9},
        {"model_id":"gemini-2.5-flash","token_type":"REQUESTS","remaining_fraction":0.25,"reset_time":"2026-05-10T00:00:00Z"},
        {"modelId":"gemini-x","tokenType":"REQUESTS","resetTime":"2026-05-10T00:00:00Z"},
        {"tokenType":"REQUESTS","remainingFraction":0.5}]}"#;
    let polled = poll(&with_project("gemini-cli"), &[page]);
    assert_eq!(
        polled.rows(),
        [
            "gemini-2.5-pro daily 0.3 18/60/42 requests @1778371200",
            "gemini-2.5-flash daily 0.75 @1778371200",
            // A missing fraction does not mean that nothing remains.
            "gemini-x daily @1778371200",
        ]
    );
}

#[test]
fn gemini_works_without_a_project() {
    let page = r#"{"buckets":[{"modelId":"m","remainingFraction":1}]}"#;
    let polled = poll(
        &account("gemini-cli"),
        &[r#"{"currentTier":{"id":"standard-tier"}}"#, page],
    );
    assert_eq!(polled.requests[1].body.as_deref(), Some("{}"));
    assert_eq!(
        (polled.rows(), polled.plan()),
        (vec!["m daily 0".to_owned()], Some("standard"))
    );
}
