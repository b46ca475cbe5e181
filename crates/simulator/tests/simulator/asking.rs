//! Asks for quotas as an exporter would, and looks up what is true.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use cpa_exporter_simulator::{
    AccountQuotas, LimitQuota, Simulator, SimulatorConfig, TrafficConfig,
};
use serde_json::{Value, json};

use super::support::{HttpAnswer, KEY, get, http, movable, start};

pub(crate) const WHAM: &str = "https://chatgpt.com/backend-api/wham/usage";
pub(crate) const CLAUDE: &str = "https://api.anthropic.com/api/oauth/usage";
pub(crate) const KIMI: &str = "https://api.kimi.com/coding/v1/usages";
pub(crate) const XAI: &str = "https://cli-chat-proxy.grok.com/v1/billing";
pub(crate) const GOOGLE: &str = "https://cloudcode-pa.googleapis.com/v1internal:";
pub(crate) const GLM: &str = "https://api.z.ai/api/monitor/usage/quota/limit";
pub(crate) const MINIMAX: &str = "https://api.minimax.io/v1/token_plan/remains";

/// One account or more of these providers, on a clock that moves when it is told to.
pub(crate) async fn pool(providers: &[&str], accounts: usize) -> (Arc<AtomicI64>, Simulator) {
    let (millis, clock) = movable();
    let simulator = start(SimulatorConfig {
        clock,
        traffic: TrafficConfig {
            // Sizes the plans; with no record left the driver itself makes none.
            rate: Some(1.0),
            records: Some(0),
            providers: providers.iter().map(|name| (*name).to_owned()).collect(),
            accounts,
            ..TrafficConfig::default()
        },
        ..SimulatorConfig::default()
    })
    .await;
    (millis, simulator)
}

/// What is true of the `nth` account of a provider.
pub(crate) fn truth(simulator: &Simulator, provider: &str, nth: usize) -> AccountQuotas {
    let quotas = simulator.quotas();
    let mut accounts = quotas.accounts.into_iter();
    let mut of_provider = accounts.by_ref().filter(|one| one.provider == provider);
    of_provider.nth(nth).expect("an account of the provider")
}

pub(crate) fn limit<'a>(of: &'a AccountQuotas, limit: &str, window: &str) -> &'a LimitQuota {
    let mut limits = of.limits.iter();
    let found = limits.find(|one| one.limit == limit && one.window == window);
    found.expect("the limit")
}

/// Whole percent that are used, at most 100.
pub(crate) fn percent(of: &LimitQuota) -> u64 {
    (of.used * 100 / of.capacity).min(100)
}

pub(crate) fn nominal_used(of: &LimitQuota) -> u64 {
    of.used * of.nominal / of.capacity
}

/// CPA's reply to an api-call.
pub(crate) async fn api_call(simulator: &Simulator, call: &Value) -> HttpAnswer {
    let key = [("X-Management-Key", KEY)];
    let path = "/v0/management/api-call";
    http(simulator.addr(), "POST", path, &key, &call.to_string()).await
}

pub(crate) fn call(account: &str, method: &str, url: &str, data: &str) -> Value {
    json!({
        "auth_index": account, "method": method, "url": url, "data": data,
        "header": { "Authorization": "Bearer $TOKEN$", "User-Agent": "claude-code/2.1.0" },
    })
}

/// The upstream's status and body.
pub(crate) async fn ask(simulator: &Simulator, account: &str, url: &str) -> (u64, Value) {
    let (method, data) = if url.contains("v1internal") {
        ("POST", r#"{"project":"vproj-fake"}"#)
    } else {
        ("GET", "")
    };
    let answer = api_call(simulator, &call(account, method, url, data)).await;
    assert_eq!(answer.status, 200);
    let told = answer.json();
    let body = serde_json::from_str(told["body"].as_str().unwrap());
    let body = body.unwrap_or_else(|_| told["body"].clone());
    (told["status_code"].as_u64().unwrap(), body)
}

pub(crate) async fn control(simulator: &Simulator, method: &str, body: &Value) -> HttpAnswer {
    let path = "/simulator/accounts";
    let answer = http(simulator.addr(), method, path, &[], &body.to_string()).await;
    assert_eq!(answer.status, 200, "{body}");
    answer
}

/// The entry of an account in the list of auth files.
pub(crate) async fn file(simulator: &Simulator, account: &str) -> Option<Value> {
    let files = get(simulator, "/v0/management/auth-files").await.json();
    let mut files = files["files"].as_array().unwrap().iter();
    files.find(|file| file["auth_index"] == account).cloned()
}

pub(crate) async fn set_used(simulator: &Simulator, account: &str, limit: &str, share: f64) {
    let change = json!({ "auth_index": account, "used": { limit: share } });
    control(simulator, "PATCH", &change).await;
}
