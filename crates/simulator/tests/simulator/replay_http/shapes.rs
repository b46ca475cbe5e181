//! Answers that show the accounts of a configuration: the shape is compared, not the values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ask, load, prepared, same_head};

/// All paths of a value to its leaves, list positions left out, with the kind of each leaf.
fn paths(value: &Value) -> BTreeMap<String, &'static str> {
    fn walk(at: &str, value: &Value, into: &mut BTreeMap<String, &'static str>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    walk(&format!("{at}.{key}"), value, into);
                }
            }
            Value::Array(list) => {
                for value in list {
                    walk(&format!("{at}[]"), value, into);
                }
            }
            Value::Null => {}
            Value::Bool(_) => {
                into.insert(at.to_owned(), "bool");
            }
            Value::Number(_) => {
                into.insert(at.to_owned(), "number");
            }
            Value::String(_) => {
                into.insert(at.to_owned(), "string");
            }
        }
    }
    let mut all = BTreeMap::new();
    walk("", value, &mut all);
    all
}

/// Keys that depend on the account or are noise of the capture's upstream.
const OPTIONAL: [&str; 12] = [
    "prefix",
    "image",
    "priority",
    "note",
    "next_retry_after",
    "account",
    "email",
    "project_id",
    "full_name",
    "display_name",
    "displayName",
    "billing",
];

pub(super) fn same_shape(name: &str, expected: &Value, own: &Value) {
    let (expected, own) = (paths(expected), paths(own));
    for (path, kind) in &own {
        assert_eq!(
            expected.get(path),
            Some(kind),
            "{name}: {path} is ours alone"
        );
    }
    let leaf = |path: &str| path.rsplit('.').next().unwrap_or("").to_owned();
    let missing: BTreeSet<_> = expected
        .keys()
        .filter(|path| !own.contains_key(*path))
        .filter(|path| !OPTIONAL.iter().any(|word| leaf(path).starts_with(word)))
        .collect();
    assert!(missing.is_empty(), "{name}: ours lacks {missing:?}");
}

#[tokio::test]
async fn auth_files_show_each_kind_of_account_as_captured() {
    let mut by_provider: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for name in [
        "auth_files_fresh",
        "auth_files_states",
        "auth_files_after_restart",
    ] {
        for file in load(name)["response"]["body"]["files"].as_array().unwrap() {
            let provider = file["provider"].as_str().unwrap().to_owned();
            by_provider.entry(provider).or_default().push(file.clone());
        }
    }
    let simulator = prepared("auth_files_fresh").await;
    simulator.generate(500);
    let captured = load("auth_files_fresh");
    let got = ask(&simulator, &captured).await;
    same_head("auth_files_fresh", &captured, &got);
    let got = got.json();
    let files = got["files"].as_array().unwrap();
    let names: Vec<&str> = files.iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted());
    for file in files {
        let captured = &by_provider[file["provider"].as_str().unwrap()];
        same_shape(
            "auth files",
            &Value::from(captured.clone()),
            &Value::from(vec![file.clone()]),
        );
        assert_eq!(file["recent_requests"].as_array().unwrap().len(), 20);
    }
}

#[tokio::test]
async fn usage_of_keys_is_shown_as_captured() {
    let captured = load("get_api_key_usage");
    assert!(paths(&load("api_key_usage_after_restart")) == paths(&captured));
    let simulator = prepared("get_api_key_usage").await;
    simulator.generate(500);
    let got = ask(&simulator, &captured).await;
    same_head("get_api_key_usage", &captured, &got);
    let leaves = |body: &Value| -> BTreeSet<String> {
        let providers = body.as_object().unwrap().values();
        let keys = providers.flat_map(|keys| keys.as_object().unwrap().values());
        keys.flat_map(|usage| paths(usage).into_keys()).collect()
    };
    let body = got.json();
    assert_eq!(leaves(&captured["response"]["body"]), leaves(&body));
    // Named by provider, or by the compat provider's own name.
    for name in ["codex", "claude", "gemini", "vertex", "xai", "deepfake"] {
        let keys = body[name].as_object().unwrap();
        assert!(
            keys.keys()
                .all(|key| key.starts_with("http") && key.contains('|'))
        );
    }
}

#[tokio::test]
async fn the_configuration_is_part_of_the_captured_one() {
    let captured = load("get_config");
    let simulator = prepared("get_config").await;
    let got = ask(&simulator, &captured).await;
    same_head("get_config", &captured, &got);
    let expected = paths(&captured["response"]["body"]);
    for (path, kind) in paths(&got.json()) {
        // `disabled: false` is only in the list of its own, not in the configuration.
        if path != ".openai-compatibility[].disabled" {
            assert_eq!(expected.get(&path), Some(&kind), "{path} is ours alone");
        }
    }
}

#[tokio::test]
async fn lists_without_entries_are_still_lists() {
    let captured = load("get_interactions_api_key");
    let simulator = prepared("get_interactions_api_key").await;
    let got = ask(&simulator, &captured).await;
    same_head("get_interactions_api_key", &captured, &got);
    assert_eq!(
        got.json(),
        serde_json::json!({ "interactions-api-key": [] })
    );
    let captured = load("v8_queue_probe_with_key");
    let got = ask(&simulator, &captured).await;
    same_head("v8_queue_probe_with_key", &captured, &got);
    assert!(got.body.is_empty());
}
