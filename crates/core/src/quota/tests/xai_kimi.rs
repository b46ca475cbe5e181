use super::support::{account, answer, captured, drive, failed, header, key_at, poll, provider_of};
use crate::model::QuotaAnswer;
use crate::quota::{Failure, ParseError};

#[test]
fn captured_kimi_response_is_parsed() {
    let polled = poll(&account("kimi"), &[&captured("kimi_usages")]);
    let expected = ["main weekly 0.28 @1795822226", "main 5h 0.92 @1795331226"];
    assert_eq!(polled.rows(), expected);
    assert_eq!(polled.plan(), Some("intermediate"));
    let request = &polled.requests[0];
    assert_eq!(request.headers.len(), 1, "nothing but the token");
    assert_eq!(request.url, "https://api.kimi.com/coding/v1/usages");
}

fn kimi(body: &str) -> Vec<String> {
    poll(&account("kimi"), &[body]).rows()
}

#[test]
fn kimi_forms_complete_each_other() {
    let table = [
        (
            r#"{"usage":{"limit":"1024","remaining":"24"}}"#,
            "main weekly 0.976563 1000/1024/24 requests",
        ),
        (
            r#"{"usage":{"limit":2048,"used":0,"reset_in":60}}"#,
            "main weekly 0 0/2048/2048 requests @1778313660",
        ),
        (
            r#"{"limits":[{"window":{"duration":1,"timeUnit":"TIME_UNIT_DAY"},"detail":{"limit":"50","used":"60"}}]}"#,
            "main daily 1.2 60/50/0 requests exhausted",
        ),
        (r#"{"usage":{"used":"12"}}"#, "main weekly 12/-/- requests"),
        (
            r#"{"limits":[{"name":"daily","title":"Daily","scope":"request","used":3,"limit":10,"remaining":7,"window":{"duration":1,"timeUnit":"day"},"detail":{"resetIn":3600,"ttl":7200}}]}"#,
            "main daily 0.3 3/10/7 requests @1778317200",
        ),
        (
            r#"{"limits":[{"window":{"duration":"x"},"detail":{"limit":"100","used":"5"}}]}"#,
            "main unknown 0.05",
        ),
    ];
    for (body, row) in table {
        assert_eq!(kimi(body), [row], "{body}");
    }
}

#[test]
fn kimi_ratio_maps_are_parsed_next_to_counts() {
    let table: [(&str, &[&str]); 8] = [
        // A number, a text, a percentage, and an invalid ratio.
        (
            r#"{"usages":{"limit_5h":{"used_ratio":"0.889023"},"limit_7d":{"usedRatio":"85%"},"limit_month_total":{"used_ratio":null,"reset_time":"2026-06-01T00:00:00Z"}}}"#,
            &["main 5h 0.889023", "main weekly 0.85"],
        ),
        // Unknown keys.
        (
            r#"{"usages":{"limit_day":{"used_ratio":0.1},"limit_week_code":{"used_ratio":0.2},"limit_30d":{"used_ratio":0.3},"limit_code_12h":{"used_ratio":0.4},"limit_turbo":{"used_ratio":0.5},"limit_":{"used_ratio":1},"else":{"used_ratio":1}}}"#,
            &[
                "main monthly 0.3",
                "code 12h 0.4",
                "main daily 0.1",
                "turbo unknown 0.5",
                "code weekly 0.2",
            ],
        ),
        // Both forms of one window: ratio from the newer form, counts from the older one.
        (
            r#"{"usage":{"limit":"1024","used":"512"},"usages":{"limit_7d":{"used_ratio":0.5004,"reset_time":"2026-05-12T00:00:00Z"}}}"#,
            &["main weekly 0.5004 512/1024/512 requests @1778544000"],
        ),
        // An older form that is no longer filled does not contradict.
        (
            r#"{"usage":{"limit":"1024","used":"0"},"usages":{"limit_7d":{"used_ratio":0.5}}}"#,
            &["main weekly 0.5"],
        ),
        (
            r#"{"usage":{"limit":"0","remaining":"0","resetTime":"2026-05-12T00:00:00Z"},"usages":{"limit_7d":{"used_ratio":0.5}}}"#,
            &["main weekly 0.5 @1778544000"],
        ),
        // A limit of 0 is no limit.
        (
            r#"{"usage":{"limit":"0","remaining":"0","resetTime":"2026-05-12T00:00:00Z"},"limits":[{"window":{"duration":300,"timeUnit":"TIME_UNIT_MINUTE"},"detail":{"limit":100,"used":3}}]}"#,
            &["main 5h 0.03"],
        ),
        (
            r#"{"usages":[{"limit_5h":{"used_ratio":0.25,"reset_time":"9999-12-31T23:59:59Z"}}]}"#,
            &["main 5h 0.25"],
        ),
        (
            r#"{"usages":{"limit_5h":{"used":3,"limit":12,"reset_time":253402300799}}}"#,
            &["main 5h 0.25 3/12/9 requests"],
        ),
    ];
    for (body, rows) in table {
        assert_eq!(kimi(body), rows, "{body}");
    }
}

#[test]
fn kimi_lists_and_wrapped_responses_are_parsed() {
    let table: [(&str, &[&str]); 7] = [
        (
            r#"{"usages":[{"name":"limit_5h","used_ratio":0.3},{"key":"limit_month_total","used_ratio":0.9}]}"#,
            &["main 5h 0.3", "main monthly 0.9"],
        ),
        (
            r#"{"usages":[{"window":{"duration":300,"timeUnit":"TIME_UNIT_MINUTE"},"used_ratio":0.3},{"window":{"duration":7,"timeUnit":"DAY"},"detail":{"used_ratio":0.4}}]}"#,
            &["main 5h 0.3", "main weekly 0.4"],
        ),
        // The web console's form.
        (
            r#"{"usages":[{"scope":"FEATURE_CODING","detail":{"limit":"100","used":"28"},"limits":[{"window":{"duration":300,"timeUnit":"TIME_UNIT_MINUTE"},"detail":{"limit":"100","used":"92"}}]}]}"#,
            &["main weekly 0.28", "main 5h 0.92"],
        ),
        (
            r#"{"data":{"usages":{"limit_5h":{"used_ratio":0.3}}}}"#,
            &["main 5h 0.3"],
        ),
        (
            r#"{"code":0,"data":{"usages":[{"limit_5h":{"used_ratio":0.3}},{"limit_7d":{"used_ratio":0.1}}]}}"#,
            &["main 5h 0.3", "main weekly 0.1"],
        ),
        (
            r#"{"data":[{"name":"limit_5h","used":"3","limit":"12"}]}"#,
            &["main 5h 0.25 3/12/9 requests"],
        ),
        (
            r#"{"data":{"usage":{"limit":"1024","used":"512"},"limits":[{"window":{"duration":5,"timeUnit":"HOUR"},"detail":{"limit":"200","used":"20"}}]}}"#,
            &[
                "main weekly 0.5 512/1024/512 requests",
                "main 5h 0.1 20/200/180 requests",
            ],
        ),
    ];
    for (body, rows) in table {
        assert_eq!(kimi(body), rows, "{body}");
    }
    let plan = r#"{"data":{"user":{"membership":{"level":"LEVEL_BASIC"}}}}"#;
    assert_eq!(poll(&account("kimi"), &[plan]).plan(), Some("basic"));
}

#[test]
fn kimi_percentage_in_place_of_a_ratio_is_divided() {
    let of = |month: &str| {
        let body = format!(
            r#"{{"usages":{{"limit_5h":{{"used_ratio":0.5}},"limit_7d":{{"used_ratio":1.5}},"limit_month_total":{month}}}}}"#
        );
        kimi(&body)
    };
    let percent = ["main 5h 0.5", "main weekly 0.015", "main monthly 0.9338"];
    assert_eq!(of(r#"{"used_ratio":93.38}"#), percent);
    assert_eq!(of(r#"{"usedRatio":"93.38"}"#), percent);
    let ratios = [
        "main 5h 0.5",
        "main weekly 1.5 exhausted",
        "main monthly 0.9338",
    ];
    assert_eq!(of(r#"{"used_ratio":0.9338}"#), ratios);
    assert_eq!(of(r#"{"used_ratio":"93.38%"}"#), ratios);
    assert_eq!(of(r#"{"remaining_ratio":0.0662}"#), ratios);
    assert_eq!(of(r#"{"remaining_ratio":6.62}"#), ratios);
}

#[test]
fn kimi_serves_keys_by_host() {
    assert!(provider_of(&key_at("https://api.kimi.com/coding/v1")).is_some());
    assert!(provider_of(&key_at("https://api.kimi.com.example.org/v1")).is_none());
    assert!(provider_of(&key_at("https://notapi.kimi.com.de")).is_none());
    let failure = failed(&account("kimi"), r#"{"usage":{}}"#);
    assert_eq!(failure, Failure::Parse(ParseError::Shape));
}

#[test]
fn captured_xai_responses_are_parsed() {
    let settings = r#"{"subscription_tier_display":"SuperGrok"}"#;
    let weekly = captured("xai_billing_credits");
    let polled = poll(
        &account("xai"),
        &[&weekly, &captured("xai_billing"), settings],
    );
    assert_eq!(
        polled.rows(),
        [
            "main weekly 0.25 @1795627026",
            "grok_code weekly 0.25 @1795627026",
            "main monthly 0.00835 1.67/200/198.33 usd @1796914226",
        ]
    );
    assert_eq!(polled.plan(), Some("SuperGrok"));
    assert_eq!(
        header(&polled.requests[0], "x-xai-token-auth"),
        Some("xai-grok-cli")
    );
    assert_eq!(header(&polled.requests[0], "x-userid"), None);
}

fn xai(weekly: (u16, &str), monthly: (u16, &str)) -> Result<QuotaAnswer, Failure> {
    let account = account("xai");
    let provider = provider_of(&account).unwrap();
    let polled = drive(&provider, &account, false, |request| {
        let (status, body) = if request.url.contains("credits") {
            weekly
        } else {
            monthly
        };
        answer(status, body)
    });
    polled.result
}

#[test]
fn one_xai_response_suffices() {
    let rows = |answer: QuotaAnswer| super::support::rows(&answer.readings);
    let weekly = r#"{"config":{"current_period":{"start":"2026-07-06T00:00:00Z","end":"2026-07-13T00:00:00Z"},"credit_usage_percent":"25",
        "product_usage":[{"product":"Grok Code","usage_percent":20},{"product":"grok code","usage_percent":"30"}]}}"#;
    assert_eq!(
        rows(xai((200, weekly), (500, "")).unwrap()),
        [
            "main weekly 0.25 @1783900800",
            "grok_code weekly 0.3 @1783900800"
        ]
    );
    let monthly = r#"{"config":{"monthlyLimit":{"val":"20000"},"used":{"val":26000},"onDemandCap":{"val":10000},
        "billingPeriodStart":"2026-06-01T00:00:00+00:00","billingPeriodEnd":"2026-07-01T00:00:00+00:00"}}"#;
    let answer = xai((200, r#"{"config":{}}"#), (200, monthly)).unwrap();
    assert_eq!(answer.facts.spend[0].used_usd(), Some(60.0));
    // The allowance is used up, but more can be bought.
    assert_eq!(
        rows(answer),
        [
            "main monthly 1 200/200/0 usd @1782864000",
            "on_demand monthly 0.6 60/100/40 usd @1782864000"
        ]
    );
    let bare = r#"{"config":{"monthly_limit":20000,"used":20000}}"#;
    assert_eq!(
        rows(xai((404, ""), (200, bare)).unwrap()),
        ["main monthly 1 200/200/0 usd exhausted"]
    );
}

#[test]
fn xai_plan_without_a_month_has_no_monthly_reading() {
    let weekly = r#"{"config":{"currentPeriod":{"type":"weekly","start":"2026-07-06T00:00:00Z","end":"2026-07-13T00:00:00Z"},"creditUsagePercent":7.000000000000001}}"#;
    for nothing in [
        r#"{"config":{"monthlyLimit":{"val":0},"used":{"val":0},"billingPeriodStart":"2026-06-01T00:00:00Z","billingPeriodEnd":"2026-07-01T00:00:00Z"}}"#,
        r#"{"config":{"monthlyLimit":{"val":0},"billingPeriodEnd":"9999-12-31T23:59:59Z"}}"#,
    ] {
        let rows = |weekly| super::support::rows(&xai(weekly, (200, nothing)).unwrap().readings);
        assert_eq!(rows((200, weekly)), ["main weekly 0.07 @1783900800"]);
        assert!(rows((500, "")).is_empty());
    }
    let never = weekly.replace("2026-07-13T00:00:00Z", "9999-12-31T23:59:59Z");
    let answer = xai((200, &never), (500, "")).unwrap();
    assert_eq!(super::support::rows(&answer.readings), ["main weekly 0.07"]);
}

#[test]
fn missing_xai_percentage_is_not_zero() {
    let weekly = r#"{"config":{"currentPeriod":{"type":"weekly","start":"2026-07-06T00:00:00Z","end":"2026-07-13T00:00:00Z"}}}"#;
    let answer = xai((200, weekly), (500, "")).unwrap();
    assert_eq!(
        super::support::rows(&answer.readings),
        ["main weekly @1783900800"]
    );
}

#[test]
fn more_specific_xai_failure_is_returned() {
    let transient = Failure::Transient { retry_after: None };
    let empty = (200, r#"{"config":{}}"#);
    let table = [
        ((401, ""), (500, ""), Failure::Unauthorized),
        ((500, ""), (402, ""), Failure::Payment),
        ((500, ""), (400, ""), transient),
        (empty, empty, Failure::Parse(ParseError::Shape)),
        (empty, (503, ""), transient),
    ];
    for (weekly, monthly, failure) in table {
        assert_eq!(xai(weekly, monthly), Err(failure), "{weekly:?} {monthly:?}");
    }
}
