//! Management API of CPA 6 and 7, which CPA 8 still serves, too.

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use super::request::Call;
use super::{accounts, api_call, credentials, lists};
use crate::core::Core;

pub(super) fn route(call: &Call, route: &str, core: &Core) -> Answer {
    let version = core.config.version;
    match (&call.method, route) {
        (&Method::GET, "usage-queue") => usage_queue(call, core),
        (_, "usage-statistics-enabled") => statistics(call, core),
        (&Method::GET, "auth-files") => accounts::list_v0(call, core),
        (&Method::GET, "auth-files/models") => accounts::models(call, core),
        (&Method::PATCH, "auth-files/status") => accounts::set_status(call, core),
        (&Method::GET, "api-key-usage") => accounts::key_usage(core),
        (&Method::POST, "reset-quota") => accounts::reset(call, core),
        // Since about this version, according to CPA's source.
        (&Method::GET, "quota/providers") if version.has(7, 3, 17) => {
            credentials::quota_providers()
        }
        (&Method::POST, "quota/fetch") if version.has(7, 3, 17) => {
            credentials::fetch_quota(call, core)
        }
        (&Method::POST, "api-call") => api_call::respond(call, core),
        (&Method::GET, "debug") => Answer::json(200, &json!({ "debug": false })),
        (&Method::GET, "config") => lists::config(core),
        (&Method::GET, "config.yaml") => lists::config_yaml(core),
        (&Method::GET, "api-keys") => Answer::json(
            200,
            &json!({ "api-keys": lists::client_keys(&core.world()) }),
        ),
        (&Method::GET, "proxy-url") => Answer::json(200, &json!({ "proxy-url": "" })),
        (&Method::GET, "request-retry") => Answer::json(200, &json!({ "request-retry": 0 })),
        (&Method::GET, "routing/strategy") => {
            Answer::json(200, &json!({ "strategy": "round-robin" }))
        }
        (&Method::GET, "latest-version") => latest_version(core),
        (&Method::GET, list) => lists::provider_list(list, core),
        _ => Answer::empty(404),
    }
}

/// Pops, like a RESP popper; an invalid count pops nothing.
pub(super) fn usage_queue(call: &Call, core: &Core) -> Answer {
    let count = match call.param("count") {
        None => Some(1),
        Some(text) => text.trim().parse::<usize>().ok().filter(|&count| count > 0),
    };
    let Some(count) = count else {
        return Answer::error(400, "count must be a positive integer");
    };
    let records = core.pop(count);
    let bytes: usize = records.iter().map(|record| record.len() + 1).sum();
    let mut body = Vec::with_capacity(bytes + 2);
    body.push(b'[');
    for (number, record) in records.iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        if serde_json::from_slice::<serde::de::IgnoredAny>(record).is_ok() {
            body.extend_from_slice(record);
        } else {
            // CPA encodes an item that is not JSON as a string.
            let text = String::from_utf8_lossy(record);
            body.extend_from_slice(&serde_json::to_vec(&text).unwrap_or_default());
        }
    }
    body.push(b']');
    let answer = Answer::raw_json(200, body);
    if !records.is_empty() && core.faults.take(|state| &mut state.cut_replies) {
        return answer.cut();
    }
    answer
}

#[derive(Deserialize)]
struct Value {
    value: bool,
}

fn statistics(call: &Call, core: &Core) -> Answer {
    match call.method {
        Method::GET => {
            let on = core.statistics();
            Answer::json(200, &json!({ "usage-statistics-enabled": on }))
        }
        Method::PUT | Method::PATCH => {
            let Some(Value { value }) = call.json() else {
                return Answer::error(400, "invalid body");
            };
            core.set_statistics(value);
            Answer::raw_json(200, r#"{"status":"ok"}"#)
        }
        _ => Answer::empty(404),
    }
}

pub(super) fn latest_version(core: &Core) -> Answer {
    let version = core.config.version;
    Answer::json(200, &json!({ "latest-version": format!("v{version}") }))
}
