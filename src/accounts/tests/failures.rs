//! The effect of failures on an account: from the errors channel, from the list, and from both in
//! turn.

use serde_json::{Value, json};

use super::super::account_set::AccountSet;
use super::super::error_event;
use super::{decoding, files, time};
use crate::cpa::lists::Lists;
use crate::cpa::lists::account::{Account, Reported, Status};
use crate::cpa::lists::cooldown_reason::CooldownReason;
use crate::cpa::lists::decode_v8;
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

fn snapshot(fields: &Value) -> Lists {
    let body = json!({ "files": [entry(fields)] }).to_string();
    Lists {
        files: files(body.as_bytes()).accounts,
        ..Lists::default()
    }
}

/// A pool with one active account after this failure.
fn after_event(event: &Value) -> AccountSet {
    let mut set = AccountSet::default();
    set.apply(&snapshot(&json!({ "status": "active" })), time(NOW));
    record_failure(&mut set, event);
    set
}

fn record_failure(set: &mut AccountSet, event: &Value) {
    let heard = error_event::decode(event.to_string().as_bytes(), &decoding()).unwrap();
    assert!(set.record_failure(&heard, time(NOW)));
}

/// An event as CPA sends it if `body` is the upstream's response; `state` is the account's state.
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

/// Accounts and records share one table; accounts only add whether intervention is needed.
#[test]
fn account_failures_use_the_table_of_records() {
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
        // The list has the same message without a status.
        let mut set = set;
        let listed = json!({ "provider": provider, "status_message": body });
        set.apply(&snapshot(&listed), time(NOW));
        assert_eq!(only(&set).status, right, "listed: {line}");
        tried += 1;
    }
    assert!(tried > 100);
}

#[test]
fn unusable_accounts_are_errors_and_usable_ones_active() {
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
            // Also while all failed models are in a cool-down.
            [false, true].map(|unavailable| {
                json!({ "status_message": message, "unavailable": unavailable, "right": right })
            })
        })
        .collect();
    all.extend(given);
    for case in all {
        let mut set = AccountSet::default();
        set.apply(&snapshot(&case), time(NOW));
        let account = only(&set);
        assert_eq!(account.status.as_str(), case["right"], "{case}");
        assert_eq!(account.status.is_up(), case["right"] == "active", "{case}");
    }
}

#[test]
fn failing_upstream_cools_down_and_leaves_the_account_up() {
    let state = json!({ "unavailable": true, "next_retry_after": LATER });
    let mut set = after_event(&event("claude", 500, "what is this", state.clone()));
    for _ in 0..2 {
        let account = only(&set);
        assert_eq!(account.status, Status::Active);
        assert_eq!(account.cooldowns[0].reason, CooldownReason::TransientError);
        assert_eq!(account.cooldowns[0].until, time(LATER));
        let mut listed = state.clone();
        listed["status_message"] = "what is this".into();
        set.apply(&snapshot(&listed), time(NOW));
    }
    set.settle(time(LATER));
    assert_eq!(only(&set).status, Status::Active);
    assert!(only(&set).cooldowns.is_empty());
}

/// Without a status, such a text is ambiguous; with one, the reason stays until CPA's message
/// changes.
#[test]
fn status_of_an_event_is_kept_while_its_message_is_unchanged() {
    let message = |text: &str| json!({ "status_message": text });
    let heard = after_event(&event("claude", 502, "what is this", json!({})));
    for (listed, right) in [
        (message("what is this"), Status::Active),
        (message("something else"), Status::Error),
        (message(""), Status::Error),
    ] {
        let mut set = after_event(&event("claude", 502, "what is this", json!({})));
        assert_eq!(only(&heard).status, Status::Active);
        set.apply(&snapshot(&listed), time(NOW));
        assert_eq!(only(&set).status, right, "{listed}");
    }
    // An empty body, in both of CPA's forms.
    let mut set = after_event(&event("claude", 500, "", json!({})));
    assert_eq!(only(&set).status, Status::Active);
    set.apply(&snapshot(&message("")), time(NOW));
    assert_eq!(only(&set).status, Status::Active);
}

#[test]
fn cooldown_keeps_the_reason_of_its_event() {
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
        // Also if the list rounds, and after another message.
        for (message, until) in [(body, LATER), ("other", "2026-11-22T05:00:00.5Z")] {
            let listed = json!({ "status_message": message, "unavailable": true, "next_retry_after": until });
            set.apply(&snapshot(&listed), time(NOW));
            assert_eq!(
                only(&set).cooldowns[0].reason.as_str(),
                reason,
                "{body} {message}"
            );
        }
        // A later end means another cool-down.
        let listed = json!({ "status_message": "quota exhausted", "unavailable": true,
                             "next_retry_after": "2026-11-22T06:00:00Z" });
        set.apply(&snapshot(&listed), time(NOW));
        assert_eq!(
            only(&set).cooldowns[0].reason,
            CooldownReason::Quota,
            "{body}"
        );
    }
}

/// As CPA 7.2.140 reports a Cloudflare challenge: the credential has the general reason.
#[test]
fn credential_cooldown_has_the_reason_of_its_model() {
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
fn failure_caused_by_a_client_does_not_change_the_account() {
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
    record_failure(&mut set, &later);
    assert_eq!(only(&set).status, Status::Error);
    later["auth_status"] = json!({ "status": "active", "unavailable": false });
    record_failure(&mut set, &later);
    assert_eq!(only(&set).status, Status::Active);
}

/// After an unknown failure, and after a refusal that concerned one model only.
#[test]
fn account_with_successes_after_a_failure_is_active() {
    for (status, message) in [
        (302, "what is this"),
        (403, "permission_error: no access to this model"),
    ] {
        let listed =
            |success: u64| snapshot(&json!({ "status_message": message, "success": success }));
        let mut set = AccountSet::default();
        set.apply(&listed(5), time(NOW));
        set.apply(&listed(5), time(NOW));
        assert_eq!(only(&set).status, Status::Error, "{message}");
        set.apply(&listed(6), time(NOW));
        set.apply(&listed(6), time(NOW));
        assert_eq!(only(&set).status, Status::Active, "{message}");
        // A failure that came after these successes.
        record_failure(&mut set, &event("codex", status, message, json!({})));
        assert_eq!(only(&set).status, Status::Error, "{message}");
        set.apply(&listed(7), time(NOW));
        assert_eq!(only(&set).status, Status::Error, "{message}");
        set.apply(&listed(8), time(NOW));
        assert_eq!(only(&set).status, Status::Active, "{message}");
        // All models that were used are refused.
        let listed = json!({ "status_message": message, "success": 9, "unavailable": true });
        set.apply(&snapshot(&listed), time(NOW));
        assert!(!only(&set).status.is_up(), "{message}");
    }
}

#[test]
fn v8_cooldown_without_reason_is_classified_by_status() {
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
