//! What events can be grouped and filtered by.

use std::str::FromStr;

use jiff::civil::Weekday;
use jiff::{Unit, Zoned, ZonedRound};

use crate::model::{Dimension, PastKey};

/// A property of an event, or a span of local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    Provider,
    Model,
    Alias,
    Account,
    Client,
    Endpoint,
    Executor,
    ServiceTier,
    ReasoningEffort,
    /// HTTP status of a failure.
    Code,
    /// Reason of a failure.
    Reason,
    Hour,
    Day,
    /// Starts on Monday.
    Week,
    Month,
}

/// A name that no group has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no group {0:?}; known: {known}", known = known())]
pub struct UnknownGroup(String);

fn known() -> String {
    Group::ALL.map(Group::as_str).join(", ")
}

impl FromStr for Group {
    type Err = UnknownGroup;

    fn from_str(text: &str) -> Result<Self, UnknownGroup> {
        let found = Self::ALL.into_iter().find(|group| group.as_str() == text);
        found.ok_or_else(|| UnknownGroup(text.to_owned()))
    }
}

impl Group {
    pub const ALL: [Self; 15] = [
        Self::Provider,
        Self::Model,
        Self::Alias,
        Self::Account,
        Self::Client,
        Self::Endpoint,
        Self::Executor,
        Self::ServiceTier,
        Self::ReasoningEffort,
        Self::Code,
        Self::Reason,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
    ];

    /// The label's name where a metric has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Alias => "alias",
            Self::Account => "account",
            Self::Client => "client",
            Self::Endpoint => "endpoint",
            Self::Executor => "executor",
            Self::ServiceTier => "service_tier",
            Self::ReasoningEffort => "reasoning_effort",
            Self::Code => "code",
            Self::Reason => "reason",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The column; `None` for a span of time.
    pub(super) const fn key(self) -> Option<PastKey> {
        Some(match self {
            Self::Provider => PastKey::Interned(Dimension::Provider),
            Self::Model => PastKey::Interned(Dimension::Model),
            Self::Alias => PastKey::Interned(Dimension::Alias),
            Self::Account => PastKey::Interned(Dimension::Account),
            Self::Client => PastKey::Interned(Dimension::Client),
            Self::Endpoint => PastKey::Interned(Dimension::Endpoint),
            Self::Executor => PastKey::Interned(Dimension::Executor),
            Self::ServiceTier => PastKey::Interned(Dimension::ServiceTier),
            Self::ReasoningEffort => PastKey::Interned(Dimension::ReasoningEffort),
            Self::Code => PastKey::Status,
            Self::Reason => PastKey::Reason,
            Self::Hour | Self::Day | Self::Week | Self::Month => return None,
        })
    }

    pub(super) const fn is_time(self) -> bool {
        self.time_unit().is_some()
    }

    pub(super) const fn time_unit(self) -> Option<TimeUnit> {
        Some(match self {
            Self::Hour => TimeUnit::Hour,
            Self::Day => TimeUnit::Day,
            Self::Week => TimeUnit::Week,
            Self::Month => TimeUnit::Month,
            Self::Provider
            | Self::Model
            | Self::Alias
            | Self::Account
            | Self::Client
            | Self::Endpoint
            | Self::Executor
            | Self::ServiceTier
            | Self::ReasoningEffort
            | Self::Code
            | Self::Reason => return None,
        })
    }
}

/// A span of local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TimeUnit {
    Hour,
    Day,
    Week,
    Month,
}

impl TimeUnit {
    /// The start of the unit that contains `at`, as text that sorts by time.
    pub(super) fn start(self, at: &Zoned) -> Result<String, jiff::Error> {
        let format = match self {
            Self::Hour => {
                let hour = at.round(
                    ZonedRound::new()
                        .smallest(Unit::Hour)
                        .mode(jiff::RoundMode::Trunc),
                )?;
                return Ok(hour.strftime("%Y-%m-%d %H:%M%:z").to_string());
            }
            Self::Week => {
                let monday = at.date().tomorrow()?.nth_weekday(-1, Weekday::Monday)?;
                return Ok(monday.to_string());
            }
            Self::Day => "%Y-%m-%d",
            Self::Month => "%Y-%m",
        };
        Ok(at.strftime(format).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for group in Group::ALL {
            assert_eq!(group.as_str().parse(), Ok(group));
        }
        let error = "modell".parse::<Group>().unwrap_err().to_string();
        assert!(error.starts_with("there is no group \"modell\"; known: provider, model, "));
    }

    #[test]
    fn spans_of_time_start_in_the_zone() {
        let at: Zoned = "2026-11-01T01:30:00-05:00[America/New_York]"
            .parse()
            .unwrap();
        let starts = [
            TimeUnit::Hour,
            TimeUnit::Day,
            TimeUnit::Week,
            TimeUnit::Month,
        ];
        let starts = starts.map(|unit| unit.start(&at).unwrap());
        // The second 01:00 of that night.
        assert_eq!(
            starts,
            [
                "2026-11-01 01:00-05:00",
                "2026-11-01",
                "2026-10-26",
                "2026-11"
            ]
        );
        let monday: Zoned = "2026-11-30T00:00:00+05:45[Asia/Kathmandu]".parse().unwrap();
        assert_eq!(TimeUnit::Week.start(&monday).unwrap(), "2026-11-30");
        assert_eq!(
            TimeUnit::Hour.start(&monday).unwrap(),
            "2026-11-30 00:00+05:45"
        );
    }
}
