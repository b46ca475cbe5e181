use super::support::{account, captured, failed, header, poll};
use crate::model::Unit;
use crate::quota::{AccountRef, Failure, Hidden, ParseError};

const FULL: &str = r#"{"user_id":"user-x","account_id":"acc-x","email":"a@example.com","plan_type":"plus",
 "rate_limit":{"allowed":true,"limit_reached":false,
   "primary_window":{"used_percent":64,"limit_window_seconds":18000,"reset_after_seconds":11676,"reset_at":1778509871},
   "secondary_window":{"used_percent":10,"limit_window_seconds":604800,"reset_after_seconds":598476,"reset_at":1779096671}},
 "code_review_rate_limit":null,
 "additional_rate_limits":[{"limit_name":"GPT-5.3-Codex-Spark","metered_feature":"codex_bengalfox",
   "rate_limit":{"allowed":true,"limit_reached":false,
     "primary_window":{"used_percent":0,"limit_window_seconds":604800,"reset_after_seconds":604800,"reset_at":1779100000},"secondary_window":null}}],
 "rate_limit_reset_credits":{"available_count":1,"applicable_available_count":0},
 "credits":{"has_credits":true,"unlimited":false,"balance":"$4.20"},
 "spend_control":{"reached":false,"individual_limit":{"limit":"50","used":"12.5","remaining":"37.5","used_percent":25,"reset_at":1780000000}}}"#;

#[test]
fn full_response_is_parsed() {
    let polled = poll(&account("codex"), &[FULL]);
    assert_eq!(
        polled.rows(),
        [
            "main 5h 0.64 @1778509871",
            "main weekly 0.1 @1779096671",
            // Unused, so its weekly window has not started.
            "bengalfox weekly 0",
            "individual_limit monthly 0.25 12.5/50/37.5 credits @1780000000",
        ]
    );
    let answer = polled.result.as_ref().unwrap();
    assert_eq!(polled.plan(), Some("plus"));
    assert_eq!(answer.facts.credits, [(Unit::Credits, 4.2)]);
    assert_eq!(answer.facts.reset_credits, Some(1.0));
    let spark = &answer.readings[2];
    assert_eq!(spark.name().unwrap().as_str(), "GPT-5.3-Codex-Spark");
    let shown = format!("{answer:?}");
    assert!(!shown.contains("example.com") && !shown.contains("acc-x"));
}

#[test]
fn captured_response_is_parsed() {
    let polled = poll(&account("codex"), &[&captured("codex_wham")]);
    let expected = ["main 5h 0.64 @1795333902", "main weekly 0.1 @1795920702"];
    assert_eq!(polled.rows(), expected);
    assert_eq!(polled.result.unwrap().facts.credits, [(Unit::Credits, 0.0)]);
}

#[test]
fn workspace_is_selected_by_header_only() {
    let with_id = AccountRef {
        chatgpt_account_id: Hidden::new("acc-secret"),
        ..account("codex")
    };
    let request = &poll(&with_id, &[FULL]).requests[0];
    assert_eq!(header(request, "Chatgpt-Account-Id"), Some("acc-secret"));
    assert_eq!(header(request, "Authorization"), Some("Bearer $TOKEN$"));
    assert!(!format!("{with_id:?} {request:?}").contains("acc-secret"));
    let request = &poll(&account("codex"), &[FULL]).requests[0];
    assert_eq!(header(request, "Chatgpt-Account-Id"), None);
    assert_eq!(request.url, "https://chatgpt.com/backend-api/wham/usage");
}

fn main_block(block: &str) -> Vec<String> {
    let page = format!(r#"{{"plan_type":"pro","rate_limit":{block}}}"#);
    poll(&account("codex"), &[&page]).rows()
}

#[test]
fn windows_are_named_by_length_and_depend_on_the_plan() {
    let table = [
        // A week where others have five hours; a month for free and team accounts.
        (
            r#"{"primary_window":{"used_percent":3,"limit_window_seconds":604800}}"#,
            "main weekly 0.03",
        ),
        (
            r#"{"primary_window":{"used_percent":3,"limit_window_seconds":2628000}}"#,
            "main monthly 0.03",
        ),
        (
            r#"{"primary_window":{"used_percent":3,"limit_window_seconds":"10800"}}"#,
            "main 3h 0.03",
        ),
        (
            r#"{"secondary_window":{"used_percent":12.5}}"#,
            "main secondary 0.125",
        ),
        (
            r#"{"primary_window":{"used_percent":104,"limit_window_seconds":18000}}"#,
            "main 5h 1.04 exhausted",
        ),
        // Relative: 8:00 plus 100 s.
        (
            r#"{"primary_window":{"used_percent":1,"limit_window_seconds":18000,"reset_after_seconds":100}}"#,
            "main 5h 0.01 @1778313700",
        ),
        (
            r#"{"primary_window":{"percent_used":1,"window_minutes":43800}}"#,
            "main monthly 0.01",
        ),
    ];
    for (block, row) in table {
        assert_eq!(main_block(block), [row], "{block}");
    }
}

#[test]
fn reached_block_marks_its_fullest_window() {
    let both = |reached: bool, first: &str, second: &str| {
        main_block(&format!(
            r#"{{"allowed":{},"limit_reached":{reached},
               "primary_window":{{"used_percent":{first},"limit_window_seconds":18000,"reset_at":1778400000}},
               "secondary_window":{{"used_percent":{second},"limit_window_seconds":604800,"reset_at":1778500000}}}}"#,
            !reached
        ))
    };
    assert_eq!(
        both(true, "40", "99"),
        [
            "main 5h 0.4 @1778400000",
            "main weekly 0.99 @1778500000 exhausted"
        ]
    );
    // Rounded up to 100, but the block is open.
    assert_eq!(
        both(false, "100", "20"),
        ["main 5h 1 @1778400000", "main weekly 0.2 @1778500000"]
    );
    // No ratio, but refused until a time: fully used.
    let page = r#"{"allowed":false,"primary_window":{"limit_window_seconds":18000,"reset_at":1778400000}}"#;
    assert_eq!(main_block(page), ["main 5h 1 @1778400000 exhausted"]);
    // Neither ratio nor refusal: unknown, never 0.
    let page =
        r#"{"allowed":true,"primary_window":{"limit_window_seconds":18000,"reset_at":1778400000}}"#;
    assert_eq!(main_block(page), ["main 5h @1778400000"]);
}

#[test]
fn ended_window_is_ignored() {
    let page = r#"{"limit_reached":true,"primary_window":{"used_percent":100,"limit_window_seconds":18000,"reset_at":1778313599}}"#;
    assert_eq!(main_block(page), Vec::<String>::new());
}

#[test]
fn reset_time_of_zero_is_absent() {
    let window = |reset: &str| {
        let window = r#""used_percent":5,"limit_window_seconds":18000,"reset_at":0"#;
        main_block(&format!(r#"{{"primary_window":{{{window}{reset}}}}}"#))
    };
    assert_eq!(window(""), ["main 5h 0.05"]);
    let later = window(r#","reset_after_seconds":600"#);
    assert_eq!(later, ["main 5h 0.05 @1778314200"]);
}

#[test]
fn credits_have_many_forms() {
    let table = [
        (r#"{"balance":"9.99","unlimited":false}"#, Some(9.99)),
        (r#"{"balance":7}"#, Some(7.0)),
        (r#"{"balance":null}"#, None),
        (r#"{"balance":""}"#, None),
        (r#"{"balance":"lots"}"#, None),
        (r#"{"balance":"0","unlimited":true}"#, None),
    ];
    for (credits, balance) in table {
        let page = format!(r#"{{"plan_type":"plus","credits":{credits}}}"#);
        let answer = poll(&account("codex"), &[&page]).result.unwrap();
        let found: Vec<f64> = answer.facts.credits.iter().map(|(_, n)| *n).collect();
        assert_eq!(found, balance.into_iter().collect::<Vec<_>>(), "{credits}");
    }
}

#[test]
fn unrelated_json_is_an_error() {
    for body in [r#"{"detail":"Not here"}"#, r#"{"rate_limit":null}"#] {
        let failure = failed(&account("codex"), body);
        assert_eq!(failure, Failure::Parse(ParseError::Shape), "{body}");
    }
}

#[test]
fn window_spans_with_its_first_request() {
    let page = |used: &str, after: u32| {
        main_block(&format!(
            r#"{{"primary_window":{{"used_percent":{used},"limit_window_seconds":18000,"reset_after_seconds":{after}}}}}"#
        ))
    };
    assert_eq!(page("0", 18000), ["main 5h 0"]);
    assert_eq!(page("0", 17000), ["main 5h 0 @1778330600"]);
    assert_eq!(page("1", 18000), ["main 5h 0.01 @1778331600"]);
}

#[test]
fn implausible_reset_time_keeps_the_ratio() {
    for never in [
        "253402300799",
        "253402300799000",
        "\"9999-12-31T23:59:59Z\"",
        "9223372036854775807",
    ] {
        let page = format!(
            r#"{{"rate_limit":{{"primary_window":{{"used_percent":10.000000000000142,"limit_window_seconds":18000,"reset_at":{never}}}}},
            "spend_control":{{"individual_limit":{{"limit":"100.1","remaining":"100","used_percent":0,"reset_at":{never}}}}}}}"#
        );
        let polled = poll(&account("codex"), &[&page]);
        let expected = [
            "main 5h 0.1",
            "individual_limit monthly 0 0.1/100.1/100 credits",
        ];
        assert_eq!(polled.rows(), expected, "{never}");
    }
}

#[test]
fn member_share_needs_no_percentage() {
    let page = |limit: &str| {
        let page =
            format!(r#"{{"plan_type":"business","spend_control":{{"individual_limit":{limit}}}}}"#);
        poll(&account("codex"), &[&page]).rows()
    };
    let table = [
        (
            r#"{"limit":"4000","used":"1000"}"#,
            "individual_limit monthly 0.25 1000/4000/3000 credits",
        ),
        (
            r#"{"limit":"4000","used":"1000","used_percent":40}"#,
            "individual_limit monthly 0.4 1000/4000/3000 credits",
        ),
        (
            r#"{"limit":4000,"used":"1016","used_percent":25}"#,
            "individual_limit monthly 0.25 1016/4000/2984 credits",
        ),
        (
            r#"{"remaining_percent":75}"#,
            "individual_limit monthly 0.25",
        ),
    ];
    for (limit, row) in table {
        assert_eq!(page(limit), [row], "{limit}");
    }
    for none in ["null", "{}", r#"{"limit":"0","used":"0","remaining":"0"}"#] {
        assert!(page(none).is_empty(), "{none}");
    }
}
