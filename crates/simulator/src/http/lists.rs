//! Routes of the configuration: client keys, provider lists, and the whole configuration.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::Answer;
use crate::core::Core;
use crate::generator::json::without_nulls;
use crate::generator::kinds::Login;
use crate::generator::world::{Account, World};

/// Lists whose entries have a `proxy-url`.
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

pub(super) fn client_keys(world: &World) -> Vec<&str> {
    let clients = world.clients.iter();
    clients.map(|client| client.key.as_str()).collect()
}

/// CPA's bounds: zero and below mean the default; an hour is the maximum.
pub(super) fn retention(seconds: i64) -> Duration {
    match u64::try_from(seconds) {
        Ok(0) | Err(_) => Duration::from_mins(1),
        Ok(seconds) => Duration::from_secs(seconds.min(3600)),
    }
}

/// `GET /<list>`; 404 for an unknown list.
pub(super) fn provider_list(list: &str, core: &Core) -> Answer {
    if !LISTS.contains(&list) {
        return Answer::empty(404);
    }
    let entries = entries(list, &configured(core), true);
    Answer::json(200, &json!({ list: entries }))
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

/// The configuration as JSON, including raw keys, without the parts that CPA omits.
pub(super) fn config(core: &Core) -> Answer {
    let world = configured(core);
    let mut all = json!({
        "proxy-url": "", "request-log": false, "api-keys": client_keys(&world),
        "debug": false, "commercial-mode": false, "logging-to-file": false,
        "usage-statistics-enabled": core.statistics(), "disable-cooling": false,
        "redis-usage-queue-retention-seconds": core.queue().retention.as_secs(),
        "request-retry": 0, "max-retry-credentials": 1, "max-retry-interval": 0,
        "tls": { "enable": false, "cert": "", "key": "" }, "ws-auth": true, "routing": {},
        "quota-exceeded": {
            "switch-project": false, "switch-preview-model": false, "antigravity-credits": false
        },
    });
    if let Value::Object(map) = &mut all {
        for list in LISTS {
            let entries = entries(list, &world, false);
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

/// The array of a list; `index` is whether entries contain their `auth-index`.
fn entries(list: &str, world: &World, index: bool) -> Value {
    if list == "openai-compatibility" {
        return compat(world, index);
    }
    let keys = of_list(list, world).map(|account| {
        without_nulls(json!({
            "api-key": account.key, "base-url": account.kind.base_url,
            "proxy-url": WITH_PROXY.contains(&list).then_some(""), "models": models(account),
            "auth-index": index.then_some(&account.auth_index),
        }))
    });
    keys.collect()
}

/// One entry per provider with its keys, and one per account without a key.
fn compat(world: &World, index: bool) -> Value {
    let mut entries: Vec<Value> = Vec::new();
    for account in of_list("openai-compatibility", world) {
        let name = account.kind.short_name();
        let auth_index = index.then_some(&account.auth_index);
        let keyless = account.kind.login == Login::Keyless;
        let key = without_nulls(json!({ "api-key": account.key, "auth-index": auth_index }));
        let known = entries.iter_mut().find(|entry| entry["name"] == name);
        let keys = known.and_then(|entry| entry.get_mut("api-key-entries"));
        match keys.and_then(Value::as_array_mut) {
            Some(keys) if !keyless => keys.push(key),
            _ => entries.push(without_nulls(json!({
                "name": name, "disabled": false, "base-url": account.kind.base_url,
                "api-key-entries": (!keyless).then_some([key]), "models": models(account),
                "auth-index": auth_index.filter(|_| keyless),
            }))),
        }
    }
    entries.into()
}

fn models(account: &Account) -> Value {
    let models = account.models.iter();
    models
        .map(|model| json!({ "name": model.name, "alias": model.alias }))
        .collect()
}
