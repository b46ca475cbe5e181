//! Credentials as management shows and switches them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Answer;
use super::request::Call;
use crate::simulator::core::Core;
use crate::simulator::generator::json::rfc3339;
use crate::simulator::generator::kinds::{HeaderSet, Login};
use crate::simulator::generator::quota::Quota;
use crate::simulator::generator::world::Account;
use crate::simulator::results::{Bucket, Results};

const LIMITED: &str =
    r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached"}}"#;

pub(super) fn list_v0(call: &Call, core: &Core) -> Answer {
    let files = files(call, core, core.config.version.has(7, 2, 94));
    let files: Vec<Value> = files.into_iter().map(|n| entry(n, core)).collect();
    Answer::json(200, &json!({ "files": files }))
}

pub(super) fn list_v8(call: &Call, core: &Core) -> Answer {
    let numbers = files(call, core, true);
    let (page, size) = match (paging(call, "page", 1), paging(call, "page_size", 50)) {
        (Ok(page), Ok(size)) => (page, size),
        (Err(refused), _) | (_, Err(refused)) => return refused,
    };
    let observed_at = rfc3339(core.now());
    let total = numbers.len();
    let paged = call.param("page").is_some() || call.param("page_size").is_some();
    let (skip, take) = if paged {
        ((page - 1).saturating_mul(size), size)
    } else {
        (0, total)
    };
    let shown = numbers.into_iter().skip(skip).take(take);
    let files: Vec<Value> = shown.map(|number| entry_v8(number, core)).collect();
    let mut body = json!({ "observed_at": observed_at, "files": files });
    if let (true, Value::Object(map)) = (paged, &mut body) {
        map.insert("total".to_owned(), total.into());
        map.insert("page".to_owned(), page.into());
        map.insert("page_size".to_owned(), size.into());
        let more = skip.saturating_add(take) < total;
        map.insert("has_more".to_owned(), more.into());
    }
    Answer::json(200, &body)
}

fn paging(call: &Call, name: &str, default: usize) -> Result<usize, Answer> {
    match call.param(name) {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => {
                let text = format!("{name} must be a positive integer");
                Err(Answer::error(400, &text))
            }
            Ok(number) => Ok(number),
        },
    }
}

/// Numbers of the auth files that a call asks for, sorted by name. Config keys are never listed.
fn files(call: &Call, core: &Core, filtered: bool) -> Vec<usize> {
    let name = call.param("name").filter(|_| filtered);
    let index = call.param("auth_index").filter(|_| filtered);
    let accounts = core.world.accounts.iter().enumerate();
    let mut files: Vec<(&str, usize)> = accounts
        .filter(|(_, account)| !account.file.is_empty())
        .filter(|(_, account)| name.as_ref().is_none_or(|name| *name == account.file))
        .filter(|(_, account)| {
            index
                .as_ref()
                .is_none_or(|index| *index == account.auth_index)
        })
        .map(|(number, account)| (account.file.as_str(), number))
        .collect();
    files.sort_unstable();
    files.into_iter().map(|(_, number)| number).collect()
}

fn entry(number: usize, core: &Core) -> Value {
    let Some(account) = core.world.accounts.get(number) else {
        return Value::Null;
    };
    let now = core.now();
    let (quota, disabled) = {
        let mut generator = core.generator();
        (generator.quota(number, now), generator.is_disabled(number))
    };
    let limited = quota.as_ref().is_some_and(Quota::is_used_up) && !disabled;
    let status = match (disabled, limited) {
        (true, _) => "disabled",
        (false, true) => "error",
        (false, false) => "active",
    };
    let provider = account.kind.provider;
    let started = rfc3339(core.started);
    let results = core.queue().ledger.results(number);
    let mut entry = json!({
        "account_type": "oauth", "auth_index": account.auth_index, "created_at": started,
        "disabled": disabled, "failed": results.failed, "id": account.file,
        "label": account.email.as_deref().unwrap_or(provider), "modtime": started,
        "name": account.file, "path": format!("auths/{}", account.file), "provider": provider,
        "recent_requests": buckets(&results, core), "runtime_only": false, "size": 512,
        "source": "file", "status": status, "status_message": if limited { LIMITED } else { "" },
        "success": results.success, "type": provider, "unavailable": limited,
        "updated_at": started,
    });
    if let Value::Object(map) = &mut entry {
        if !core.config.version.has(6, 9, 46) {
            map.remove("recent_requests");
        }
        if let Some(email) = &account.email {
            map.insert("account".to_owned(), email.as_str().into());
            map.insert("email".to_owned(), email.as_str().into());
        }
        if let (true, Some(quota)) = (limited, quota) {
            let retry = rfc3339(quota.primary.reset);
            map.insert("next_retry_after".to_owned(), retry.into());
        }
        if provider == "codex" {
            map.insert("id_token".to_owned(), id_token(number, account));
        }
        if matches!(provider, "antigravity" | "vertex") {
            map.insert("project_id".to_owned(), "vproj-fake".into());
        }
    }
    entry
}

fn id_token(number: usize, account: &Account) -> Value {
    json!({
        "chatgpt_account_id": format!("acc-fake-{number}"),
        "chatgpt_subscription_active_start": "2026-11-01T00:00:00+00:00",
        "chatgpt_subscription_active_until": "2026-12-01T00:00:00+00:00",
        "plan_type": account.plan,
    })
}

/// Adds what only v8 tells, above all the quota headers of the last answer.
fn entry_v8(number: usize, core: &Core) -> Value {
    let mut entry = entry(number, core);
    let now = core.now();
    let (signals, quota) = {
        let mut generator = core.generator();
        (generator.signals(number, now), generator.quota(number, now))
    };
    let headers = core.world.accounts.get(number).map(|a| a.kind.headers);
    if let Value::Object(map) = &mut entry {
        if let (Some(signals), Some(HeaderSet::Codex | HeaderSet::Claude)) = (signals, headers) {
            let quota = json!({ "observed_at": rfc3339(now), "signals": quota_headers(&signals) });
            map.insert("quota".to_owned(), quota);
        }
        let used_up = quota.filter(Quota::is_used_up);
        let cooldowns: Vec<Value> = used_up
            .map(|quota| {
                json!({
                    "scope": "credential", "reason": "quota", "http_status": 429,
                    "retry_at": rfc3339(quota.primary.reset),
                    "remaining_seconds": quota.primary.reset.since(now).as_secs(),
                })
            })
            .into_iter()
            .collect();
        map.insert("cooldowns".to_owned(), cooldowns.into());
        map.insert("supports_quota".to_owned(), false.into());
    }
    entry
}

fn quota_headers(signals: &[u8]) -> BTreeMap<String, String> {
    let all: BTreeMap<String, Vec<String>> = serde_json::from_slice(signals).unwrap_or_default();
    let wanted = ["Anthropic-Ratelimit-Unified-", "X-Codex-", "Retry-After"];
    all.into_iter()
        .filter(|(name, _)| wanted.iter().any(|prefix| name.starts_with(prefix)))
        .filter_map(|(name, values)| Some((name, values.into_iter().next()?)))
        .collect()
}

#[derive(Serialize)]
struct KeyUsage {
    success: u64,
    failed: u64,
    recent_requests: Vec<Bucket>,
}

/// By provider, then by `<base url>|<raw key>`; only config keys.
pub(super) fn key_usage(core: &Core) -> Answer {
    let mut usage: BTreeMap<&str, BTreeMap<String, KeyUsage>> = BTreeMap::new();
    for (number, account) in core.world.accounts.iter().enumerate() {
        if account.kind.login != Login::ApiKey {
            continue;
        }
        let results = core.queue().ledger.results(number);
        let key = format!("{}|{}", account.kind.base_url, account.key);
        let of_provider = usage.entry(account.kind.short_name()).or_default();
        of_provider.insert(
            key,
            KeyUsage {
                success: results.success,
                failed: results.failed,
                recent_requests: buckets(&results, core),
            },
        );
    }
    Answer::json(200, &usage)
}

fn buckets(results: &Results, core: &Core) -> Vec<Bucket> {
    let offset = core.config.traffic.utc_offset_minutes;
    results.buckets(core.now(), offset)
}

pub(super) fn models(call: &Call, core: &Core) -> Answer {
    let Some(name) = call.param("name").filter(|name| !name.is_empty()) else {
        return Answer::error(400, "name is required");
    };
    let account = core.world.accounts.iter().find(|a| a.file == name);
    let models: Vec<Value> = account
        .map_or(&[][..], |account| account.models.as_slice())
        .iter()
        .map(|model| json!({ "id": model.alias, "display_name": model.alias, "owned_by": "fake", "type": "openai" }))
        .collect();
    Answer::json(200, &json!({ "models": models }))
}

#[derive(Deserialize)]
struct Status {
    name: Option<String>,
    disabled: Option<bool>,
}

/// Switches an auth file on or off, of which subscribers are told as of any change on disk.
pub(super) fn set_status(call: &Call, core: &Core) -> Answer {
    let Some(status) = call.json::<Status>() else {
        return Answer::error(400, "invalid request body");
    };
    let Some(name) = status.name.filter(|name| !name.trim().is_empty()) else {
        return Answer::error(400, "name is required");
    };
    let Some(disabled) = status.disabled else {
        return Answer::error(400, "disabled is required");
    };
    let number = core.world.accounts.iter().position(|a| a.file == name);
    let Some(number) = number else {
        return Answer::error(404, "auth file not found");
    };
    core.generator().set_disabled(number, disabled);
    core.queue().refresh();
    Answer::json(200, &json!({ "disabled": disabled, "status": "ok" }))
}

#[derive(Deserialize)]
struct Reset {
    #[serde(default)]
    auth_index: String,
}

/// Ends a cool-down in CPA; what the upstream counts as used stays used.
pub(super) fn reset(call: &Call, core: &Core) -> Answer {
    let index = call.json::<Reset>().map(|reset| reset.auth_index);
    let Some(index) = index.filter(|index| !index.is_empty()) else {
        return Answer::error(400, "auth_index is required");
    };
    let account = core.world.accounts.iter().find(|a| a.auth_index == index);
    let Some(account) = account else {
        return Answer::error(404, "auth not found");
    };
    let mut models: Vec<&str> = account.models.iter().map(|m| m.name.as_str()).collect();
    models.sort_unstable();
    let body = json!({ "auth_index": index, "models": models, "status": "ok" });
    Answer::json(200, &body)
}
