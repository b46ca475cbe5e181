//! `api-call`: sends a request to an upstream with a credential.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::answer::Answer;
use super::request::Call;
use crate::core::Core;
use crate::generator::world::Account;
use crate::upstream::{self, Reply, UpstreamRequest};
use cpa_exporter_core::model::UnixNanos;

/// CPA's time-out for an upstream.
const TIMEOUT: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct ApiCall {
    #[serde(default, alias = "authIndex", alias = "AuthIndex")]
    auth_index: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    proxy_url: String,
    #[serde(default)]
    header: BTreeMap<String, String>,
    #[serde(default)]
    data: String,
}

/// The upstream's response in CPA's envelope.
#[derive(Serialize)]
struct Envelope {
    status_code: u16,
    header: BTreeMap<&'static str, [String; 1]>,
    body: String,
}

impl From<Reply> for Envelope {
    fn from(reply: Reply) -> Self {
        let mut header = BTreeMap::from([
            ("Content-Length", [reply.body.len().to_string()]),
            ("Content-Type", [reply.content_type.to_owned()]),
        ]);
        header.extend(
            reply
                .headers
                .into_iter()
                .map(|(name, value)| (name, [value])),
        );
        Self {
            status_code: reply.status,
            header,
            body: reply.body,
        }
    }
}

pub(super) fn respond(call: &Call, core: &Core) -> Answer {
    let Some(api_call) = call.json::<ApiCall>() else {
        return Answer::error(400, "invalid body");
    };
    if api_call.method.trim().is_empty() {
        return Answer::error(400, "missing method");
    }
    if api_call.url.trim().is_empty() {
        return Answer::error(400, "missing url");
    }
    let Some(url) = Url::parse(&api_call.url).ok().filter(Url::has_host) else {
        return Answer::error(400, "invalid url");
    };
    if !is_proxy(&api_call.proxy_url) {
        return Answer::error(400, "invalid proxy_url");
    }
    let world = core.world();
    let found = world.by_index(&api_call.auth_index);
    let found = found.filter(|(number, _)| !core.generator().pool.is_removed(*number));
    let Some((number, account)) = found else {
        return unknown(&api_call, core);
    };
    match forward(&api_call, &url, number, account, core) {
        Some(reply) if reply.hangs => Answer::error(502, "request failed").after(TIMEOUT),
        Some(reply) => Answer::json(200, &Envelope::from(reply)),
        None => Answer::error(502, "request failed"),
    }
}

fn unknown(api_call: &ApiCall, core: &Core) -> Answer {
    let mut values = api_call.header.values();
    let token = values.any(|value| value.contains("$TOKEN$"));
    if token && core.config.version.has(8, 0, 0) {
        return Answer::error(400, "auth credential not found for auth_index");
    }
    // CPA sends the placeholder itself, which the upstream rejects.
    Answer::json(200, &Envelope::from(Reply::unauthorized()))
}

/// The upstream's response, counted; `None` if no upstream has this URL.
fn forward(
    api_call: &ApiCall,
    url: &Url,
    number: usize,
    account: &Account,
    core: &Core,
) -> Option<Reply> {
    let now = core.now();
    let mut request = UpstreamRequest {
        method: &api_call.method,
        url,
        header: &api_call.header,
        data: &api_call.data,
        before: 0,
    };
    let provider = upstream::provider_of(request.host(), account)?;
    let endpoint = request.endpoint();
    request.before = core.meter().before(&account.auth_index, &endpoint);
    let reply = if is_refused(number, account, now, core) {
        Reply::unauthorized()
    } else {
        let quota = core.generator().pool.quota(number, now)?.clone();
        upstream::respond(provider, &request, account, &quota, now)
    };
    let names = [account.auth_index.as_str(), request.host(), provider];
    let reply = core.spoil(names, provider, reply);
    core.count_call(&account.auth_index, &endpoint, &reply);
    Some(reply)
}

/// Whether the token is stale. CPA refreshes those of some providers before the request.
fn is_refused(number: usize, account: &Account, now: UnixNanos, core: &Core) -> bool {
    let mut generator = core.generator();
    let Some(standing) = generator.pool.standing_mut(number) else {
        return true;
    };
    let refreshes = match account.kind.provider {
        "antigravity" => true,
        "xai" => core.config.version.has(8, 0, 0),
        _ => false,
    };
    if standing.expired && refreshes {
        standing.refresh(now);
    }
    standing.expired
}

fn is_proxy(text: &str) -> bool {
    let schemes = ["http", "https", "socks5", "socks5h"];
    matches!(text, "" | "direct" | "none")
        || Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()))
}
