//! Validated rules for limits, from the configuration.

use std::num::NonZeroU64;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::calendar::{Calendar, Every};
use super::selector::{Globs, Selector};
use crate::model::{Limit, Tokens, Unit, Window, WindowRole};

/// Nanoseconds per second.
const NANOS: f64 = 1_000_000_000.0;

/// The quantity that a rule sums. Amounts are integers: tokens, requests, nano-dollars,
/// nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// All tokens of successful requests.
    Tokens,
    /// The kinds of tokens that have a price.
    BillableTokens,
    /// Without cache reads and writes.
    NoCacheTokens,
    /// Successful requests.
    Requests,
    /// All requests.
    Attempts,
    /// Time during which at least one request ran.
    Use,
    /// Cost of billed requests.
    Cost,
    ListValue,
}

/// The fields of a usage record that limits depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds since 1970: start of the request.
    pub at: i64,
    pub latency_ms: u64,
    pub tokens: Tokens,
    pub failed: bool,
    /// False for prewarm requests.
    pub generate: bool,
    /// Nano-dollars; 0 if the price is unknown.
    pub cost: u64,
    pub value: u64,
}

/// The window of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Period {
    Calendar(Calendar),
    /// The last so many seconds.
    Rolling(NonZeroU64),
}

/// Whether each account has its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    Account,
    /// All matching events share one limit.
    None,
}

/// A quota that the exporter counts itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaRule {
    pub name: Limit,
    pub selector: Selector,
    pub measure: Measure,
    pub period: Period,
    pub split: Split,
    /// `None`: unlimited.
    pub limit: Option<u64>,
}

/// A spending limit per period.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetRule {
    pub name: String,
    /// As configured, for display.
    pub period: String,
    pub scope: String,
    pub selector: Selector,
    pub calendar: Calendar,
    /// Whether the list value is counted instead of the cost.
    pub list_value: bool,
    /// Nano-dollars.
    pub limit: u64,
    pub thresholds: Vec<f64>,
}

/// A named group of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComboRule {
    pub name: String,
    /// Patterns for upstream models and for requested models.
    pub models: Globs,
    pub aliases: Globs,
}

/// Conditions under which a day is compared with the mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Minimum days with history, 1 to 7.
    pub minimum_days: u8,
    /// Nano-dollars per day.
    pub floor_cost: u64,
    pub floor_tokens: u64,
}

/// All rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Zone of days and months, and of windows without a zone of their own.
    pub zone: TimeZone,
    pub quotas: Vec<QuotaRule>,
    pub budgets: Vec<BudgetRule>,
    pub combos: Vec<ComboRule>,
    pub anomaly: Anomaly,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            quotas: Vec::new(),
            budgets: Vec::new(),
            combos: Vec::new(),
            anomaly: Anomaly::default(),
        }
    }
}

impl Default for Anomaly {
    fn default() -> Self {
        Self {
            minimum_days: 3,
            floor_cost: 100_000_000,
            floor_tokens: 1000,
        }
    }
}

impl Measure {
    /// The amount that an entry adds; 0 for [`Measure::Use`], which [`InUse`](super::in_use::InUse)
    /// sums.
    pub fn amount(self, entry: &Entry) -> u64 {
        let tokens = &entry.tokens;
        let cached = tokens.cache_read + tokens.cache_write;
        match self {
            Self::Tokens if !entry.failed => tokens.total(),
            Self::BillableTokens if !entry.failed => tokens.total() - tokens.unclassified,
            Self::NoCacheTokens if !entry.failed => tokens.total() - cached,
            Self::Tokens | Self::BillableTokens | Self::NoCacheTokens | Self::Use => 0,
            Self::Requests => u64::from(entry.generate && !entry.failed),
            Self::Attempts => u64::from(entry.generate),
            Self::Cost => entry.cost,
            Self::ListValue => entry.value,
        }
    }

    pub const fn unit(self) -> Unit {
        match self {
            Self::Tokens | Self::BillableTokens | Self::NoCacheTokens => Unit::Tokens,
            Self::Requests | Self::Attempts => Unit::Requests,
            Self::Use => Unit::Seconds,
            Self::Cost | Self::ListValue => Unit::Usd,
        }
    }

    /// Converts an amount to the measure's unit.
    pub fn in_unit(self, amount: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
        let amount = amount as f64;
        match self.unit() {
            // Nano-dollars per dollar equal nanoseconds per second.
            Unit::Usd | Unit::Seconds => amount / NANOS,
            Unit::Tokens | Unit::Requests | Unit::Credits => amount,
        }
    }
}

impl Period {
    pub const fn rolling(length: Duration) -> Option<Self> {
        match NonZeroU64::new(length.as_secs()) {
            Some(seconds) => Some(Self::Rolling(seconds)),
            None => None,
        }
    }

    /// Whether all usage ends at once at a known time.
    pub const fn has_resets(&self) -> bool {
        matches!(self, Self::Calendar(_))
    }

    /// The window in the quota model. Days and months differ in length, so they are named by role.
    pub fn window(&self) -> Window {
        match self {
            Self::Calendar(calendar) => Window::Role(match calendar.every() {
                Every::Day => WindowRole::Daily,
                Every::Week(_) => WindowRole::Weekly,
                Every::Month(_) => WindowRole::Monthly,
            }),
            Self::Rolling(seconds) => {
                let seconds = u32::try_from(seconds.get()).ok().map(f64::from);
                Window::of_seconds(seconds, WindowRole::Unknown).unwrap_or(Window::UNKNOWN)
            }
        }
    }
}
