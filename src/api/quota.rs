//! `/api/v1/quota` and `/api/v1/quota/refresh`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::QuotaSource;
use crate::quota::Provider;

/// Selects accounts: the query of `GET /api/v1/quota`, the body of `POST /api/v1/quota/refresh`, the
/// flags of `cpa-exporter quota`. An absent field selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFilter {
    /// The whole name, as in the label `provider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The whole name, as in the label `account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl AccountFilter {
    /// Whether the filter selects this account.
    pub fn matches(&self, provider: &str, account: &str) -> bool {
        let is = |wanted: &Option<String>, it: &str| wanted.as_deref().is_none_or(|w| w == it);
        is(&self.provider, provider) && is(&self.account, account)
    }

    /// Refuses a provider that no account has and that is not built in, most likely a misspelling.
    /// `existing`: the providers of the known accounts.
    pub fn check_provider(&self, existing: &[&str]) -> Result<(), UnknownProvider> {
        let built_in: Vec<Provider> = Provider::built_in().collect();
        let built_in = built_in.iter().map(Provider::id);
        let known: BTreeSet<&str> = existing.iter().copied().chain(built_in).collect();
        match &self.provider {
            Some(name) if !known.contains(name.as_str()) => Err(UnknownProvider {
                name: name.clone(),
                known: Vec::from_iter(known).join(", "),
            }),
            _ => Ok(()),
        }
    }
}

/// The filter names a provider that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("there is no provider {name:?}; known: {known}")]
pub struct UnknownProvider {
    name: String,
    /// Sorted, separated by commas.
    known: String,
}

/// The body of `GET /api/v1/quota`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuotaList<A = AccountQuota> {
    /// Sorted by provider and account.
    pub accounts: Vec<A>,
}

/// An account with its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountQuota {
    pub provider: String,
    pub account: String,
    /// As the provider calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// As in `cpa_account_status`; `unknown` for an account that CPA does not list.
    pub state: String,
    /// End of the last successful poll. Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<f64>,
    /// Balances; empty (left out) where the provider names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credits: Vec<Credits>,
    /// Number of resets that the account may still use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_credits: Option<f64>,
    /// Money spent beyond the plan; empty (left out) where the provider names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spend: Vec<Spend>,
    pub limits: Vec<QuotaWindow>,
    /// Absent if the last poll succeeded and the provider named limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_reading: Option<NoReading>,
}

impl AccountQuota {
    /// Whether the provider has reported a limit; local quotas are not reported.
    pub(crate) fn has_reading(&self) -> bool {
        let local = QuotaSource::Local.as_str();
        self.limits.iter().any(|limit| limit.source != local)
    }
}

/// Why an account has no reading, or, where it has limits, none newer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoReading {
    /// See "Accounts without a reading" in `docs/providers.md`.
    pub reason: String,
    /// The first of the failures with this reason. Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<f64>,
    /// The next poll. Unix seconds; absent if none is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<f64>,
}

/// Why an account has no reading although no poll failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpolled {
    Waiting,
    NoLimits,
    Disabled,
    NoQuota,
    PollingOff,
}

impl Unpolled {
    pub const ALL: [Self; 5] = [
        Self::Waiting,
        Self::NoLimits,
        Self::Disabled,
        Self::NoQuota,
        Self::PollingOff,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::NoLimits => "no_limits",
            Self::Disabled => "disabled",
            Self::NoQuota => "no_quota",
            Self::PollingOff => "polling_off",
        }
    }
}

impl From<Unpolled> for NoReading {
    fn from(reason: Unpolled) -> Self {
        Self {
            reason: reason.as_str().to_owned(),
            since: None,
            next_try: None,
        }
    }
}

/// A balance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credits {
    /// As in the label `unit`.
    pub unit: String,
    /// In `unit`.
    pub balance: f64,
}

/// Money spent under one limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spend {
    pub limit: String,
    /// US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_usd: Option<f64>,
    /// US dollars; absent if there is no cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_usd: Option<f64>,
}

/// One window of one limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuotaWindow {
    pub limit: String,
    /// Length such as `5h` or `weekly`, or `unknown`.
    pub window: String,
    /// What the limit counts for: `account`, `model`, `feature`, `spend` or `local`.
    pub scope: String,
    /// The provider's own name of the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 0 to 1, above with overage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_ratio: Option<f64>,
    /// Of `used`, `total` and `remaining`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<f64>,
    #[serde(rename = "total", skip_serializing_if = "Option::is_none")]
    pub amount: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<f64>,
    #[serde(default)]
    pub unlimited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhausted: Option<bool>,
    /// End of the window. Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<f64>,
    /// Forecast: when all is used, at the average pace of the window. Unix seconds; absent if that
    /// is not before the reset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhaustion: Option<f64>,
    /// Tokens that the account has used since the start of the window, as the exporter counts them.
    /// Absent for a limit of another scope than `account`, and where the length or the reset of the
    /// window is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_tokens: Option<u64>,
    /// Value of that usage in US dollars at list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_list_value_usd: Option<f64>,
    /// Where the reading comes from: `poll`, `header`, `error` or `local`.
    pub source: String,
    /// Time of the reading. Unix seconds.
    pub observed: f64,
}

/// The body of `POST /api/v1/quota/refresh` with status 200 or 429.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum RefreshOutcome {
    /// Every selected account has been polled.
    Done(RefreshSummary),
    /// The last refresh was too recent.
    CoolingDown { retry_after_seconds: u64 },
}

/// Numbers of accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshSummary {
    pub asked: usize,
    pub answered: usize,
    pub failed: Vec<FailedAccount>,
    /// Disabled, or of a provider without quota endpoint.
    pub not_asked: usize,
}

/// An account whose poll failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAccount {
    pub provider: String,
    pub account: String,
    /// A reason of `cpa_quota_poll_failures_total`, or `no_contact`.
    pub reason: Cow<'static, str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Failure;

    fn provider(name: &str) -> AccountFilter {
        AccountFilter {
            provider: Some(name.to_owned()),
            account: None,
        }
    }

    #[test]
    fn filter_matches_whole_names_and_absent_fields_match_all() {
        assert!(AccountFilter::default().matches("codex", "codex-1"));
        let mut filter = provider("codex");
        assert!(filter.matches("codex", "any"));
        assert!(!filter.matches("code", "any"));
        filter.account = Some("work".to_owned());
        assert!(filter.matches("codex", "work"));
        assert!(!filter.matches("codex", "work-2"));
        assert!(!filter.matches("claude", "work"));
    }

    #[test]
    fn every_reason_of_a_missing_reading_is_documented() {
        let docs = include_str!("../../docs/providers.md");
        let (_, section) = docs.split_once("## Accounts without a reading").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let unpolled = Unpolled::ALL.map(Unpolled::as_str);
        let no_contact = Failure::NoContact.as_str();
        for reason in unpolled.into_iter().chain([no_contact]) {
            let row = format!("| `{reason}` | ");
            assert!(
                section.contains(&row),
                "docs/providers.md: add a row that begins with {row:?} to \"Accounts without a reading\""
            );
        }
        for reason in Failure::REASONS {
            assert!(docs.contains(&format!("| `{reason}` | ")), "{reason}");
        }
    }

    #[test]
    fn absent_filter_fields_are_left_out_of_the_json() {
        let json = serde_json::to_string(&provider("codex")).unwrap();
        assert_eq!(json, r#"{"provider":"codex"}"#);
        let read: AccountFilter = serde_json::from_str("{}").unwrap();
        assert_eq!(read, AccountFilter::default());
    }

    #[test]
    fn unknown_provider_error_lists_built_in_and_existing_ones() {
        let error = provider("codx").check_provider(&["mine"]).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("there is no provider \"codx\"; known: "));
        for known in ["claude, codex", "mine"] {
            assert!(text.contains(known), "{text}");
        }
        provider("mine").check_provider(&["mine"]).unwrap();
        provider("claude").check_provider(&[]).unwrap();
        AccountFilter::default().check_provider(&[]).unwrap();
    }
}
