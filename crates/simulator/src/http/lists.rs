//! What the configuration shows: client keys, provider lists, the whole of it.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Answer;
use crate::core::Core;
use crate::generator::kinds::Login;
use crate::generator::world::{Account, World};

/// Lists that carry a `proxy-url` in each entry.
const WITH_PROXY: [&str; 3] = ["codex-api-key", "claude-api-key", "xai-api-key"];
const LISTS: [&str; 7] = [
    "gemini-api-key",
    "interactions-api-key",
    "codex-api-key",
    "xai-api-key",
    "claude-api-key",
    "vertex-api-key",
    "openai-compatibility",
];

#[derive(Serialize)]
struct ModelEntry<'a> {
    name: &'a str,
    alias: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct KeyEntry<'a> {
    api_key: &'a str,
    base_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_url: Option<&'a str>,
    models: Vec<ModelEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_index: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct CompatKey<'a> {
    api_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_index: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct CompatEntry<'a> {
    name: &'a str,
    disabled: bool,
    base_url: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    api_key_entries: Vec<CompatKey<'a>>,
    models: Vec<ModelEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_index: Option<&'a str>,
}

pub(super) fn client_keys(world: &World) -> Vec<&str> {
    let clients = world.clients.iter();
    clients.map(|client| client.key.as_str()).collect()
}

/// CPA's bounds: nothing below is the default, nothing above an hour.
pub(super) fn retention(seconds: i64) -> Duration {
    match u64::try_from(seconds) {
        Ok(0) | Err(_) => Duration::from_mins(1),
        Ok(seconds) => Duration::from_secs(seconds.min(3600)),
    }
}

/// `GET /<list>`; 404 for a list that this version does not have.
pub(super) fn provider_list(list: &str, core: &Core) -> Answer {
    let version = core.config.version;
    let known = match list {
        "interactions-api-key" => version.has(7, 2, 51),
        "xai-api-key" => version.has(7, 2, 73),
        other => LISTS.contains(&other),
    };
    if !known {
        return Answer::empty(404);
    }
    let index = version.has(6, 9, 29);
    let mut body = Vec::with_capacity(4096);
    body.extend_from_slice(format!("{{\"{list}\":").as_bytes());
    body.extend_from_slice(&entries(list, &configured(core), index));
    body.push(b'}');
    Answer::raw_json(200, body)
}

/// `GET /config/api-keys/<provider>`: groups by base URL, without any index.
pub(super) fn key_groups(provider: &str, core: &Core) -> Answer {
    let list = match provider {
        "openai-compatibility" => provider.to_owned(),
        other => format!("{other}-api-key"),
    };
    let world = configured(core);
    let keys: Vec<Value> = of_list(&list, &world)
        .map(|account| json!({ "api-key": account.key, "weight": 1 }))
        .collect();
    let Some(first) = of_list(&list, &world).next() else {
        return Answer::json(404, &json!({ "error": "not_found" }));
    };
    let group = json!([{ "name": provider, "base-url": first.kind.base_url, "keys": keys }]);
    Answer::json(200, &group)
}

/// The configuration as JSON, raw keys and all, without the parts CPA leaves out.
pub(super) fn config(core: &Core) -> Answer {
    let world = configured(core);
    let mut all = json!({
        "proxy-url": "", "request-log": false, "api-keys": client_keys(&world),
        "debug": false, "commercial-mode": false, "logging-to-file": false,
        "usage-statistics-enabled": core.statistics(), "disable-cooling": false,
        "request-retry": 0, "max-retry-credentials": 1, "max-retry-interval": 0,
        "tls": { "enable": false, "cert": "", "key": "" }, "ws-auth": true, "routing": {},
        "quota-exceeded": {
            "switch-project": false, "switch-preview-model": false, "antigravity-credits": false
        },
    });
    if let Value::Object(map) = &mut all {
        if core.config.version.has(6, 10, 1) {
            let seconds = core.queue().retention.as_secs();
            map.insert(
                "redis-usage-queue-retention-seconds".to_owned(),
                seconds.into(),
            );
        }
        for list in LISTS {
            let entries: Value =
                serde_json::from_slice(&entries(list, &world, false)).unwrap_or_default();
            if entries
                .as_array()
                .is_some_and(|entries| !entries.is_empty())
            {
                map.insert(list.to_owned(), entries);
            }
        }
    }
    Answer::json(200, &all)
}

pub(super) fn config_yaml(core: &Core) -> Answer {
    let statistics = core.statistics();
    let seconds = core.queue().retention.as_secs();
    let port = core.config.listen.port();
    let text = format!(
        "host: \"127.0.0.1\"\nport: {port}\nauth-dir: \"./auths\"\n\
         usage-statistics-enabled: {statistics}\n\
         redis-usage-queue-retention-seconds: {seconds}\nrequest-retry: 0\n\
         remote-management:\n  allow-remote: {}\n  secret-key: \"$2a$10$fake\"\n",
        core.config.allow_remote
    );
    Answer::text(200, "application/yaml; charset=utf-8", text)
        .with("cache-control", "no-store".to_owned())
        .with("x-content-type-options", "nosniff".to_owned())
}

fn of_list<'a>(list: &'a str, world: &'a World) -> impl Iterator<Item = &'a Account> {
    let accounts = world.accounts.iter();
    accounts.filter(move |account| account.kind.list == list)
}

/// The accounts that are still in the configuration.
fn configured(core: &Core) -> World {
    let pool = &core.generator().pool;
    let mut world = World::clone(&pool.world);
    let mut number = 0;
    world.accounts.retain(|_| {
        number += 1;
        !pool.is_removed(number - 1)
    });
    world
}

/// The JSON array behind a list; `index` is whether entries tell their `auth-index`.
fn entries(list: &str, world: &World, index: bool) -> Vec<u8> {
    let written = if list == "openai-compatibility" {
        serde_json::to_vec(&compat(world, index))
    } else {
        let keys: Vec<_> = of_list(list, world)
            .map(|account| KeyEntry {
                api_key: &account.key,
                base_url: account.kind.base_url,
                proxy_url: WITH_PROXY.contains(&list).then_some(""),
                models: models(account),
                auth_index: index.then_some(&account.auth_index),
            })
            .collect();
        serde_json::to_vec(&keys)
    };
    // Plain strings and lists, which can always be written.
    written.unwrap_or_default()
}

fn compat(world: &World, index: bool) -> Vec<CompatEntry<'_>> {
    let mut entries: Vec<CompatEntry<'_>> = Vec::new();
    for account in of_list("openai-compatibility", world) {
        let name = account.kind.short_name();
        let auth_index = index.then_some(account.auth_index.as_str());
        if account.kind.login == Login::Keyless {
            entries.push(compat_entry(account, auth_index));
            continue;
        }
        let key = CompatKey {
            api_key: &account.key,
            auth_index,
        };
        match entries.iter_mut().find(|entry| entry.name == name) {
            Some(entry) => entry.api_key_entries.push(key),
            None => entries.push(CompatEntry {
                api_key_entries: vec![key],
                ..compat_entry(account, None)
            }),
        }
    }
    entries
}

fn compat_entry<'a>(account: &'a Account, auth_index: Option<&'a str>) -> CompatEntry<'a> {
    CompatEntry {
        name: account.kind.short_name(),
        disabled: false,
        base_url: account.kind.base_url,
        api_key_entries: Vec::new(),
        models: models(account),
        auth_index,
    }
}

fn models(account: &Account) -> Vec<ModelEntry<'_>> {
    let models = account.models.iter();
    models
        .map(|model| ModelEntry {
            name: &model.name,
            alias: &model.alias,
        })
        .collect()
}
