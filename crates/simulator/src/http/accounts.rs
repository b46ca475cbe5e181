//! Management routes that list and switch credentials.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Answer;
use super::request::Call;
use crate::core::Core;
use crate::generator::json::{rfc3339, without_nulls};
use crate::generator::kinds::Login;
use crate::generator::standing::Standing;
use crate::generator::world::Account;
use crate::results::{Bucket, Results};
use cpa_exporter_core::model::UnixNanos;

pub(super) fn list_v0(call: &Call, core: &Core) -> Answer {
    let files = files(call, core, core.config.version.has(7, 2, 94));
    let files: Vec<Value> = files.into_iter().map(|n| entry(n, core)).collect();
    Answer::json(200, &json!({ "files": files }))
}

/// Numbers of the requested auth files, sorted by name. Config keys are never listed.
pub(super) fn files(call: &Call, core: &Core, filtered: bool) -> Vec<usize> {
    let name = call.param("name").filter(|_| filtered);
    let index = call.param("auth_index").filter(|_| filtered);
    let world = core.world();
    let generator = core.generator();
    let accounts = world.accounts.iter().enumerate();
    let accounts = accounts.filter(|(number, _)| !generator.pool.is_removed(*number));
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

pub(super) fn entry(number: usize, core: &Core) -> Value {
    let world = core.world();
    let standing = core.generator().pool.standing(number).cloned();
    let (Some(account), Some(standing)) = (world.accounts.get(number), standing) else {
        return Value::Null;
    };
    let now = core.now();
    let provider = account.kind.provider;
    let results = core.queue().oracle.results(number);
    let mut entry = json!({
        "account_type": "oauth", "auth_index": account.auth_index,
        "created_at": rfc3339(standing.created), "disabled": standing.is_disabled(),
        "failed": results.failed, "id": account.file,
        "label": account.email.as_deref().unwrap_or(provider),
        "modtime": rfc3339(standing.last_refresh.unwrap_or(standing.created)),
        "name": account.file, "path": format!("auths/{}", account.file), "provider": provider,
        "runtime_only": false, "size": 512,
        "source": "file", "status": standing.status(), "status_message": standing.message,
        "success": results.success, "type": provider,
        "unavailable": standing.is_unavailable(now), "updated_at": rfc3339(standing.updated),
    });
    let quota = core.config.version.has(7, 3, 0).then(|| {
        let (at, signals) = core.generator().signals(number)?;
        Some(json!({ "observed_at": rfc3339(at), "signals": quota_headers(signals) }))
    });
    let has_project = matches!(provider, "antigravity" | "vertex" | "gemini-cli");
    let more = without_nulls(json!({
        "account": account.email, "email": account.email, "quota": quota.flatten(),
        "last_refresh": standing.last_refresh.map(rfc3339),
        "next_retry_after": standing.retry_after(now).map(rfc3339),
        "id_token": (provider == "codex").then(|| id_token(number, account, &standing)),
        "project_id": has_project.then_some("vproj-fake"),
        "recent_requests": buckets(&results, core),
    }));
    if let (Value::Object(map), Value::Object(more)) = (&mut entry, more) {
        map.extend(more);
    }
    entry
}

fn quota_headers(signals: Value) -> BTreeMap<String, String> {
    let all: BTreeMap<String, Vec<String>> = serde_json::from_value(signals).unwrap_or_default();
    let wanted = ["Anthropic-Ratelimit-Unified-", "X-Codex-", "Retry-After"];
    all.into_iter()
        .filter(|(name, _)| wanted.iter().any(|prefix| name.starts_with(prefix)))
        .filter_map(|(name, values)| Some((name, values.into_iter().next()?)))
        .collect()
}

fn id_token(number: usize, account: &Account, standing: &Standing) -> Value {
    let month = 30 * 86_400 * 1_000_000_000;
    let until = standing.subscription_until;
    let start = UnixNanos::new(until.get() - month);
    json!({
        "chatgpt_account_id": format!("acc-fake-{number}"),
        "chatgpt_subscription_active_start": with_offset(start),
        "chatgpt_subscription_active_until": with_offset(until),
        "plan_type": account.plan.name,
    })
}

/// As in token claims: whole seconds, UTC as an offset.
fn with_offset(time: UnixNanos) -> String {
    let whole = UnixNanos::from_millis(time.as_millis() / 1000 * 1000);
    rfc3339(whole).replace('Z', "+00:00")
}

#[derive(Serialize)]
struct KeyUsage {
    success: u64,
    failed: u64,
    recent_requests: Vec<Bucket>,
}

/// By provider, then by `<base url>|<raw key>`; config keys only.
pub(super) fn key_usage(core: &Core) -> Answer {
    let mut usage: BTreeMap<&str, BTreeMap<String, KeyUsage>> = BTreeMap::new();
    let world = core.world();
    for (number, account) in world.accounts.iter().enumerate() {
        let removed = core.generator().pool.is_removed(number);
        if removed || account.kind.login != Login::ApiKey {
            continue;
        }
        let results = core.queue().oracle.results(number);
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
    let world = core.world();
    let account = world.accounts.iter().find(|a| a.file == name);
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

/// Enables or disables an auth file and notifies subscribers, as CPA does after any change on disk.
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
    let number = core.world().accounts.iter().position(|a| a.file == name);
    let number = number.filter(|&number| !core.generator().pool.is_removed(number));
    let Some(number) = number else {
        return Answer::error(404, "auth file not found");
    };
    let now = core.now();
    if let Some(standing) = core.generator().pool.standing_mut(number) {
        standing.set_disabled(disabled);
        standing.clear(now);
    }
    core.queue().refresh();
    Answer::json(200, &json!({ "disabled": disabled, "status": "ok" }))
}

#[derive(Deserialize)]
struct Reset {
    #[serde(default)]
    auth_index: String,
}

/// Ends a cool-down in CPA; the upstream's usage stays.
pub(super) fn reset(call: &Call, core: &Core) -> Answer {
    let index = call.json::<Reset>().map(|reset| reset.auth_index);
    let Some(index) = index.filter(|index| !index.is_empty()) else {
        return Answer::error(400, "auth_index is required");
    };
    let world = core.world();
    let Some((number, account)) = world.by_index(&index) else {
        return Answer::error(404, "auth not found");
    };
    let now = core.now();
    if let Some(standing) = core.generator().pool.standing_mut(number) {
        standing.clear(now);
    }
    let mut models: Vec<&str> = account.models.iter().map(|m| m.name.as_str()).collect();
    models.sort_unstable();
    let body = json!({ "auth_index": index, "models": models, "status": "ok" });
    Answer::json(200, &body)
}
