//! Schema of the quota file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use crate::model::{Scope, Unit};
use crate::quota::providers::ResetForm;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, rename = "account")]
    pub(super) accounts: Vec<Account>,
    #[serde(default, rename = "provider")]
    pub(super) providers: Vec<Described>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) provider: String,
    pub(super) token_file: PathBuf,
    pub(super) profile_arn: Option<String>,
    /// Replaces the scheme and host of the provider, for example by a proxy.
    pub(super) url: Option<Url>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Described {
    pub(super) name: String,
    /// Accounts of CPA: by index, by the host of their key, or by provider.
    #[serde(default)]
    pub(super) accounts: Vec<String>,
    pub(super) domain: Option<String>,
    pub(super) provider: Option<String>,
    /// The token is that of an `[[account]]` of this file.
    #[serde(default)]
    pub(super) own_token: bool,
    #[serde(default)]
    pub(super) method: Verb,
    pub(super) url: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<String>,
    #[serde(default = "five_minutes", with = "humantime_serde")]
    pub(super) min_interval: Duration,
    pub(super) plan: Option<String>,
    pub(super) credits: Option<Credits>,
    #[serde(rename = "limit")]
    pub(super) limits: Vec<DescribedLimit>,
}

#[derive(Clone, Copy, Default, Deserialize)]
pub(super) enum Verb {
    #[default]
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "POST")]
    Post,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credits {
    pub(super) unit: UnitName,
    pub(super) at: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UnitName {
    Tokens,
    Requests,
    Credits,
    Usd,
    Seconds,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ScopeName {
    Account,
    Model,
    Feature,
    Spend,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResetName {
    Seconds,
    Millis,
    Iso,
    InSeconds,
    InMillis,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DescribedLimit {
    pub(super) name: String,
    pub(super) title: Option<String>,
    #[serde(default, with = "humantime_serde")]
    pub(super) window: Option<Duration>,
    #[serde(default = "account_scope")]
    pub(super) scope: ScopeName,
    #[serde(default = "requests")]
    pub(super) unit: UnitName,
    #[serde(default = "one")]
    pub(super) divisor: f64,
    pub(super) used: Option<String>,
    pub(super) total: Option<String>,
    pub(super) remaining: Option<String>,
    pub(super) used_ratio: Option<String>,
    pub(super) used_percent: Option<String>,
    pub(super) remaining_ratio: Option<String>,
    pub(super) remaining_percent: Option<String>,
    pub(super) reset: Option<String>,
    pub(super) reset_as: Option<ResetName>,
}

impl From<UnitName> for Unit {
    fn from(name: UnitName) -> Self {
        match name {
            UnitName::Tokens => Self::Tokens,
            UnitName::Requests => Self::Requests,
            UnitName::Credits => Self::Credits,
            UnitName::Usd => Self::Usd,
            UnitName::Seconds => Self::Seconds,
        }
    }
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Account => Self::Account,
            ScopeName::Model => Self::Model,
            ScopeName::Feature => Self::Feature,
            ScopeName::Spend => Self::Spend,
        }
    }
}

impl From<ResetName> for ResetForm {
    fn from(name: ResetName) -> Self {
        match name {
            ResetName::Seconds => Self::Seconds,
            ResetName::Millis => Self::Millis,
            ResetName::Iso => Self::Iso,
            ResetName::InSeconds => Self::InSeconds,
            ResetName::InMillis => Self::InMillis,
        }
    }
}

const fn five_minutes() -> Duration {
    Duration::from_mins(5)
}

const fn account_scope() -> ScopeName {
    ScopeName::Account
}

const fn requests() -> UnitName {
    UnitName::Requests
}

const fn one() -> f64 {
    1.0
}
