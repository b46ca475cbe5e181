//! What failures mean for an account: by the errors channel, by the list, and by both in turn.

use serde_json::{Value, json};

use super::super::account::{Account, Reported, Status};
use super::super::account_set::{AccountSet, AccountsSnapshot};
use super::super::cooldown_reason::CooldownReason;
use super::super::decode_v8;
use super::super::error_event;
use super::{decoding, files, time};
use crate::decode::failure_reason;

const NOW: &str = "2026-11-22T04:37:00Z";
const LATER: &str = "2026-11-22T05:00:00Z";

fn cases(file: &str) -> String {
    let path = format!("{}/tests/fixtures/cases/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn entry(fields: &Value) -> Value {
    let mut entry = json!({ "auth_index": "00aa", "provider": "codex", "status": "error", "unavailable": false });
    let own = fields.as_object().unwrap().clone();
    entry.as_object_mut().unwrap().extend(own);
    entry
}

fn snapshot(fields: &Value) -> AccountsSnapshot {
    let body = json!({ "files": [entry(fields)] }).to_string();
    AccountsSnapshot {
        files: files(body.as_bytes()).accounts,
        ..AccountsSnapshot::default()
    }
}

/// A pool of one active account that then fails like this.
fn after_event(event: &Value) -> AccountSet {
    let mut set = AccountSet::default();
    set.take(snapshot(&json!({ "status": "active" })), time(NOW));
    hear(&mut set, event);
    set
}

fn hear(set: &mut AccountSet, event: &Value) {
    let heard = error_event::decode(event.to_string().as_bytes(), &decoding()).unwrap();
    assert!(set.hear(&heard, time(NOW)));
}

/// As CPA sends it when `body` is the upstream's answer; `state` is the account's.
fn event(provider: &str, status: u16, body: &str, state: Value) -> Value {
    let mut auth_status =
        json!({ "status": "error", "status_message": body, "unavailable": false });
    let Value::Object(state) = state else {
        panic!()
    };
    auth_status.as_object_mut().unwrap().extend(state);
    json!({ "auth_index": "00aa", "provider": provider, "status_code": status, "body": body,
            "auth_status": auth_status })
}

fn only(set: &AccountSet) -> Account {
    let mut list = set.list();
    assert_eq!(list.len(), 1);
    list.remove(0)
}

/// Accounts and records have one table; an account adds only whether a person is needed.
#[test]
fn an_account_is_judged_by_the_table_of_records() {
    let mut tried = 0;
    for line in cases("failures.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| case[key].as_str().unwrap();
        let (provider, body) = (text("provider"), text("text"));
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        if (status, body) == (0, "") {
            continue;
        }
        let right = match text("reason") {
            "auth" | "billing" | "other" => Status::Error,
            _ => Status::Active,
        };
        let set = after_event(&event(provider, status, body, json!({})));
        let account = only(&set);
        let reason = account.last_failure.unwrap().reason;
        assert_eq!(reason, failure_reason(provider, status, body), "{line}");
        assert_eq!(reason.as_str(), text("reason"), "{line}");
        assert_eq!(account.status, right, "{line}");
        // The list has the same message and no status.
        let mut set = set;
        let listed = json!({ "provider": provider, "status_message": body });
        set.take(snapshot(&listed), time(NOW));
        assert_eq!(only(&set).status, right, "listed: {line}");
        tried += 1;
    }
    assert!(tried > 100);
}

#[test]
fn dead_accounts_are_errors_and_those_that_serve_on_are_active() {
    let given: Vec<Value> = serde_json::from_str(&cases("account-status.json")).unwrap();
    let dead = [
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"This organization has been disabled."}}"#,
        r#"{"error":{"message":"Your refresh token has already been used.","code":"refresh_token_reused"}}"#,
        r#"token refresh failed with status 400: {"error":"invalid_grant"}"#,
        r#"{"error":{"message":"OAuth token has been revoked"}}"#,
        r#"{"error":{"code":"1113","message":"Insufficient balance"}}"#,
        r#"{"code":"personal-team-blocked:spending-limit","error":"You have run out of credits."}"#,
        "invalid_grant",
        "unauthorized",
        "payment_required",
    ];
    let serving = [
        r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#,
        "<html><head><title>504 Gateway Time-out</title></head></html>",
        "status 500",
        "upstream connect error or disconnect/reset before headers. reset reason: overflow",
        "EOF",
        "transient upstream error",
    ];
    let all = dead.map(|m| (m, "error")).into_iter();
    let all = all.chain(serving.map(|m| (m, "active")));
    let mut all: Vec<Value> = all
        .flat_map(|(message, right)| {
            // Also while all models that failed wait.
            [false, true].map(|unavailable| {
                json!({ "status_message": message, "unavailable": unavailable, "right": right })
            })
        })
        .collect();
    all.extend(given);
    for case in all {
        let mut set = AccountSet::default();
        set.take(snapshot(&case), time(NOW));
        let account = only(&set);
        assert_eq!(account.status.as_str(), case["right"], "{case}");
        assert_eq!(account.status.is_up(), case["right"] == "active", "{case}");
    }
}

#[test]
fn an_upstream_in_trouble_cools_and_leaves_the_account_up() {
    let state = json!({ "unavailable": true, "next_retry_after": LATER });
    let mut set = after_event(&event("claude", 500, "what is this", state.clone()));
    for _ in 0..2 {
        let account = only(&set);
        assert_eq!(account.status, Status::Active);
        assert_eq!(account.cooldowns[0].reason, CooldownReason::TransientError);
        assert_eq!(account.cooldowns[0].until, time(LATER));
        let mut listed = state.clone();
        listed["status_message"] = "what is this".into();
        set.take(snapshot(&listed), time(NOW));
    }
    set.settle(time(LATER));
    assert_eq!(only(&set).status, Status::Active);
    assert!(only(&set).cooldowns.is_empty());
}

/// Without a status such a text tells nothing; with one it does, until CPA says something else.
#[test]
fn a_status_that_was_heard_stays_with_its_message() {
    let message = |text: &str| json!({ "status_message": text });
    let heard = after_event(&event("claude", 502, "what is this", json!({})));
    for (listed, right) in [
        (message("what is this"), Status::Active),
        (message("something else"), Status::Error),
        (message(""), Status::Error),
    ] {
        let mut set = after_event(&event("claude", 502, "what is this", json!({})));
        assert_eq!(only(&heard).status, Status::Active);
        set.take(snapshot(&listed), time(NOW));
        assert_eq!(only(&set).status, right, "{listed}");
    }
    // A body that is empty, as CPA tells it on either way.
    let mut set = after_event(&event("claude", 500, "", json!({})));
    assert_eq!(only(&set).status, Status::Active);
    set.take(snapshot(&message("")), time(NOW));
    assert_eq!(only(&set).status, Status::Active);
}

#[test]
fn a_cooldown_keeps_the_reason_it_was_heard_with() {
    let table = [
        (
            429,
            "slow down",
            json!({ "quota": { "reason": "credential_quota" } }),
            "credential_quota",
        ),
        (404, "{}", json!({}), "not_found"),
        (400, "model_not_supported", json!({}), "model_not_supported"),
        (
            403,
            "cloudflare challenge",
            json!({}),
            "cloudflare_challenge",
        ),
        (
            400,
            r#"{"error":"invalid_grant"}"#,
            json!({}),
            "invalid_grant",
        ),
        (401, "what is this", json!({}), "unauthorized"),
        (402, "what is this", json!({}), "payment_required"),
        (503, "what is this", json!({}), "transient_error"),
    ];
    for (status, body, mut state, reason) in table {
        state["unavailable"] = true.into();
        state["next_retry_after"] = "2026-11-22T05:00:00.123456789Z".into();
        let mut set = after_event(&event("codex", status, body, state));
        assert_eq!(only(&set).cooldowns[0].reason.as_str(), reason, "{body}");
        // Also where the list rounds, and where another message came between.
        for (message, until) in [(body, LATER), ("other", "2026-11-22T05:00:00.5Z")] {
            let listed = json!({ "status_message": message, "unavailable": true, "next_retry_after": until });
            set.take(snapshot(&listed), time(NOW));
            assert_eq!(
                only(&set).cooldowns[0].reason.as_str(),
                reason,
                "{body} {message}"
            );
        }
        // A later end is another cool-down.
        let listed = json!({ "status_message": "quota exhausted", "unavailable": true,
                             "next_retry_after": "2026-11-22T06:00:00Z" });
        set.take(snapshot(&listed), time(NOW));
        assert_eq!(
            only(&set).cooldowns[0].reason,
            CooldownReason::Quota,
            "{body}"
        );
    }
}

/// As a CPA 7.2.140 tells a challenge by Cloudflare: the whole has the general word.
#[test]
fn a_whole_that_waits_for_one_model_has_the_models_reason() {
    let model = |end: &str| {
        json!({
            "unavailable": true, "next_retry_after": LATER, "quota": { "exceeded": true, "reason": "quota" },
            "model": { "name": "m", "status": "error", "unavailable": true, "next_retry_after": end,
                       "quota": { "exceeded": true, "reason": "cloudflare challenge" } },
        })
    };
    let challenge = |end| event("codex", 403, "<title>Just a moment...</title>", model(end));
    let reasons = |set: &AccountSet| -> Vec<CooldownReason> {
        only(set).cooldowns.iter().map(|c| c.reason).collect()
    };
    let both = [CooldownReason::CloudflareChallenge; 2];
    assert_eq!(reasons(&after_event(&challenge(LATER))), both);
    let apart = [CooldownReason::Quota, CooldownReason::CloudflareChallenge];
    let another = after_event(&challenge("2026-11-22T06:00:00Z"));
    assert_eq!(reasons(&another), apart);
}

#[test]
fn a_failure_that_a_client_caused_says_nothing_of_the_account() {
    let dead = "This organization has been disabled.";
    let mut set = after_event(&event("claude", 400, dead, json!({})));
    assert_eq!(only(&set).status, Status::Error);
    let mut later = event(
        "claude",
        500,
        "prompt is too long",
        json!({ "status_message": dead }),
    );
    later["code"] = "request_scoped".into();
    hear(&mut set, &later);
    assert_eq!(only(&set).status, Status::Error);
    later["auth_status"] = json!({ "status": "active", "unavailable": false });
    hear(&mut set, &later);
    assert_eq!(only(&set).status, Status::Active);
}

/// A failure that nothing explains, and a refusal that turns out to be of one model only.
#[test]
fn an_account_that_serves_on_after_a_failure_is_no_error() {
    for (status, message) in [
        (302, "what is this"),
        (403, "permission_error: no access to this model"),
    ] {
        let listed =
            |success: u64| snapshot(&json!({ "status_message": message, "success": success }));
        let mut set = AccountSet::default();
        set.take(listed(5), time(NOW));
        set.take(listed(5), time(NOW));
        assert_eq!(only(&set).status, Status::Error, "{message}");
        set.take(listed(6), time(NOW));
        set.take(listed(6), time(NOW));
        assert_eq!(only(&set).status, Status::Active, "{message}");
        // A failure that came after these successes.
        hear(&mut set, &event("codex", status, message, json!({})));
        assert_eq!(only(&set).status, Status::Error, "{message}");
        set.take(listed(7), time(NOW));
        assert_eq!(only(&set).status, Status::Error, "{message}");
        set.take(listed(8), time(NOW));
        assert_eq!(only(&set).status, Status::Active, "{message}");
        // All models that were used are refused.
        let listed = json!({ "status_message": message, "success": 9, "unavailable": true });
        set.take(snapshot(&listed), time(NOW));
        assert!(!only(&set).status.is_up(), "{message}");
    }
}

#[test]
fn v8_tells_a_transient_cooldown_by_its_status_where_it_has_no_word() {
    let page = |reason: &str, status: u16| {
        let body = json!({ "files": [{
            "auth_index": "00aa", "provider": "codex", "status": "error", "status_message": "what is this",
            "cooldowns": [{ "scope": "credential", "reason": reason, "retry_at": LATER, "http_status": status }],
        }] });
        let page = decode_v8::page(body.to_string().as_bytes(), &decoding()).unwrap();
        let mut account = page.listed.accounts[0].clone();
        assert_eq!(account.reported, Reported::Error);
        account.settle(time(NOW));
        (account.cooldowns[0].reason, account.status)
    };
    let transient = CooldownReason::TransientError;
    let quota = CooldownReason::Quota;
    assert_eq!(page("unknown", 502).0, transient);
    assert_eq!(page("", 502).0, transient);
    assert_eq!(page("", 429), (quota, Status::Cooling));
    assert_eq!(page("quota", 502), (quota, Status::Cooling));
    assert_eq!(
        page("unauthorized", 401),
        (CooldownReason::Unauthorized, Status::Error)
    );
}
