//! What the configuration says about limits, as values that can be relied on.

use std::num::NonZeroU64;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::calendar::{Calendar, Every};
use super::selector::{Globs, Selector};
use crate::model::{Limit, Tokens, Unit, Window, WindowRole};

/// Nanoseconds in a second.
const NANOS: f64 = 1_000_000_000.0;

/// What a rule adds up. Amounts are whole numbers: tokens, requests, nano-dollars, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Tokens of successful requests, all kinds.
    Tokens,
    /// The kinds that have a price.
    BillableTokens,
    /// Without what came from a cache or went into one.
    NoCacheTokens,
    /// Successful requests.
    Requests,
    /// All of them.
    Attempts,
    /// Time in which at least one request ran.
    Use,
    /// What is billed per use.
    Cost,
    ListValue,
}

/// One usage record, as far as limits go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds since 1970: start of the request.
    pub at: i64,
    pub latency_ms: u64,
    pub tokens: Tokens,
    pub failed: bool,
    /// False for prewarm requests.
    pub generate: bool,
    /// Nano-dollars; nothing where no price is known.
    pub cost: u64,
    pub value: u64,
}

/// The span that a rule adds up over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Period {
    Calendar(Calendar),
    /// The last so many seconds, whenever one looks.
    Rolling(NonZeroU64),
}

/// Whether each account has the limit for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    Account,
    /// Everything that matches is counted together.
    None,
}

/// A limit that we count ourselves.
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

/// Money that may be spent in a period.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetRule {
    pub name: String,
    /// As written, for people.
    pub period: String,
    pub scope: String,
    pub selector: Selector,
    pub calendar: Calendar,
    /// List value instead of cost.
    pub list_value: bool,
    /// Nano-dollars.
    pub limit: u64,
    pub thresholds: Vec<f64>,
}

/// A group of models under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComboRule {
    pub name: String,
    /// Upstream models, and names that clients ask for.
    pub models: Globs,
    pub aliases: Globs,
}

/// When a mean is worth comparing with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Days with history behind it, 1 to 7.
    pub minimum_days: u8,
    /// Nano-dollars a day.
    pub floor_cost: u64,
    pub floor_tokens: u64,
}

/// All rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// For days, months, and windows that name no zone.
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
    /// What an entry adds; time in use is added up otherwise.
    pub fn of(self, entry: &Entry) -> u64 {
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

    /// An amount in its unit.
    pub fn in_unit(self, amount: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
        let amount = amount as f64;
        match self.unit() {
            // A dollar has as many nano-dollars as a second has nanoseconds.
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

    /// Whether use goes all at once at a known time.
    pub const fn has_resets(&self) -> bool {
        matches!(self, Self::Calendar(_))
    }

    /// As quotas name it. Days and months differ in length, so they go by their role.
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
