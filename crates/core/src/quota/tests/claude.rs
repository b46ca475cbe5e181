use std::time::Duration;

use super::support::{account, answer, captured, drive, failed, header, poll, provider_of};
use crate::quota::{Failure, ParseError};

const FULL: &str = r#"{"five_hour":{"utilization":47.2,"resets_at":"2026-05-27T22:00:00.123456+00:00"},
 "seven_day":{"utilization":31.0,"resets_at":"2026-06-01T08:00:00Z"},
 "seven_day_opus":null,"seven_day_sonnet":{"utilization":12.0,"resets_at":"2026-06-01T10:00:00+02:00"},
 "seven_day_oauth_apps":null,"seven_day_cowork":null,"iguana_necktie":null,
 "limits":[{"kind":"session","group":"session","percent":48,"resets_at":"2026-05-27T22:00:00Z","scope":null,"is_active":false},
           {"kind":"weekly_all","group":"weekly","percent":31,"resets_at":"2026-06-01T08:00:00Z","scope":null},
           {"kind":"weekly_scoped","group":"weekly","percent":88,"severity":"warning","resets_at":"2026-06-01T08:00:00Z","scope":{"model":{"id":null,"display_name":"Fable"},"surface":null},"is_active":true},
           {"kind":"weekly_scoped","percent":5,"scope":{"model":{"display_name":"All models"}}}],
 "extra_usage":{"is_enabled":true,"monthly_limit":2000,"used_credits":245,"utilization":12.25,"currency":"USD","decimal_places":2},
 "spend":{"severity":"normal","used":{"amount_minor":245},"limit":{"amount_minor":2000}}}"#;

#[test]
fn full_response_has_one_reading_per_window() {
    let polled = poll(&account("claude"), &[FULL]);
    let rows = polled.rows();
    let mut sorted = rows.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "extra_usage monthly 0.1225 2.45/20/17.55 usd",
            "fable weekly 0.88 @1780300800",
            "main 5h 0.472 @1779919200",
            "main weekly 0.31 @1780300800",
            "sonnet weekly 0.12 @1780300800",
        ]
    );
    let spend = &polled.result.unwrap().facts.spend[0];
    assert_eq!(
        (spend.used_usd(), spend.limit_usd()),
        (Some(2.45), Some(20.0))
    );
}

#[test]
fn list_adds_windows_without_a_named_key() {
    let page = r#"{"five_hour":null,"seven_day":{"utilization":null,"resets_at":null},
        "limits":[{"kind":"session","percent":0,"resets_at":null},{"kind":"weekly_all","percent":7,"resets_at":"2026-06-01T08:00:00Z"},
        {"kind":"something_new","percent":3}]}"#;
    let polled = poll(&account("claude"), &[page]);
    assert_eq!(polled.rows(), ["main 5h 0", "main weekly 0.07 @1780300800"]);
}

#[test]
fn captured_responses_are_parsed() {
    let usage = captured("claude_usage");
    let polled = poll(
        &account("claude"),
        &[&usage, &captured("claude_profile"), "{}"],
    );
    let expected = ["main 5h 0.472 @1795384800", "main weekly 0.31 @1795680000"];
    assert_eq!(polled.rows(), expected);
    assert_eq!(polled.plan(), Some("max_5x"));
    assert_eq!(
        polled.urls(),
        [
            "https://api.anthropic.com/api/oauth/usage",
            "https://api.anthropic.com/api/oauth/profile",
            "https://api.anthropic.com/api/oauth/usage?cedar_ember=1&skip_spend=1",
        ]
    );
    let agents = polled
        .requests
        .iter()
        .map(|request| header(request, "User-Agent").unwrap());
    let agents: Vec<_> = agents
        .map(|agent| agent.split('/').next().unwrap())
        .collect();
    assert_eq!(agents, ["claude-code", "claude-code", "claude-cli"]);
    for request in &polled.requests {
        assert_eq!(header(request, "anthropic-beta"), Some("oauth-2025-04-20"));
    }
}

#[test]
fn missing_plan_does_not_fail_the_poll() {
    let provider = provider_of(&account("claude")).unwrap();
    assert_eq!(provider.min_interval(), Duration::from_mins(5));
    let polled = drive(&provider, &account("claude"), true, |request| {
        let is_usage = request.url.ends_with("/usage");
        if is_usage {
            answer(200, FULL)
        } else {
            answer(403, "{}")
        }
    });
    assert_eq!(polled.requests.len(), 3);
    assert!(polled.rows().len() > 3);
    assert_eq!(polled.plan(), None);
}

#[test]
fn plan_is_derived_from_flags() {
    let table = [
        (
            r#"{"account":{"has_claude_max":true},"organization":{"rate_limit_tier":"default_claude_max_20x"}}"#,
            Some("max_20x"),
        ),
        (r#"{"account":{"has_claude_max":true}}"#, Some("max")),
        (
            r#"{"account":{"has_claude_max":false,"has_claude_pro":true}}"#,
            Some("pro"),
        ),
        (
            r#"{"account":{},"organization":{"organization_type":"claude_team","subscription_status":"active"}}"#,
            Some("team"),
        ),
        (
            r#"{"account":{"has_claude_max":false,"has_claude_pro":false},"organization":{"organization_type":"claude_free"}}"#,
            Some("free"),
        ),
        (
            r#"{"account":{"has_claude_max":false,"has_claude_pro":null}}"#,
            None,
        ),
        (
            r#"{"organization":{"organization_type":"claude_team","subscription_status":"canceled"}}"#,
            None,
        ),
    ];
    for (profile, plan) in table {
        assert_eq!(
            poll(&account("claude"), &[FULL, profile, "{}"]).plan(),
            plan,
            "{profile}"
        );
    }
}

#[test]
fn extra_usage_is_money_in_minor_units() {
    let extra = |extra: &str| {
        let page = format!(r#"{{"five_hour":null,"extra_usage":{extra}}}"#);
        poll(&account("claude"), &[&page]).rows()
    };
    // No limit means unlimited, so there is no ratio.
    assert_eq!(
        extra(r#"{"is_enabled":true,"monthly_limit":null,"used_credits":1234}"#),
        ["extra_usage monthly 12.34/-/- usd"]
    );
    assert_eq!(
        extra(r#"{"is_enabled":true,"monthly_limit":3000,"used_credits":4500,"decimal_places":0}"#),
        ["extra_usage monthly 1.5 4500/3000/0 usd exhausted"]
    );
    assert_eq!(
        extra(
            r#"{"is_enabled":true,"monthly_limit":3000,"used_credits":4,"utilization":3,"currency":"EUR"}"#
        ),
        ["extra_usage monthly 0.03"]
    );
    assert!(extra(r#"{"is_enabled":false,"monthly_limit":3000,"used_credits":0}"#).is_empty());
    assert!(extra("null").is_empty());
}

#[test]
fn error_response_is_a_failure() {
    let body = r#"{"error":{"type":"rate_limit_error","message":"Rate limited. Please try again later."}}"#;
    let failure = failed(&account("claude"), body);
    assert_eq!(failure, Failure::Parse(ParseError::Shape));
}

#[test]
fn early_resets_are_requested_and_kept() {
    let grants =
        |grants: &str| format!(r#"{{"cedar_ember":{{"eligible":true,"grants":[{grants}]}}}}"#);
    let table = [
        (
            grants(
                r#"{"resets_total":2,"resets_left":2,"starts_at":"2026-05-01T00:00:00Z","ends_at":"2026-06-01T00:00:00Z"}"#,
            ),
            Some(2.0),
        ),
        (
            grants(r#"{"resets_left":1},{"resets_left":"2"}"#),
            Some(3.0),
        ),
        // Expired, not yet valid, and revoked.
        (
            grants(
                r#"{"resets_left":1,"ends_at":"2026-05-09T08:00:00Z"},{"resets_left":1,"starts_at":"2026-05-09T08:00:01Z"},{"resets_left":1,"paused":true}"#,
            ),
            Some(0.0),
        ),
        (grants(""), Some(0.0)),
        (
            r#"{"cedar_ember":{"eligible":false,"ineligible_reason":"surface","grants":[]}}"#
                .to_owned(),
            None,
        ),
        (r#"{"cedar_ember":null}"#.to_owned(), None),
        ("{}".to_owned(), None),
    ];
    for (page, stock) in table {
        let polled = poll(&account("claude"), &[FULL, "{}", &page])
            .result
            .unwrap();
        assert_eq!(polled.facts.reset_credits, stock, "{page}");
        assert!(!polled.facts.keeps_reset_credits);
    }
    // If the usage response contains them, there is no second request.
    let page = FULL.replacen(
        '{',
        r#"{"cedar_ember":{"eligible":true,"grants":[{"resets_left":1}]},"#,
        1,
    );
    let polled = poll(&account("claude"), &[&page, "{}"]);
    assert_eq!(polled.requests.len(), 2);
    assert_eq!(polled.result.unwrap().facts.reset_credits, Some(1.0));
    // Between two requests, the known number remains valid.
    let mut facts = poll(&account("claude"), &[&page, "{}"])
        .result
        .unwrap()
        .facts;
    facts.replace(poll(&account("claude"), &[FULL]).result.unwrap().facts);
    assert_eq!(facts.reset_credits, Some(1.0));
    facts.replace(
        poll(&account("claude"), &[FULL, "{}", "{}"])
            .result
            .unwrap()
            .facts,
    );
    assert_eq!(facts.reset_credits, None);
}
