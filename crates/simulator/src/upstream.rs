//! The providers' quota endpoints, answered from the true quotas.
//!
//! Responses have the form of the captured ones; where none was captured, the form that provider
//! clients parse. Injected faults apply here.

mod fault;
mod page;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

pub(crate) use self::page::page;

use super::generator::world::{Account, Model};
use super::quota::{Direct, Quota};
use cpa_exporter_core::model::UnixNanos;

/// Early resets of every Claude account.
const CLAUDE_RESETS: u32 = 2;

/// A request as the upstream receives it.
#[derive(Debug)]
pub(crate) struct UpstreamRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a Url,
    pub(crate) header: &'a BTreeMap<String, String>,
    pub(crate) data: &'a str,
    /// Number of earlier requests to this endpoint for this account.
    pub(crate) before: u64,
}

impl UpstreamRequest<'_> {
    /// The endpoint's name for counting: host, path, and a parameter if requests differ by it.
    pub(crate) fn endpoint(&self) -> String {
        let query = self.url.query().unwrap_or_default();
        let (host, path) = (self.host(), self.url.path());
        if query.starts_with("format=") || query.starts_with("cedar_ember=") {
            return format!("{host}{path}?{query}");
        }
        format!("{host}{path}")
    }

    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or("")
    }

    fn user_agent(&self) -> &str {
        let mut headers = self.header.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case("user-agent"));
        found.map_or("", |(_, value)| value)
    }

    fn has_token(&self) -> bool {
        self.header.values().any(|value| value.contains("$TOKEN$"))
    }

    /// Whether the JSON body has this text.
    fn has_text(&self, name: &str) -> bool {
        let body: Option<Value> = serde_json::from_str(self.data).ok();
        body.is_some_and(|body| body.get(name).is_some_and(Value::is_string))
    }
}

/// The account of a quota request.
#[derive(Debug)]
pub(crate) struct QuotaSubject<'a> {
    pub(crate) plan: &'a str,
    pub(crate) email: Option<&'a str>,
    pub(crate) models: &'a [Model],
    pub(crate) quota: &'a Quota,
    pub(crate) now: UnixNanos,
}

impl<'a> QuotaSubject<'a> {
    pub(crate) fn new(account: &'a Account, quota: &'a Quota, now: UnixNanos) -> Self {
        Self {
            plan: account.plan.name,
            email: account.email.as_deref(),
            models: &account.models,
            quota,
            now,
        }
    }
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
pub(crate) fn respond(
    provider: &str,
    request: &UpstreamRequest<'_>,
    account: &Account,
    quota: &Quota,
    now: UnixNanos,
) -> Reply {
    let kind = account.kind;
    // A token of another provider is invalid, and so is a key where a login is required.
    let fits = kind.is_file() || matches!(provider, "glm" | "minimax");
    if !request.has_token() || !fits || kind.short_name() != provider {
        return Reply::unauthorized();
    }
    let (path, query) = (request.url.path(), request.url.query().unwrap_or_default());
    match (provider, path) {
        ("claude", "/api/oauth/usage") if query.starts_with("cedar_ember=") => {
            return Reply::ok(&claude_resets(request));
        }
        // Clients with another user agent share a small rate limit, used up almost at once.
        ("claude", "/api/oauth/usage")
            if request.before > 0 && !request.user_agent().starts_with("claude-code/") =>
        {
            let body = json!({ "error": { "type": "rate_limit_error",
                "message": "Rate limited. Please try again later." } });
            return Reply::json(429, &body).with("Retry-After", "0".to_owned());
        }
        ("antigravity", "/v1internal:retrieveUserQuotaSummary") if !request.has_text("project") => {
            let body = json!({ "error": { "code": 400, "status": "INVALID_ARGUMENT",
                "message": "Request contains an invalid argument." } });
            return Reply::json(400, &body);
        }
        // This request spends the owner's credit; the exporter must not send it.
        ("codex", "/backend-api/wham/rate-limit-reset-credits/consume") => {
            return Reply::json(403, &json!({ "detail": "no credit to spend" }));
        }
        _ => {}
    }
    let method = request.method.to_uppercase();
    let subject = QuotaSubject::new(account, quota, now);
    let page = page(provider, &format!("{method} {path}?{query}"), &subject);
    page.map_or_else(Reply::not_found, |page| Reply::ok(&page))
}

/// The response to a request of `path` under the upstream's own URL, without CPA.
pub(crate) fn respond_directly(
    direct: &Direct,
    method: &str,
    path: &str,
    quota: &Quota,
    now: UnixNanos,
) -> Option<Reply> {
    let subject = QuotaSubject {
        plan: direct.plan.name,
        email: None,
        models: &[],
        quota,
        now,
    };
    let page = page(direct.provider, &format!("{method} /{path}"), &subject)?;
    Some(Reply::ok(&page))
}

/// Available early resets, returned to Claude Code only.
fn claude_resets(request: &UpstreamRequest<'_>) -> Value {
    let known = request.user_agent().starts_with("claude-cli/");
    let grants = json!([{ "id": "launch", "resets_total": CLAUDE_RESETS,
        "resets_left": CLAUDE_RESETS, "paused": false, "usable_now": true }]);
    let reason = (!known).then_some("surface");
    json!({ "cedar_ember": { "eligible": known, "ineligible_reason": reason,
        "grants": if known { grants } else { json!([]) } } })
}
