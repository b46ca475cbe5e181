//! The expected page, derived from the simulator's state.

use std::collections::BTreeMap;

use cpa_exporter::simulator::{AccountQuotas, LimitQuota, Quotas};

use super::labels;
use crate::harness::Samples;

/// Maximum difference in seconds between two sources of one reset.
const JITTER: f64 = 60.0;

/// Whether a provider reports the quota of this account.
pub(super) fn can_be_polled(account: &AccountQuotas) -> bool {
    let by_login = [
        "codex",
        "claude",
        "antigravity",
        "kimi",
        "xai",
        "gemini-cli",
        // By its plugin, where CPA has plugins.
        "devin",
    ];
    match account.login {
        "oauth" => by_login.contains(&account.provider.as_str()),
        "apikey" => ["glm", "minimax"].contains(&account.provider.as_str()),
        "direct" => true,
        _ => false,
    }
}

/// The labels of a limit; `None` for one reported as money or not at all.
pub(super) fn place(provider: &str, of: &LimitQuota) -> Option<(String, String)> {
    let (limit, window) = (of.limit.as_str(), of.window.as_str());
    let limit = match (provider, limit) {
        ("codex", "credits") => return None,
        ("codex", "codex_bengalfox") => "bengalfox",
        ("codex", "spend") => "individual_limit",
        ("antigravity", "gemini") => "gemini_models",
        ("antigravity", "3p") => "claude_and_gpt_models",
        ("xai", "spend") | ("minimax", "general") | ("kiro", "credits") => "main",
        ("glm", "tools") => "time_limit",
        (_, other) => other,
    };
    let window = if window == "once" { "unknown" } else { window };
    Some((limit.to_owned(), window.to_owned()))
}

/// The used share as the provider reports it: each rounds differently, always down.
fn reported_share(provider: &str, of: &LimitQuota) -> f64 {
    let parts = match (provider, of.limit.as_str()) {
        ("xai", "spend" | "on_demand") => of.nominal,
        ("codex" | "kimi" | "xai", _) | ("claude", "fable") => 100,
        ("claude", _) => 1_000,
        ("antigravity" | "gemini-cli" | "devin", _) => 10_000,
        ("glm", _) if of.nominal == 100 => 100,
        _ => of.nominal,
    };
    let used = u128::from(of.used) * u128::from(parts) / u128::from(of.capacity);
    (used as f64 / parts as f64).min(1.0)
}

/// The common prefix of one account's samples.
pub(super) fn account_labels(
    page: &BTreeMap<String, String>,
    account: &AccountQuotas,
) -> Option<String> {
    if account.login == "direct" {
        let (provider, name) = (&account.provider, &account.account);
        return Some(format!("provider=\"{provider}\",account=\"{name}\""));
    }
    page.get(&account.account).cloned()
}

/// Differences between the page and the truth. Directly polled accounts count once they appear.
pub(super) fn differences(page: &Samples, truth: &Quotas) -> Vec<String> {
    let names = labels(page);
    let mut found = Vec::new();
    for account in truth.accounts.iter().filter(|one| can_be_polled(one)) {
        let Some(labels) = account_labels(&names, account) else {
            found.push(format!("{} has no name", account.account));
            continue;
        };
        if account.login == "direct" && !page.keys().any(|name| name.contains(&labels)) {
            continue;
        }
        for limit in &account.limits {
            let Some((name, window)) = place(&account.provider, limit) else {
                continue;
            };
            let labels = format!("{{{labels},limit=\"{name}\",window=\"{window}\"}}");
            found.extend(difference(
                page,
                &labels,
                &account.provider,
                limit,
                truth.now_ms,
            ));
        }
    }
    found
}

fn difference(
    page: &Samples,
    labels: &str,
    provider: &str,
    limit: &LimitQuota,
    now_ms: i64,
) -> Option<String> {
    let get = |family: &str| page.get(&format!("{family}{labels}")).copied();
    let (shown, expected) = (get("cpa_quota_used_ratio"), reported_share(provider, limit));
    // The last request of a window may exceed its limit, which some providers do not report.
    if !shown.is_some_and(|shown| (shown.min(1.0) - expected).abs() < 1e-6) {
        return Some(format!("{labels}: {shown:?} used, but it is {expected}"));
    }
    let shown = get("cpa_quota_reset_timestamp_seconds");
    let is_right = match limit.reset_ms {
        // Claude reports no reset of the money.
        _ if limit.limit == "extra_usage" => shown.is_none(),
        // xAI has one reset for both of its months.
        _ if limit.limit == "on_demand" => shown.is_some(),
        Some(reset) => shown.is_some_and(|shown| (shown - reset as f64 / 1000.0).abs() <= JITTER),
        // Some report the reset of a window that would start now.
        None => shown.is_none_or(|shown| shown > now_ms as f64 / 1000.0),
    };
    let reset = limit.reset_ms;
    (!is_right).then(|| format!("{labels}: resets at {shown:?}, but it is {reset:?}"))
}
