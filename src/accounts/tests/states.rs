//! Changes of a state with time and with failure events.

use super::super::account_set::AccountSet;
use super::super::error_event;
use super::{account, decoding, files, time};
use crate::cpa::lists::Lists;
use crate::cpa::lists::account::{Scope, Status};
use crate::cpa::lists::cooldown_reason::CooldownReason;
use crate::cpa::lists::key_lists::{self, KeyList};

const NOW: &str = "2026-11-22T04:37:00Z";

#[test]
fn status_follows_from_text_and_flags() {
    let later = r#""next_retry_after":"2026-11-22T05:00:00Z""#;
    let quota = r#""status_message":"quota exhausted""#;
    let auth = r#""status_message":"unauthorized""#;
    let table = [
        (r#""status":"active""#.to_owned(), Status::Active),
        (r#""status":"ready""#.to_owned(), Status::Active),
        (r#""status":"refreshing""#.to_owned(), Status::Pending),
        (r#""status":"pending""#.to_owned(), Status::Pending),
        (r#""status":"unknown""#.to_owned(), Status::Unknown),
        (r#""status":"novel""#.to_owned(), Status::Unknown),
        (r#""status":null"#.to_owned(), Status::Unknown),
        (r#""status":"disabled""#.to_owned(), Status::Disabled),
        (
            r#""status":"active","disabled":true"#.to_owned(),
            Status::Disabled,
        ),
        (
            format!(r#""status":"error","unavailable":true,"disabled":true,{later}"#),
            Status::Disabled,
        ),
        (
            format!(r#""status":"error","unavailable":true,{quota},{later}"#),
            Status::Cooling,
        ),
        (
            format!(r#""status":"error","unavailable":true,{quota}"#),
            Status::Cooling,
        ),
        (
            format!(r#""status":"error","unavailable":true,{auth},{later}"#),
            Status::Error,
        ),
        (format!(r#""status":"error",{quota}"#), Status::Active),
        (format!(r#""status":"error",{auth}"#), Status::Error),
        (r#""status":"error""#.to_owned(), Status::Error),
        (
            r#""status":"error","status_message":"what is this""#.to_owned(),
            Status::Error,
        ),
        // The same with a cool-down.
        (
            format!(
                r#""status":"error","unavailable":true,"status_message":"what is this",{later}"#
            ),
            Status::Cooling,
        ),
    ];
    for (fields, status) in table {
        let account = account(&fields, NOW);
        assert_eq!(account.status, status, "{fields}");
        assert_eq!(
            account.status.is_up(),
            matches!(status, Status::Active | Status::Unknown)
        );
    }
}

#[test]
fn expired_cooldown_leaves_no_trace() {
    let fields = r#""status":"error","unavailable":true,"status_message":"quota",
        "next_retry_after":"2026-11-22T05:00:00Z""#;
    let mut account = account(fields, NOW);
    assert_eq!(account.status, Status::Cooling);
    assert_eq!(account.next_change(), Some(time("2026-11-22T05:00:00Z")));
    assert!(!account.settle(time("2026-11-22T04:59:59Z")));
    assert!(account.settle(time("2026-11-22T05:00:00Z")));
    assert_eq!(account.status, Status::Active);
    assert!(account.cooldowns.is_empty());
    assert_eq!((account.next_retry, account.next_change()), (None, None));
}

/// An event as CPA sends it, with these states of credential and model.
fn event(index: &str, status: u16, credential: &str, model: &str) -> Vec<u8> {
    format!(
        r#"{{"timestamp":"{NOW}","provider":"codex","model":"gpt-5","auth_id":"codex-someone@example.com.json",
        "auth_index":"{index}","status_code":{status},"body":"{{}}","auth_status":{{"status":"error",
        "disabled":false,{credential},"model":{{"name":"gpt-5","status":"error",{model}}}}}}}"#
    )
    .into_bytes()
}

fn snapshot(files_body: &str, has_all_cooldowns: bool) -> Lists {
    Lists {
        files: files(files_body.as_bytes()).accounts,
        has_all_cooldowns,
        ..Lists::default()
    }
}

const WAITING: &str = r#""unavailable":true,"next_retry_after":"2026-11-22T05:00:00Z""#;
const QUOTA: &str = r#""unavailable":true,"next_retry_after":"2026-11-22T05:00:00Z","quota":{"exceeded":true,"reason":"credential_quota"}"#;
const WELL: &str = r#""unavailable":false"#;
const ACTIVE: &str = r#"{"files":[{"auth_index":"00aa","provider":"codex","status":"active"}]}"#;
const FAILING: &str = r#"{"files":[{"auth_index":"00aa","provider":"codex","status":"error","status_message":"quota"}]}"#;

#[test]
fn failure_cools_down_at_once_and_the_next_snapshot_corrects_it() {
    let mut set = AccountSet::default();
    set.apply(&snapshot(ACTIVE, false), time(NOW));
    let event = event("00aa", 429, QUOTA, WELL);
    let event = error_event::decode(&event, &decoding()).unwrap();
    assert!(set.record_failure(&event, time(NOW)));
    let [account] = &set.list()[..] else { panic!() };
    assert_eq!(account.status, Status::Cooling);
    assert_eq!(account.cooldowns[0].reason, CooldownReason::CredentialQuota);
    assert_eq!(set.next_change(), Some(time("2026-11-22T05:00:00Z")));
    set.apply(&snapshot(ACTIVE, false), time(NOW));
    assert_eq!(set.list()[0].status, Status::Active);
    assert!(set.list()[0].cooldowns.is_empty());
}

#[test]
fn model_cooldown_survives_a_snapshot_without_model_states() {
    let scope = Scope::Model("gpt-5".into());
    let event = event("00aa", 404, WELL, WAITING);
    let event = error_event::decode(&event, &decoding()).unwrap();
    assert_eq!(event.code(), "404");
    for (next, tells, stays) in [
        (FAILING, false, true),
        (ACTIVE, false, false),
        (FAILING, true, false),
    ] {
        let mut set = AccountSet::default();
        set.apply(&snapshot(ACTIVE, tells), time(NOW));
        assert!(set.record_failure(&event, time(NOW)));
        let cooldowns = &set.list()[0].cooldowns;
        assert_eq!(cooldowns[0].scope, scope);
        assert_eq!(cooldowns[0].reason, CooldownReason::NotFound);
        set.apply(&snapshot(next, tells), time(NOW));
        assert_eq!(!set.list()[0].cooldowns.is_empty(), stays, "{next} {tells}");
        set.settle(time("2026-11-22T05:00:01Z"));
        assert!(set.list()[0].cooldowns.is_empty());
    }
}

/// A snapshot with one configured key and these results; `None` if CPA did not report any.
fn key_snapshot(counts: Option<(u64, u64)>) -> Lists {
    let body = br#"{"codex-api-key":[{"api-key":"sk-0123456789","auth-index":"00bb","base-url":"https://x/"}]}"#;
    let listed = key_lists::entries(KeyList::Codex, body, &decoding()).unwrap();
    let usage = counts.map(|(success, failed)| {
        let usage = format!(
            r#"{{"codex":{{"https://x/|sk-0123456789":{{"success":{success},"failed":{failed}}}}}}}"#
        );
        key_lists::usage(usage.as_bytes(), &decoding()).unwrap()
    });
    Lists {
        keys: vec![(KeyList::Codex, Some(listed.keys))],
        usage,
        ..Lists::default()
    }
}

/// A set with one key that has just failed.
fn with_failed_key(credential: &str) -> AccountSet {
    let mut set = AccountSet::default();
    set.apply(&key_snapshot(Some((5, 2))), time(NOW));
    let event = event("00bb", 429, credential, WAITING);
    let event = error_event::decode(&event, &decoding()).unwrap();
    assert!(set.record_failure(&event, time(NOW)));
    set
}

#[test]
fn success_ends_the_cooldown_of_a_configured_key() {
    let mut set = with_failed_key(WAITING);
    // The success may be older than the failure.
    set.apply(&key_snapshot(Some((6, 3))), time(NOW));
    assert_eq!(set.list()[0].status, Status::Cooling);
    set.apply(&key_snapshot(None), time(NOW));
    set.apply(&key_snapshot(Some((6, 4))), time(NOW));
    assert_eq!(set.list()[0].status, Status::Cooling);
    set.apply(&key_snapshot(Some((7, 4))), time(NOW));
    let account = &set.list()[0];
    assert_eq!(account.status, Status::Unknown);
    assert_eq!(account.next_retry, None);
    // Another model may still be in a cool-down.
    let scopes: Vec<_> = account.cooldowns.iter().map(|c| &c.scope).collect();
    assert_eq!(scopes, [&Scope::Model("gpt-5".into())]);
}

#[test]
fn restart_of_cpa_clears_configured_keys() {
    let mut set = with_failed_key(WAITING);
    set.apply(&key_snapshot(Some((5, 3))), time(NOW));
    assert_eq!(set.list()[0].status, Status::Cooling);
    set.apply(&key_snapshot(Some((0, 0))), time(NOW));
    assert_eq!(set.list()[0].status, Status::Unknown);
    assert!(set.list()[0].cooldowns.is_empty());
    // Restart before the first snapshot.
    let mut set = with_failed_key(WAITING);
    set.forget_failures();
    set.apply(&key_snapshot(Some((0, 0))), time(NOW));
    assert_eq!(set.list()[0].status, Status::Unknown);
    // A failure after the restart and before the snapshot counts.
    let mut set = with_failed_key(WAITING);
    set.apply(&key_snapshot(Some((0, 1))), time(NOW));
    assert_eq!(set.list()[0].status, Status::Cooling);
}

#[test]
fn failure_without_cooldown_leaves_a_configured_key_unchanged() {
    let mut set = with_failed_key(WELL);
    assert_eq!(set.list()[0].status, Status::Unknown);
    set.apply(&key_snapshot(Some((5, 3))), time(NOW));
    assert_eq!(set.list()[0].status, Status::Unknown);
}

#[test]
fn state_of_a_configured_key_ends_with_its_cooldown() {
    let snapshot = || key_snapshot(Some((5, 2)));
    let mut set = AccountSet::default();
    set.apply(&snapshot(), time(NOW));
    let account = &set.list()[0];
    assert_eq!(account.status, Status::Unknown);
    assert_eq!((account.success, account.failed), (Some(5), Some(2)));
    let event = event("00bb", 429, WAITING, WELL);
    set.record_failure(
        &error_event::decode(&event, &decoding()).unwrap(),
        time(NOW),
    );
    set.apply(&snapshot(), time(NOW));
    assert_eq!(set.list()[0].status, Status::Cooling);
    assert_eq!(set.list()[0].cooldowns[0].reason, CooldownReason::Quota);
    set.apply(&snapshot(), time("2026-11-22T05:00:00Z"));
    assert_eq!(set.list()[0].status, Status::Unknown);
}

#[test]
fn unreadable_list_keeps_its_keys_and_an_empty_one_does_not() {
    let body = br#"{"codex-api-key":[{"api-key":"k","auth-index":"00bb"},{"api-key":"k","auth-index":"00bb"}]}"#;
    let keys = key_lists::entries(KeyList::Codex, body, &decoding())
        .unwrap()
        .keys;
    let snapshot = |keys| Lists {
        keys: vec![(KeyList::Codex, keys)],
        ..Lists::default()
    };
    let mut set = AccountSet::default();
    set.apply(&snapshot(Some(keys)), time(NOW));
    // CPA gives equal keys the same index.
    assert_eq!(set.list().len(), 1);
    set.apply(&snapshot(None), time(NOW));
    assert_eq!(set.list().len(), 1);
    set.apply(&snapshot(Some(Vec::new())), time(NOW));
    assert!(set.list().is_empty());
}

#[test]
fn failures_of_unknown_accounts_and_noise_change_nothing() {
    let mut set = AccountSet::default();
    set.apply(&snapshot(ACTIVE, false), time(NOW));
    let event = event("00cc", 429, QUOTA, WELL);
    assert!(!set.record_failure(
        &error_event::decode(&event, &decoding()).unwrap(),
        time(NOW)
    ));
    let bare = br#"{"auth_index":"00aa","status_code":70000,"auth_status":7}"#;
    let event = error_event::decode(bare, &decoding()).unwrap();
    assert_eq!(event.code(), "other");
    assert!(set.record_failure(&event, time(NOW)));
    assert_eq!(set.list()[0].status, Status::Active);
    for nonsense in ["", "7", "[]", "{}", r#"{"auth_index":7}"#, "<html>"] {
        assert_eq!(
            error_event::decode(nonsense.as_bytes(), &decoding()),
            None,
            "{nonsense}"
        );
    }
}
