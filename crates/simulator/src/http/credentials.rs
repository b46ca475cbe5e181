//! Credentials and quota plugins of CPA 8, from CPA's source; none was captured.

use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts;
use super::answer::Answer;
use super::request::Call;
use crate::core::Core;
use crate::generator::failure::Fault;
use crate::generator::json::rfc3339;
use crate::generator::standing::{Rest, Standing};
use crate::generator::world::Account;
use crate::upstream::{self, QuotaSubject, Reply};
use cpa_exporter_core::model::UnixNanos;

/// Quota plugins: provider and display name.
const PLUGINS: [(&str, &str); 2] = [("gemini-cli", "Gemini CLI"), ("devin", "Devin")];

pub(super) fn list(call: &Call, core: &Core) -> Answer {
    let numbers = accounts::files(call, core, true);
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

/// Adds the fields that only v8 has.
fn entry_v8(number: usize, core: &Core) -> Value {
    let mut entry = accounts::entry(number, core);
    let now = core.now();
    let world = core.world();
    let Some(account) = world.accounts.get(number) else {
        return entry;
    };
    let generator = core.generator();
    let standing = generator.pool.standing(number);
    let cooldowns = standing.map(|standing| cooldowns(account, standing, now));
    drop(generator);
    if let Value::Object(map) = &mut entry {
        let plugin = quota_provider(account);
        map.insert("cooldowns".to_owned(), cooldowns.into());
        map.insert("supports_quota".to_owned(), plugin.is_some().into());
        if let Some(plugin) = plugin {
            map.insert("quota_provider".to_owned(), plugin.into());
        }
    }
    entry
}

/// One entry for the credential if all models are in a cool-down, else one per model.
fn cooldowns(account: &Account, standing: &Standing, now: UnixNanos) -> Vec<Value> {
    let resting: Vec<(usize, Rest)> = standing.resting(now).collect();
    let whole = resting.len() == account.models.len();
    let shown = if whole { 1 } else { resting.len() };
    let resting = resting.into_iter().take(shown);
    let entries = resting.filter_map(|(number, rest)| {
        let until = rest.until?;
        let mut entry = json!({
            "scope": if whole { "credential" } else { "model" },
            "reason": reason(rest.fault, account),
            "http_status": rest.fault.status(),
            "retry_at": rfc3339(until),
            "remaining_seconds": until.since(now).as_secs(),
        });
        if let (false, Value::Object(map)) = (whole, &mut entry) {
            let model = account.models.get(number)?;
            map.insert("model_key".to_owned(), model.name.as_str().into());
        }
        Some(entry)
    });
    entries.collect()
}

fn reason(fault: Fault, account: &Account) -> &'static str {
    match fault {
        Fault::UsageLimit if account.kind.provider == "claude" => "credential_quota",
        Fault::UsageLimit | Fault::RateLimit => "quota",
        Fault::Unauthorized => "unauthorized",
        Fault::Server | Fault::BadGateway | Fault::Overloaded => "transient_error",
        Fault::Canceled | Fault::Cut => "unknown",
    }
}

fn quota_provider(account: &Account) -> Option<&'static str> {
    let mut plugins = PLUGINS.into_iter().map(|(plugin, _)| plugin);
    plugins.find(|plugin| *plugin == account.kind.provider)
}

/// `GET quota/providers`
pub(super) fn quota_providers() -> Answer {
    let providers = PLUGINS.map(|(plugin, name)| {
        json!({ "plugin_id": plugin, "provider": plugin, "display_name": name,
            "supports_reset": false })
    });
    Answer::json(200, &json!({ "providers": providers }))
}

#[derive(Deserialize)]
struct Fetch {
    #[serde(default, alias = "authIndex", alias = "AuthIndex")]
    auth_index: String,
}

/// `POST quota/fetch`
pub(super) fn fetch_quota(call: &Call, core: &Core) -> Answer {
    let Some(fetch) = call.json::<Fetch>() else {
        return Answer::error(400, "invalid request body");
    };
    if fetch.auth_index.is_empty() {
        return Answer::error(400, "auth_index is required");
    }
    let world = core.world();
    let Some((number, account)) = world.by_index(&fetch.auth_index) else {
        return Answer::error(404, "auth not found");
    };
    let Some(plugin) = quota_provider(account) else {
        return Answer::error(501, "no quota provider available for credential");
    };
    let now = core.now();
    let quota = core.generator().pool.quota(number, now).cloned();
    let page = quota.and_then(|quota| {
        let subject = QuotaSubject::new(account, &quota, now);
        upstream::page("plugin", "POST /quota/fetch", &subject)
    });
    let reply = Reply::json(200, &page.unwrap_or_default());
    let reply = core.spoil([&account.auth_index, "", plugin], plugin, reply);
    core.count_call(&account.auth_index, "quota/fetch", &reply);
    if reply.status == 200 && !reply.hangs {
        return Answer::raw_json(200, reply.body);
    }
    let text = format!("failed to fetch quota: status {}", reply.status);
    let answer = Answer::error(502, &text);
    if reply.hangs { answer.never() } else { answer }
}
