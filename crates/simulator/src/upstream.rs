//! The providers' quota endpoints, answered from the true quotas.
//!
//! Responses have the form of the captured ones; where none was captured, the form that provider
//! clients parse. Injected faults apply here.

mod claude;
mod codex;
mod direct;
mod fault;
mod google;
mod keys;
mod kimi;
mod xai;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

pub(crate) use self::direct::answer as direct;
pub(crate) use self::fault::QuotaFaults;

use super::generator::json::rfc3339;
use super::generator::world::Account;
use super::quota::{Limit, Quota};
use cpa_exporter_core::model::UnixNanos;

/// A request as the upstream receives it.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a Url,
    pub(crate) header: &'a BTreeMap<String, String>,
    pub(crate) data: &'a str,
    /// Number of earlier requests to this endpoint for this account.
    pub(crate) before: u64,
}

impl Asked<'_> {
    /// The endpoint's name for counting: host, path, and a parameter if requests differ by it.
    pub(crate) fn endpoint(&self) -> String {
        let query = self
            .url
            .query()
            .filter(|query| query.starts_with("format=") || query.starts_with("cedar_ember="));
        let (host, path) = (self.host(), self.url.path());
        match query {
            Some(query) => format!("{host}{path}?{query}"),
            None => format!("{host}{path}"),
        }
    }

    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or("")
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.header.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn is(&self, method: &str, path: &str) -> bool {
        self.method.eq_ignore_ascii_case(method) && self.url.path() == path
    }

    fn has_token(&self) -> bool {
        self.header.values().any(|value| value.contains("$TOKEN$"))
    }

    /// A text in the JSON body.
    fn text(&self, name: &str) -> Option<String> {
        let body: Value = serde_json::from_str(self.data).ok()?;
        Some(body.get(name)?.as_str()?.to_owned())
    }
}

/// The account of a quota request.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) account: &'a Account,
    pub(crate) quota: &'a Quota,
    pub(crate) now: UnixNanos,
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// Never respond.
    pub(crate) hangs: bool,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: body.to_string(),
            hangs: false,
        }
    }

    fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn unauthorized() -> Self {
        let body = r#"{"error":{"message":"Your authentication token is invalid or has expired.","type":"invalid_request_error","code":"token_expired"}}"#;
        Self {
            body: body.to_owned(),
            ..Self::json(401, &Value::Null)
        }
        .with("Www-Authenticate", "Bearer".to_owned())
    }

    fn not_found() -> Self {
        Self::json(
            404,
            &json!({ "error": { "message": "Not found", "code": 404 } }),
        )
    }
}

/// The provider of a host; `None` for unknown hosts.
pub(crate) fn provider_of(host: &str, account: &Account) -> Option<&'static str> {
    Some(match host {
        "chatgpt.com" => "codex",
        "api.anthropic.com" => "claude",
        "api.kimi.com" => "kimi",
        "cli-chat-proxy.grok.com" => "xai",
        "daily-cloudcode-pa.googleapis.com"
        | "daily-cloudcode-pa.sandbox.googleapis.com"
        | "cloudcode-pa.googleapis.com" => match account.kind.provider {
            "gemini-cli" => "gemini-cli",
            _ => "antigravity",
        },
        "api.z.ai" | "open.bigmodel.cn" => "glm",
        "api.minimax.io" | "api.minimaxi.com" | "www.minimaxi.com" => "minimax",
        _ => return None,
    })
}

/// The provider's response to a request with the account's token.
pub(crate) fn answer(provider: &str, asked: &Asked<'_>, of: &Subject<'_>) -> Reply {
    let kind = of.account.kind;
    // A token of another provider is invalid, and so is a key where a login is required.
    let fits = kind.is_file() || matches!(provider, "glm" | "minimax");
    if !asked.has_token() || !fits || kind.short_name() != provider {
        return Reply::unauthorized();
    }
    let reply = match provider {
        "codex" => codex::answer(asked, of),
        "claude" => claude::answer(asked, of),
        "kimi" => kimi::answer(asked, of),
        "xai" => xai::answer(asked, of),
        "antigravity" => google::antigravity(asked, of),
        "gemini-cli" => google::gemini_cli(asked, of),
        "glm" => keys::glm(asked, of),
        "minimax" => keys::minimax(asked, of),
        _ => None,
    };
    reply.unwrap_or_else(Reply::not_found)
}

fn reset(limit: &Limit, now: UnixNanos) -> String {
    rfc3339(limit.reset_from(now))
}

/// A ratio as 0 to 100 with one decimal.
fn percent(limit: &Limit) -> f64 {
    let tenths = u32::try_from(limit.basis_points() / 10).unwrap_or(0);
    f64::from(tenths) / 10.0
}

fn remaining(limit: &Limit) -> f64 {
    let left = u32::try_from(10_000 - limit.basis_points()).unwrap_or(0);
    f64::from(left) / 10_000.0
}

fn millis(time: UnixNanos) -> i64 {
    time.as_millis()
}

fn seconds(time: UnixNanos) -> i64 {
    time.get() / 1_000_000_000
}
