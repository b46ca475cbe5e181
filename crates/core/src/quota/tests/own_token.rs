//! Copilot and Kiro, which CPA does not support.

use super::support::{account, answer, drive, failed, header, poll, provider_of};
use crate::quota::{AccountRef, Auth, Failure, Hidden, Method, ParseError};

const PAID: &str = r#"{"login":"octo","copilot_plan":"individual","access_type_sku":"plus_monthly_subscriber","quota_reset_date":"2026-06-01","quota_reset_date_utc":"2026-06-01T00:00:00.000Z","token_based_billing":false,
 "quota_snapshots":{"chat":{"entitlement":0,"remaining":0,"percent_remaining":100.0,"unlimited":true,"quota_id":"chat"},
   "completions":{"entitlement":0,"remaining":0,"percent_remaining":100.0,"unlimited":true},
   "premium_interactions":{"entitlement":300,"remaining":120,"quota_remaining":120.5,"percent_remaining":40.1,"unlimited":false,"overage_count":0,"overage_permitted":false}}}"#;

#[test]
fn copilot_with_a_paid_plan() {
    let account = account("github-copilot");
    let polled = poll(&account, &[PAID]);
    assert_eq!(
        polled.rows(),
        [
            "chat monthly @1780272000 unlimited",
            "completions monthly @1780272000 unlimited",
            "premium_interactions monthly 0.598333 179.5/300/120.5 requests @1780272000",
        ]
    );
    assert_eq!(polled.plan(), Some("plus_monthly_subscriber"));
    let request = &polled.requests[0];
    assert_eq!(header(request, "Authorization"), Some("token $TOKEN$"));
    assert_eq!(
        request
            .headers
            .iter()
            .filter(|(n, _)| n == "Authorization")
            .count(),
        1
    );
    assert_eq!(provider_of(&account).unwrap().auth(), Auth::OwnToken);
}

#[test]
fn copilot_free_reports_the_remaining_amount() {
    let page = r#"{"access_type_sku":"free_limited_copilot","monthly_quotas":{"chat":50,"completions":2000},
        "limited_user_quotas":{"chat":45,"completions":1980},"limited_user_reset_date":"2026-06-10"}"#;
    assert_eq!(
        poll(&account("copilot"), &[page]).rows(),
        [
            "chat monthly 0.1 5/50/45 requests @1781049600",
            "completions monthly 0.01 20/2000/1980 requests @1781049600",
        ]
    );
}

#[test]
fn copilot_usage_beyond_the_limit() {
    let premium = |fields: &str| {
        let page = format!(
            r#"{{"copilot_plan":"x","quota_snapshots":{{"premium_interactions":{{{fields}}}}}}}"#
        );
        poll(&account("copilot"), &[&page]).rows()
    };
    let table = [
        (
            r#""entitlement":300,"remaining":-30,"percent_remaining":-10"#,
            "premium_interactions monthly 1.1 330/300/0 requests exhausted",
        ),
        (
            r#""entitlement":300,"remaining":0,"percent_remaining":0,"overage_count":60"#,
            "premium_interactions monthly 1.2 360/300/0 requests exhausted",
        ),
        (
            r#""percent_remaining":40.5"#,
            "premium_interactions monthly 0.595",
        ),
    ];
    for (fields, row) in table {
        assert_eq!(premium(fields), [row], "{fields}");
    }
    // The placeholder of accounts billed by use.
    assert!(
        premium(r#""entitlement":0,"remaining":0,"percent_remaining":0,"unlimited":false"#)
            .is_empty()
    );
    let failure = failed(&account("copilot"), r#"{"message":"Not Found"}"#);
    assert_eq!(failure, Failure::Parse(ParseError::Shape));
}

const KIRO: &str = r#"{"usageBreakdownList":[{"resourceType":"CREDIT","currentUsageWithPrecision":62.5,"usageLimitWithPrecision":50,"currentOveragesWithPrecision":12.5,"overageCapWithPrecision":10000,
   "overageCharges":0.5,"overageRate":0.04,"currency":"USD","freeTrialInfo":{"freeTrialStatus":"ACTIVE","currentUsageWithPrecision":3,"usageLimitWithPrecision":500,"freeTrialExpiry":1788000000.5},"bonuses":[],"nextDateReset":1788220800}],
 "overageConfiguration":{"overageStatus":"ENABLED"},"nextDateReset":1788220800,"subscriptionInfo":{"subscriptionTitle":"KIRO FREE"}}"#;

#[test]
fn kiro_counts_credits() {
    let polled = poll(&account("kiro"), &[KIRO]);
    assert_eq!(
        polled.rows(),
        [
            "main monthly 1.25 62.5/50/0 credits @1788220800 exhausted",
            "free_trial unknown 0.006 3/500/497 credits @1788000000",
        ]
    );
    assert_eq!(polled.plan(), Some("KIRO FREE"));
    let spend = &polled.result.unwrap().facts.spend[0];
    assert_eq!(
        (spend.used_usd(), spend.limit_usd()),
        (Some(0.5), Some(400.0))
    );
}

#[test]
fn kiro_tries_three_requests() {
    let account = AccountRef {
        profile_arn: Hidden::new("arn:aws:codewhisperer:us-east-1:1:profile/X"),
        ..account("kiro")
    };
    let provider = provider_of(&account).unwrap();
    let polled = drive(&provider, &account, false, |request| {
        if request.url.starts_with("https://q.") {
            answer(200, KIRO)
        } else {
            answer(403, "")
        }
    });
    assert_eq!(polled.rows().len(), 2);
    let [_, post, get] = polled.requests.as_slice() else {
        panic!("{:?}", polled.requests)
    };
    assert_eq!(post.method, Method::Post);
    assert!(post.body.as_ref().unwrap().contains("arn:aws"));
    assert_eq!(
        header(post, "content-type"),
        Some("application/x-amz-json-1.0")
    );
    assert!(get.url.contains("profileArn=arn%3Aaws"), "{}", get.url);
    assert!(!format!("{get:?}").contains("arn"));
    // Such a login can still send requests, so the account is not down.
    let closed = drive(&provider, &account, false, |_| answer(401, ""));
    assert_eq!(closed.result, Err(Failure::Forbidden));
}
