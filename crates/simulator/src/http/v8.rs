//! Management API of CPA 8.

use hyper::Method;
use serde_json::json;

use super::answer::Answer;
use super::request::Call;
use super::{accounts, api_call, credentials, lists, v0};
use crate::core::Core;

const STATISTICS: &str = "config/observability/usage/usage-statistics-enabled";
const RETENTION: &str = "config/observability/usage/redis-usage-queue-retention-seconds";
const SAVED: &str = r#"{"status":"ok","config-version":8}"#;

pub(super) fn route(call: &Call, route: &str, core: &Core) -> Answer {
    match (&call.method, route) {
        (&Method::GET, "observability/usage/queue") => v0::usage_queue(call, core),
        (&Method::GET, "observability/usage/api-keys") => accounts::key_usage(core),
        (&Method::GET, "credentials") => credentials::list(call, core),
        (&Method::GET, "credentials/models") => accounts::models(call, core),
        (&Method::PATCH, "credentials/status") => accounts::set_status(call, core),
        // Removed in 8.0.10, present in 8.0.4.
        (&Method::GET, "credentials/quota/providers") if !core.config.version.has(8, 0, 10) => {
            credentials::quota_providers()
        }
        (&Method::POST, "credentials/quota/fetch") if !core.config.version.has(8, 0, 10) => {
            credentials::fetch_quota(call, core)
        }
        (&Method::POST, "routing/cooldown/reset") => accounts::reset(call, core),
        (&Method::POST, "requests/api-call") => api_call::respond(call, core),
        (&Method::GET, "server/latest-version") => v0::latest_version(core),
        (&Method::GET, "config/access/api-keys") => {
            bare(Answer::json(200, &lists::client_keys(&core.world())))
        }
        (&Method::GET, STATISTICS) => bare(Answer::json(200, &core.statistics())),
        (&Method::PUT, STATISTICS) => match call.json() {
            Some(on) => {
                core.set_statistics(on);
                bare(Answer::raw_json(200, SAVED))
            }
            None => bare(Answer::error(400, "invalid_body")),
        },
        (&Method::GET, RETENTION) => {
            let seconds = core.queue().retention.as_secs();
            bare(Answer::json(200, &seconds))
        }
        (&Method::PUT, RETENTION) => match call.json() {
            Some(seconds) => {
                core.queue().retention = lists::retention(seconds);
                bare(Answer::raw_json(200, SAVED))
            }
            None => bare(Answer::error(400, "invalid_body")),
        },
        (&Method::GET, path) => match path.strip_prefix("config/api-keys/") {
            Some(provider) => bare(lists::key_groups(provider, core)),
            None if path.starts_with("config/") => {
                // The route returns the file, which omits keys at their default.
                bare(Answer::json(404, &json!({ "error": "not_found" })))
            }
            None => Answer::empty(404),
        },
        _ => Answer::empty(404),
    }
}

fn bare(answer: Answer) -> Answer {
    answer.with("cache-control", "no-store".to_owned())
}
