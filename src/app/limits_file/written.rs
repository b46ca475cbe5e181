//! Schema of the limits file.

use std::time::Duration;

use jiff::civil::Weekday;
use serde::Deserialize;

use crate::budget::Measure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) zone: Option<String>,
    #[serde(default)]
    pub(super) anomaly: Unusual,
    #[serde(default, rename = "quota")]
    pub(super) quotas: Vec<Quota>,
    #[serde(default, rename = "budget")]
    pub(super) budgets: Vec<Budget>,
    #[serde(default, rename = "combo")]
    pub(super) combos: Vec<Combo>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unusual {
    pub(super) minimum_days: Option<u8>,
    pub(super) floor_usd: Option<f64>,
    pub(super) floor_tokens: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quota {
    pub(super) name: String,
    pub(super) provider: Option<Patterns>,
    pub(super) account: Option<Patterns>,
    pub(super) client: Option<Patterns>,
    pub(super) model: Option<Patterns>,
    pub(super) measure: MeasureName,
    pub(super) window: WindowName,
    pub(super) at: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) weekday: Option<Day>,
    pub(super) day: Option<u8>,
    #[serde(default, with = "humantime_serde")]
    pub(super) length: Option<Duration>,
    pub(super) limit: Option<f64>,
    #[serde(default)]
    pub(super) per: Per,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    pub(super) name: String,
    pub(super) provider: Option<Patterns>,
    pub(super) account: Option<Patterns>,
    pub(super) client: Option<Patterns>,
    pub(super) model: Option<Patterns>,
    pub(super) usd: f64,
    pub(super) window: WindowName,
    pub(super) at: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) weekday: Option<Day>,
    pub(super) day: Option<u8>,
    #[serde(default)]
    pub(super) value: Worth,
    #[serde(default = "thresholds")]
    pub(super) thresholds: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Combo {
    pub(super) name: String,
    pub(super) models: Option<Patterns>,
    pub(super) aliases: Option<Patterns>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(super) enum Patterns {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MeasureName {
    Tokens,
    BillableTokens,
    NoCacheTokens,
    Requests,
    Attempts,
    Hours,
    Usd,
    ListValueUsd,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WindowName {
    Daily,
    Weekly,
    Monthly,
    Rolling,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Per {
    #[default]
    Account,
    All,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Worth {
    #[default]
    Cost,
    ListValue,
}

impl From<MeasureName> for Measure {
    fn from(name: MeasureName) -> Self {
        match name {
            MeasureName::Tokens => Self::Tokens,
            MeasureName::BillableTokens => Self::BillableTokens,
            MeasureName::NoCacheTokens => Self::NoCacheTokens,
            MeasureName::Requests => Self::Requests,
            MeasureName::Attempts => Self::Attempts,
            MeasureName::Hours => Self::Use,
            MeasureName::Usd => Self::Cost,
            MeasureName::ListValueUsd => Self::ListValue,
        }
    }
}

impl From<Day> for Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Monday => Self::Monday,
            Day::Tuesday => Self::Tuesday,
            Day::Wednesday => Self::Wednesday,
            Day::Thursday => Self::Thursday,
            Day::Friday => Self::Friday,
            Day::Saturday => Self::Saturday,
            Day::Sunday => Self::Sunday,
        }
    }
}

fn thresholds() -> Vec<f64> {
    vec![0.5, 0.8, 1.0]
}
