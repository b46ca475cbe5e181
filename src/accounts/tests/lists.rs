//! Decoding of all captured lists.

use std::fmt::Write as _;

use secrecy::ExposeSecret;

use super::super::{CooldownReason, Status};
use super::{body, decoding, files, time};
use crate::cpa::lists::account::{QuotaSignals, Scope};
use crate::cpa::lists::decode_v8;
use crate::cpa::lists::key_lists::{self, KeyList};
use crate::model::AuthType;

#[test]
fn states_of_a_captured_pool() {
    use Status::{Active, Cooling, Disabled, Error};
    let expected = [
        ("c69676dc742b0fe7", "antigravity", "", Error),
        ("bd8af3039c5a6536", "claude", "", Active),
        ("cc164d12220520a1", "claude", "", Active),
        ("01d751d8db5fa685", "claude", "", Cooling),
        ("1ad89ab751499c4d", "codex", "plus", Active),
        ("4e6bfc6b989903e3", "codex", "pro", Active),
        ("3ab39939eea8b755", "codex", "", Disabled),
        // One model is exhausted; CPA uses the others.
        ("0dd24356a5fbd525", "codex", "", Active),
        ("258d513dd0c08e56", "kimi", "", Error),
        ("2d56394a3774abda", "somethingelse", "", Active),
        ("374de6dbc78e70d8", "vertex", "", Active),
        ("448a81c0f3c57213", "xai", "", Active),
    ];
    let mut listed = files(&body("auth_files_states"));
    assert_eq!(listed.skipped, 0);
    let now = time("2026-11-22T04:37:03Z");
    let found: Vec<_> = listed
        .accounts
        .iter_mut()
        .map(|account| {
            account.settle(now);
            assert_eq!(account.auth_type, AuthType::Oauth);
            let plan = account.plan.as_deref().unwrap_or_default();
            (
                &*account.auth_index,
                &*account.provider,
                plan,
                account.status,
            )
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn fields_of_quota_requests_are_kept() {
    let listed = files(&body("auth_files_states"));
    let of = |index: &str| {
        let mut accounts = listed.accounts.iter();
        accounts.find(|a| &*a.auth_index == index).unwrap()
    };
    let codex = of("1ad89ab751499c4d");
    let id = codex.chatgpt_account_id.as_ref().unwrap();
    assert_eq!(id.expose_secret(), "acc-fix-0");
    assert_eq!(codex.subscription_end, Some(time("2026-12-01T00:00:00Z")));
    assert_eq!(
        codex.updated_at,
        Some(time("2026-11-22T04:37:00.559052917Z"))
    );
    assert_eq!((codex.success, codex.failed), (Some(5), Some(0)));
    let antigravity = of("c69676dc742b0fe7");
    assert_eq!(antigravity.project_id.as_deref(), Some("proj-fix-1"));
    let claude = of("01d751d8db5fa685");
    assert!(claude.unavailable);
    assert_eq!(
        claude.next_retry,
        Some(time("2026-11-22T06:00:22.524736174Z"))
    );
    let [cooldown] = &claude.cooldowns[..] else {
        panic!("{:?}", claude.cooldowns)
    };
    assert_eq!(cooldown.scope, Scope::Credential);
    assert_eq!(cooldown.reason, CooldownReason::Quota);
    assert_eq!(Some(cooldown.until), claude.next_retry);
}

#[test]
fn lists_expose_no_addresses_keys_or_account_ids() {
    let mut all = String::new();
    for fixture in [
        "auth_files_states",
        "auth_files_fresh",
        "auth_files_after_restart",
        "auth_files_after_disable",
    ] {
        write!(all, "{:?}", files(&body(fixture))).unwrap();
    }
    for list in KeyList::ALL {
        let body = body(&format!("get_{}", list.name().replace('-', "_")));
        let listed = key_lists::entries(list, &body, &decoding()).unwrap();
        write!(all, "{listed:?}").unwrap();
    }
    let usage = key_lists::usage(&body("get_api_key_usage"), &decoding()).unwrap();
    write!(all, "{usage:?}").unwrap();
    assert!(all.len() > 10_000);
    for secret in [
        "@example",
        "acc-fix",
        "-aa\"",
        "-bb\"",
        "deep-one",
        "cafe-one",
        "codex-team",
    ] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[test]
fn addresses_are_kept_if_exposed() {
    let mut with = decoding();
    with.keep_email = true;
    let listed = crate::cpa::lists::decode_v0::files(&body("auth_files_by_name"), &with).unwrap();
    let email = listed.accounts[0].email.as_ref().unwrap();
    assert!(email.expose_secret().contains('@'));
}

#[test]
fn empty_pool_is_a_valid_list() {
    assert!(files(&body("auth_files_none")).accounts.is_empty());
    assert!(
        files(&body("auth_files_filter_unknown"))
            .accounts
            .is_empty()
    );
}

#[test]
fn keys_have_index_mask_and_provider_of_their_records() {
    let expected: [(KeyList, &[(&str, &str)]); 7] = [
        (
            KeyList::Gemini,
            &[
                ("503d32cb1f95c447", "gemini"),
                ("0162473661913208", "gemini"),
            ],
        ),
        (
            KeyList::Interactions,
            &[("63760da1c2345e5d", "gemini-interactions")],
        ),
        (
            KeyList::Claude,
            &[
                ("c9d00c9440a23bca", "claude"),
                ("0c931fd636060f8c", "claude"),
            ],
        ),
        (
            KeyList::Codex,
            &[
                ("231536fa11433566", "codex"),
                ("a402aef6242e69f8", "codex"),
                ("e99310bdd5ccf632", "codex"),
            ],
        ),
        (
            KeyList::Xai,
            &[("a1ad8f8ad193b91b", "xai"), ("9d4054c8d2bd71f6", "xai")],
        ),
        (KeyList::Vertex, &[("3359dfdcca7b5e71", "vertex")]),
        (
            KeyList::Compat,
            &[
                ("61f7261ab7d6200f", "openai-compatible-deepfake"),
                ("630a6a994884f777", "openai-compatible-deepfake"),
                ("05043f17e3a0f2ae", "openai-compatible-router-café"),
                ("9ed9f76d5fb8cf7c", "openai-compatible-localkeyless"),
            ],
        ),
    ];
    for (list, keys) in expected {
        let body = body(&format!("get_{}", list.name().replace('-', "_")));
        let listed = key_lists::entries(list, &body, &decoding()).unwrap();
        assert_eq!(listed.skipped, 0, "{list:?}");
        let accounts = listed.keys.iter().map(|key| &key.account);
        let found: Vec<_> = accounts.map(|a| (&*a.auth_index, &*a.provider)).collect();
        assert_eq!(found, keys, "{list:?}");
        for key in &listed.keys {
            let keyless = &*key.account.auth_index == "9ed9f76d5fb8cf7c";
            assert_eq!(key.fingerprint.is_none(), keyless);
            assert_eq!(key.account.auth_type == AuthType::Unknown, keyless);
            assert_eq!(key.account.name_masked.contains("..."), !keyless);
            let url = key.account.base_url.as_deref().unwrap();
            assert!(url.starts_with("http://127.0.0.1:19101/"), "{url}");
        }
    }
}

#[test]
fn keys_match_their_results_in_the_usage_list() {
    let usage = key_lists::usage(&body("get_api_key_usage"), &decoding()).unwrap();
    let mut found = 0;
    for list in KeyList::ALL {
        let body = body(&format!("get_{}", list.name().replace('-', "_")));
        let listed = key_lists::entries(list, &body, &decoding()).unwrap();
        let prints = listed.keys.iter().filter_map(|key| key.fingerprint);
        found += prints.filter(|print| usage.contains_key(print)).count();
    }
    assert_eq!(found, 14);
    assert_eq!(usage.len(), 14);
}

#[test]
fn switched_off_key_is_disabled() {
    let body = br#"{"codex-api-key":[{"api-key":"sk-0123456789","auth-index":"00aa","excluded-models":["*"],
        "base-url":"https://user:secret@example.com/v1?key=secret#secret"}]}"#;
    let listed = key_lists::entries(KeyList::Codex, body, &decoding()).unwrap();
    let mut account = listed.keys[0].account.clone();
    account.settle(time("2026-11-22T00:00:00Z"));
    assert_eq!(account.status, Status::Disabled);
    assert_eq!(account.base_url.as_deref(), Some("https://example.com/v1"));
}

#[test]
fn v8_has_cooldowns_and_quota_headers() {
    let body = br#"{"observed_at":"2026-11-22T04:00:00Z","total":2,"page":1,"page_size":1,"has_more":true,"files":[
        {"auth_index":"00aa","provider":"codex","status":"error","account_type":"oauth","supports_quota":true,
         "quota":{"observed_at":"2026-11-22T03:59:00Z","signals":{"X-Codex-Plan-Type":"plus","Retry-After":7}},
         "model_quotas":{"gpt-5":{"signals":{"X-Codex-Primary-Used-Percent":"64"}},"broken":7},
         "cooldowns":[
           {"scope":"model","model_key":"gpt-5","reason":"cloudflare challenge","retry_at":"2026-11-22T05:00:00Z","remaining_seconds":1},
           {"scope":"credential","reason":"invalid_grant","retry_at":"2026-11-22T06:00:00Z","http_status":401},
           {"scope":"universe","reason":"quota","retry_at":"2026-11-22T06:00:00Z"},
           {"scope":"model","model_key":"x","reason":"quota"}, 5]}]}"#;
    let page = decode_v8::page(body, &decoding()).unwrap();
    assert!(page.more);
    let mut account = page.listed.accounts[0].clone();
    account.settle(time("2026-11-22T04:00:00Z"));
    assert_eq!(account.status, Status::Error);
    let cooldowns: Vec<_> = account
        .cooldowns
        .iter()
        .map(|c| (c.scope.as_str(), c.reason.as_str(), c.until))
        .collect();
    assert_eq!(
        cooldowns,
        [
            (
                "model",
                "cloudflare_challenge",
                time("2026-11-22T05:00:00Z")
            ),
            ("credential", "invalid_grant", time("2026-11-22T06:00:00Z")),
        ]
    );
    let signals = QuotaSignals {
        observed_at: Some(time("2026-11-22T03:59:00Z")),
        headers: vec![("x-codex-plan-type".into(), "plus".into())],
    };
    assert_eq!(account.quota_signals, Some(signals));
    assert_eq!(account.model_signals.len(), 1);
    assert!(account.supports_quota);
}

#[test]
fn documentation_names_every_status_and_reason() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let line = |label: &str| {
        let start = format!("| `{label}`");
        page.lines().find(|line| line.starts_with(&start)).unwrap()
    };
    for status in Status::ALL.map(Status::as_str) {
        assert!(line("status").contains(&format!("`{status}`")), "{status}");
    }
    let reasons = line("reason` of `cpa_account_cooldown_until_timestamp_seconds");
    for reason in CooldownReason::ALL.map(CooldownReason::as_str) {
        assert!(reasons.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[test]
fn last_or_empty_v8_page_ends_the_list() {
    for (body, more) in [
        (r#"{"files":[]}"#, false),
        (r#"{"files":[],"has_more":true}"#, false),
        (r#"{"files":[{"auth_index":"a"}],"has_more":"yes"}"#, false),
        (
            r#"{"files":[{"auth_index":"a","cooldowns":null}],"has_more":true}"#,
            true,
        ),
    ] {
        let page = decode_v8::page(body.as_bytes(), &decoding()).unwrap();
        assert_eq!(page.more, more, "{body}");
    }
}

#[test]
fn v0_of_7_3_has_quota_headers() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/cases/v0-quota-signals.json"
    );
    let case = std::fs::read_to_string(path).unwrap();
    let case = case
        .replace("@now-30", "2026-11-22T04:37:03Z")
        .replace("@epoch+", "17953");
    let body = format!(
        "{{\"files\":[{case},{{\"auth_index\":\"00aa\",\"quota\":{{\"exceeded\":true}}}}]}}"
    );
    let listed = files(body.as_bytes());
    assert_eq!((listed.accounts.len(), listed.skipped), (2, 0));
    let signals = listed.accounts[0].quota_signals.as_ref().unwrap();
    assert_eq!(signals.observed_at, Some(time("2026-11-22T04:37:03Z")));
    let of = |name: &str| {
        let mut headers = signals.headers.iter();
        headers
            .find(|(has, _)| &**has == name)
            .map(|(_, value)| &**value)
    };
    assert_eq!(
        of("anthropic-ratelimit-unified-5h-utilization"),
        Some("0.08")
    );
    assert_eq!(
        of("anthropic-ratelimit-unified-7d-utilization"),
        Some("0.31")
    );
    assert_eq!(
        listed.accounts[1].quota_signals,
        Some(QuotaSignals::default()),
        "an older form"
    );
}
