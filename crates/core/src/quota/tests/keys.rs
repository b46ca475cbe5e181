//! Plans that are polled with an API key: GLM and MiniMax.

use super::support::{answer, drive, failed, key_at, poll, provider_of};
use crate::quota::{AccountRef, Failure, ParseError};

fn glm_account() -> AccountRef {
    key_at("https://api.z.ai/api/coding/paas/v4")
}

fn glm(limits: &str) -> Vec<String> {
    let page =
        format!(r#"{{"code":200,"success":true,"data":{{"level":"pro","limits":[{limits}]}}}}"#);
    poll(&glm_account(), &[&page]).rows()
}

#[test]
fn glm_names_the_limit_usage() {
    let page = r#"{"code":200,"msg":"Operation successful","success":true,"data":{"level":"pro","limits":[
     {"type":"TIME_LIMIT","unit":5,"number":1,"usage":1000,"currentValue":40,"remaining":960,"percentage":4,"nextResetTime":1784333321994,"usageDetails":[{"modelCode":"search-prime","usage":30}]},
     {"type":"TOKENS_LIMIT","unit":3,"number":5,"percentage":24,"nextResetTime":1784000000000},
     {"type":"TOKENS_LIMIT","unit":6,"number":1,"percentage":11,"nextResetTime":1784500000000}]}}"#;
    let polled = poll(&glm_account(), &[page]);
    assert_eq!(
        polled.rows(),
        [
            "time_limit monthly 0.04 40/1000/960 requests @1784333321",
            "main 5h 0.24 @1784000000",
            "main weekly 0.11 @1784500000",
        ]
    );
    assert_eq!(polled.plan(), Some("pro"));
    assert_eq!(
        polled.urls(),
        ["https://api.z.ai/api/monitor/usage/quota/limit"]
    );
}

#[test]
fn glm_windows_follow_unit_and_number() {
    let table = [
        (
            r#"{"type":"CREDIT_LIMIT","unit":3,"number":5,"usage":28000,"currentValue":3341,"remaining":24658,"percentage":11}"#,
            // The stated percentage is rounded down.
            "main 5h 0.119321 3341/28000/24658 credits",
        ),
        (
            r#"{"type":"TOKENS_LIMIT","unit":3,"number":5,"percentage":0}"#,
            "main 5h 0",
        ),
        (
            r#"{"type":"TOKENS_LIMIT","unit":1,"number":1,"percentage":120}"#,
            "main daily 1.2 exhausted",
        ),
        (
            r#"{"type":"TOKENS_LIMIT","unit":99,"number":1,"percentage":5}"#,
            "main unknown 0.05",
        ),
    ];
    for (limit, row) in table {
        assert_eq!(glm(limit), [row], "{limit}");
    }
    assert!(glm(r#"{"type":"TOKENS_LIMIT","unit":3,"number":5}"#).is_empty());
}

#[test]
fn glm_fails_with_status_200() {
    let transient = Failure::Throttled { retry_after: None };
    let table = [
        (
            r#"{"code":1001,"msg":"bad key","success":false}"#,
            Failure::Unauthorized,
        ),
        (r#"{"code":"1113","success":false}"#, Failure::Payment),
        (r#"{"code":1302,"success":false}"#, transient),
        (r#"{"code":1310}"#, Failure::InBody(1310)),
        (r#"{"success":false}"#, Failure::InBody(0)),
        (
            r#"{"code":200,"success":true,"data":{}}"#,
            Failure::Parse(ParseError::Shape),
        ),
    ];
    for (body, failure) in table {
        assert_eq!(failed(&glm_account(), body), failure, "{body}");
    }
}

#[test]
fn key_is_sent_only_to_its_own_host() {
    let china = key_at("https://open.bigmodel.cn/api/paas/v4");
    let polled = poll(&china, &[r#"{"data":{"level":"lite","limits":[]}}"#]);
    assert_eq!(
        polled.urls(),
        ["https://open.bigmodel.cn/api/monitor/usage/quota/limit"]
    );
    assert!(provider_of(&key_at("https://evil-z.ai/v1")).is_none());
    assert!(provider_of(&key_at("https://z.ai@evil.example/v1")).is_none());
}

fn minimax_account() -> AccountRef {
    key_at("https://api.minimax.io/anthropic")
}

fn minimax(model: &str) -> Vec<String> {
    let page = format!(r#"{{"model_remains":[{model}],"base_resp":{{"status_code":0}}}}"#);
    poll(&minimax_account(), &[&page]).rows()
}

#[test]
fn minimax_percentage_decides_the_meaning_of_the_count() {
    let used = r#"{"model_name":"general","start_time":1784000000000,"end_time":1784018000000,"remains_time":7200000,
      "current_interval_total_count":1500,"current_interval_usage_count":300,"current_interval_remaining_percent":80,"current_interval_status":1,
      "current_weekly_total_count":15000,"current_weekly_usage_count":900,"current_weekly_remaining_percent":94,"current_weekly_status":1,
      "weekly_start_time":1783900800000,"weekly_end_time":1784505600000,"weekly_remains_time":500000000}"#;
    assert_eq!(
        minimax(used),
        [
            "main 5h 0.2 300/1500/1200 requests @1784018000",
            "main weekly 0.06 900/15000/14100 requests @1784505600",
        ]
    );
    let table = [
        // With the other percentage, the same count is the remaining amount.
        (
            r#""current_interval_total_count":1500,"current_interval_usage_count":300,"current_interval_remaining_percent":20"#,
            "main unknown 0.8 1200/1500/300 requests",
        ),
        // Matches neither: only the percentage is reliable.
        (
            r#""current_interval_total_count":1500,"current_interval_usage_count":300,"current_interval_remaining_percent":50"#,
            "main unknown 0.5",
        ),
        // No percentage: the remaining amount, as in the older plan.
        (
            r#""current_interval_total_count":1500,"current_interval_usage_count":300"#,
            "main unknown 0.8 1200/1500/300 requests",
        ),
        (
            r#""current_interval_total_count":0,"current_interval_usage_count":0,"current_interval_remaining_percent":70"#,
            "main unknown 0.3",
        ),
        (
            r#""current_interval_remaining_percent":0,"current_interval_status":2,"remains_time":60000"#,
            "main unknown 1 @1778313660 exhausted",
        ),
        (
            r#""current_interval_status":3,"current_interval_total_count":5"#,
            "main unknown unlimited",
        ),
    ];
    for (fields, row) in table {
        assert_eq!(minimax(&format!("{{{fields}}}")), [row], "{fields}");
    }
}

#[test]
fn minimax_models_outside_the_plan_have_no_reading() {
    let outside = r#"{"model_name":"video","current_interval_total_count":0,"current_interval_status":3,"current_weekly_total_count":0,"current_weekly_status":3}"#;
    assert!(minimax(outside).is_empty());
    let video = r#"{"model_name":"video","start_time":1784000000000,"end_time":1784086400000,"current_interval_remaining_percent":100}"#;
    assert_eq!(minimax(video), ["video daily 0 @1784086400"]);
}

#[test]
fn minimax_endpoints_are_tried_in_turn() {
    let account = minimax_account();
    let provider = provider_of(&account).unwrap();
    let page = r#"{"data":{"current_subscribe_title":"Max","points_balance":"5","model_remains":[{"current_interval_remaining_percent":90}]}}"#;
    let polled = drive(&provider, &account, false, |request| {
        if request.url.ends_with("/v1/coding_plan/remains") {
            answer(200, page)
        } else {
            answer(404, "")
        }
    });
    assert_eq!(polled.requests.len(), 3);
    assert_eq!((polled.rows().len(), polled.plan()), (1, Some("Max")));
    let gone = drive(&provider, &account, false, |_| answer(404, ""));
    assert_eq!(gone.result, Err(Failure::Unsupported));
    let bad_key = r#"{"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#;
    assert_eq!(failed(&account, bad_key), Failure::Unauthorized);
    let other = r#"{"base_resp":{"status_code":2013}}"#;
    assert_eq!(failed(&account, other), Failure::InBody(2013));
    let china = key_at("https://www.minimaxi.com/v1");
    let first = drive(&provider_of(&china).unwrap(), &china, false, |_| {
        answer(401, "")
    });
    assert_eq!(
        first.urls(),
        ["https://api.minimaxi.com/v1/token_plan/remains"]
    );
}
