//! Every captured management answer against the simulator's own.
//!
//! Equal in status, in the names and values of headers (but the date) and in the way the length is
//! told. Bodies are equal too, except where they show the accounts, models or settings of the
//! capture's configuration: there the shape is compared, that is the keys of objects and the kind
//! of their values. Which is which is said in the tables.

mod shapes;

use std::collections::BTreeSet;

use cpa_exporter_simulator::{Management, Simulator, SimulatorConfig, TrafficConfig};
use serde_json::Value;

use self::shapes::same_shape;
use super::support::{Client, HttpAnswer, KEY, fixtures, frozen, get, http, start};

/// Bodies that must be equal.
const EXACT: [&str; 50] = [
    "401_missing_key",
    "401_wrong_key",
    "403_banned",
    "403_banned_right_key",
    "404_management_disabled",
    "404_management_disabled_v8",
    "api_call_bad_proxy",
    "api_call_invalid_url",
    "api_call_malformed",
    "api_call_missing_method",
    "api_call_missing_url",
    "api_call_no_index",
    "api_call_unknown_index",
    "api_call_unreachable",
    "auth_files_filter_unknown",
    "auth_files_models_missing_name",
    "auth_files_none",
    "authorization_without_bearer",
    "get_api_keys",
    "get_debug",
    "get_request_retry",
    "get_routing_strategy",
    "get_usage_statistics_after_false",
    "get_usage_statistics_enabled",
    "healthz",
    "healthz_while_banned",
    "patch_status_disable",
    "patch_status_enable",
    "patch_status_malformed",
    "patch_status_missing_disabled",
    "patch_status_unknown",
    "put_usage_statistics_bad",
    "put_usage_statistics_false",
    "put_usage_statistics_true",
    "quota_providers_v0",
    "remote_by_xff_right_key",
    "reset_quota_malformed",
    "reset_quota_unknown",
    "root",
    "unknown_v0_route_with_key",
    "unknown_v0_route_without_key",
    "usage_queue_count_bad_0",
    "usage_queue_count_bad_neg",
    "usage_queue_count_bad_text",
    "usage_queue_empty",
    "usage_queue_while_subscriber",
    "v8_probe_while_banned",
    "v8_probe_with_key",
    "v8_probe_without_key",
    "xkey_header",
];

/// Records that were captured, pushed and popped again: equal as JSON.
const RECORDS: [&str; 3] = ["usage_queue_all", "usage_queue_count5", "usage_queue_one"];

/// Equal but for the accounts of the capture: every key of ours must be known there, and what all
/// captured entries have must be in ours.
const SHAPE: [&str; 22] = [
    "api_call_antigravity_summary",
    "api_call_claude_profile",
    "api_call_claude_usage",
    "api_call_codex_wham",
    "api_call_kimi_usages",
    "api_call_xai_billing",
    "api_call_xai_billing_credits",
    "auth_files_after_disable",
    "auth_files_after_enable",
    "auth_files_after_reset_quota",
    "auth_files_by_index",
    "auth_files_by_name",
    "auth_files_models",
    "get_claude_api_key",
    "get_codex_api_key",
    "get_gemini_api_key",
    "get_openai_compatibility",
    "get_proxy_url",
    "get_vertex_api_key",
    "get_xai_api_key",
    "latest_version_ok_fake_github",
    "reset_quota_ok",
];

/// As [`SHAPE`], but keyed by names that are data, or a subset of the captured keys: looked at in
/// tests of their own in the module `shapes`.
const OWN_TESTS: [&str; 8] = [
    "api_key_usage_after_restart",
    "auth_files_after_restart",
    "auth_files_fresh",
    "auth_files_states",
    "get_api_key_usage",
    "get_config",
    "get_interactions_api_key",
    "v8_queue_probe_with_key",
];

/// The capture's accounts, and which provider they are of.
const ACCOUNTS: [(&str, &str, bool); 6] = [
    ("4e6bfc6b989903e3", "codex", true),
    ("bd8af3039c5a6536", "claude", true),
    ("258d513dd0c08e56", "kimi", true),
    ("c69676dc742b0fe7", "antigravity", true),
    ("448a81c0f3c57213", "xai", true),
    ("231536fa11433566", "codex", false),
];

fn load(name: &str) -> Value {
    let path = fixtures("http").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn config() -> SimulatorConfig {
    SimulatorConfig {
        clock: frozen(),
        version_text: Some("dev".to_owned()),
        ..SimulatorConfig::default()
    }
}

async fn prepared(name: &str) -> Simulator {
    let mut config = config();
    if name.contains("disabled_v8") || name == "404_management_disabled" {
        config.management = Management::Disabled;
    }
    if name == "auth_files_none" {
        // Gemini credentials are config keys, which are no auth files.
        config.traffic = TrafficConfig {
            providers: vec!["gemini".to_owned()],
            ..TrafficConfig::default()
        };
    }
    let simulator = start(config).await;
    if name == "get_usage_statistics_after_false" {
        simulator.set_usage_statistics(false);
    }
    if name.contains("banned") {
        for _ in 0..5 {
            let wrong = [("Authorization", "Bearer wrong")];
            let answer = http(simulator.addr(), "GET", "/v0/management/debug", &wrong, "").await;
            assert_eq!(answer.status, 401);
        }
    }
    simulator
}

/// Sends the captured request, with the capture's accounts replaced by the simulator's.
async fn ask(simulator: &Simulator, captured: &Value) -> HttpAnswer {
    let request = &captured["request"];
    let headers: Vec<(&str, &str)> = request["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let body = match &request["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            request["body"].to_string()
        }
    };
    let names = names(simulator).await;
    let ours = |mut text: String| {
        for (theirs, own) in &names {
            text = text.replace(theirs, own);
        }
        text
    };
    let method = request["method"].as_str().unwrap();
    let path = ours(request["path"].as_str().unwrap().to_owned());
    http(simulator.addr(), method, &path, &headers, &ours(body)).await
}

/// What the capture calls an account, and what the simulator does.
async fn names(simulator: &Simulator) -> Vec<(String, String)> {
    let mut names = Vec::new();
    let files = get(simulator, "/v0/management/auth-files").await;
    if files.status != 200 {
        return names;
    }
    let files = files.json();
    let keys = get(simulator, "/v0/management/codex-api-key").await.json();
    for (index, provider, is_file) in ACCOUNTS {
        let entries = files["files"].as_array().unwrap();
        let file = entries.iter().find(|file| file["provider"] == provider);
        let own = match file {
            Some(file) if is_file => &file["auth_index"],
            _ => &keys["codex-api-key"][0]["auth-index"],
        };
        names.push((index.to_owned(), own.as_str().unwrap_or("").to_owned()));
        let theirs = match provider {
            "codex" => "codex-bob@example.org-pro.json",
            "claude" => "claude-alice@example.com.json",
            _ => continue,
        };
        if let Some(file) = file {
            names.push((theirs.to_owned(), file["name"].as_str().unwrap().to_owned()));
        }
    }
    names
}

fn same_head(name: &str, captured: &Value, got: &HttpAnswer) {
    let response = &captured["response"];
    assert_eq!(response["status"], got.status, "{name}");
    for (header, value) in response["headers"].as_object().unwrap() {
        let own = got.header(header);
        match header.as_str() {
            "Date" => assert!(own.is_some(), "{name}"),
            // Shown accounts may need more or fewer bytes.
            "Content-Length" | "Transfer-Encoding" if !EXACT.contains(&name) => {}
            _ => assert_eq!(own, value.as_str(), "{name}: {header}"),
        }
    }
    let expected = response["headers"].as_object().unwrap();
    for (header, _) in &got.headers {
        let closes = header == "Connection";
        let length = matches!(header.as_str(), "Content-Length" | "Transfer-Encoding");
        let known = expected.contains_key(header);
        assert!(closes || length || known, "{name}: {header} is ours alone");
    }
}

#[tokio::test]
async fn answers_are_equal() {
    for name in EXACT {
        let captured = load(name);
        let simulator = prepared(name).await;
        let subscriber = if name == "usage_queue_while_subscriber" {
            let subscriber = Client::subscribed(simulator.addr()).await;
            simulator.push("{}");
            Some(subscriber)
        } else {
            None
        };
        let got = ask(&simulator, &captured).await;
        same_head(name, &captured, &got);
        let body = captured["response"]["body_raw"].as_str().unwrap();
        assert_eq!(String::from_utf8_lossy(&got.body), body, "{name}");
        drop(subscriber);
    }
}

#[tokio::test]
async fn the_queue_over_http_gives_the_records() {
    for name in RECORDS {
        let captured = load(name);
        let records = captured["response"]["body"].as_array().unwrap();
        let simulator = prepared(name).await;
        simulator.push_many(records.iter().map(Value::to_string));
        simulator.push("{\"later\":true}");
        let got = ask(&simulator, &captured).await;
        same_head(name, &captured, &got);
        let got = got.json();
        let got = got.as_array().unwrap();
        assert_eq!(got[..records.len()], records[..], "{name}");
        // What was asked for beyond the captured records takes the later one as well.
        let left = simulator.totals().queued;
        assert_eq!(left, u64::from(name != "usage_queue_all"), "{name}");
    }
}

#[tokio::test]
async fn answers_have_the_same_shape() {
    for name in SHAPE {
        let captured = load(name);
        let simulator = prepared(name).await;
        let got = ask(&simulator, &captured).await;
        same_head(name, &captured, &got);
        let mut expected = captured["response"]["body"].clone();
        let mut own = got.json();
        if name.starts_with("api_call_") {
            unwrap_upstream(&mut expected);
            unwrap_upstream(&mut own);
        }
        same_shape(name, &expected, &own);
    }
}

/// The upstream's body is JSON in a string.
fn unwrap_upstream(answer: &mut Value) {
    let inner: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    answer["body"] = inner;
    let headers = answer["header"].as_object_mut().unwrap();
    // The capture's upstream told whose token it had seen.
    headers.remove("X-Seen-Token-Tail");
}

#[test]
fn no_answer_is_left_out() {
    let names = std::fs::read_dir(fixtures("http")).unwrap();
    let names: BTreeSet<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    let replayed: BTreeSet<String> = EXACT
        .into_iter()
        .chain(RECORDS)
        .chain(SHAPE)
        .chain(OWN_TESTS)
        .map(str::to_owned)
        .collect();
    assert_eq!(names, replayed);
    assert_eq!(KEY, "mgmt-fixture-key");
}
