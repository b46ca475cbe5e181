//! Quotas of an account: limits and their usage.
//!
//! Every input value is validated here once: an implausible value is dropped, and a missing value
//! stays unknown. Nothing becomes 0 because it is missing.

mod amounts;
mod exhaustion;
mod facts;
mod local;
mod name;
mod point;
mod reading;
mod usage;
mod window;

pub use amounts::Amounts;
pub use exhaustion::Exhaustion;
pub use facts::{AccountFacts, QuotaAnswer, Spend};
pub use local::{LocalAccount, LocalQuota};
pub use name::{Limit, Name};
pub use point::QuotaPoint;
pub use reading::{RESET_JITTER, Reading};
pub use usage::{WindowSpan, WindowUsage};
pub use window::{Window, WindowRole};

use super::UnixNanos;

/// What a limit applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Account,
    Model,
    Feature,
    /// Money.
    Spend,
    /// Counted by the exporter, by a rule of the configuration.
    Local,
}

impl Scope {
    pub const ALL: [Self; 5] = [
        Self::Account,
        Self::Model,
        Self::Feature,
        Self::Spend,
        Self::Local,
    ];

    /// The value of the label `scope`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Model => "model",
            Self::Feature => "feature",
            Self::Spend => "spend",
            Self::Local => "local",
        }
    }
}

/// Unit of absolute amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    Tokens,
    Requests,
    Credits,
    Usd,
    Seconds,
}

impl Unit {
    pub const ALL: [Self; 5] = [
        Self::Tokens,
        Self::Requests,
        Self::Credits,
        Self::Usd,
        Self::Seconds,
    ];

    /// The value of the label `unit`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Requests => "requests",
            Self::Credits => "credits",
            Self::Usd => "usd",
            Self::Seconds => "seconds",
        }
    }
}

/// Source of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuotaSource {
    /// A poll of the provider.
    Poll,
    /// Headers of a proxied response.
    Header,
    /// The error text of a refused request.
    Error,
    /// Counted by the exporter.
    Local,
}

impl QuotaSource {
    pub const ALL: [Self; 4] = [Self::Poll, Self::Header, Self::Error, Self::Local];

    /// The value of the label `source`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Header => "header",
            Self::Error => "error",
            Self::Local => "local",
        }
    }
}

/// Times outside 2015 to 2100 are unit or clock errors, or mean "never".
pub fn is_plausible_time(at: UnixNanos) -> bool {
    const EARLIEST: i64 = 1_420_070_400_000_000_000;
    const LATEST: i64 = 4_102_444_800_000_000_000;
    (EARLIEST..LATEST).contains(&at.get())
}

/// Rounds away binary noise: `100.1 - 100` is 0.1. Keeps six decimals, or fewer where a double has
/// no more.
fn tidy(number: f64) -> f64 {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let scales = [1e6, 1e3].into_iter();
    let scale = scales
        .into_iter()
        .find(|scale| number.abs() * scale < EXACT);
    scale.map_or(number, |scale| (number * scale).round() / scale)
}

/// The nearest whole number; `None` for a negative one, and for one beyond 64 bits.
pub(crate) fn whole(number: f64) -> Option<u64> {
    // The conversion without loss that the standard library has.
    let rounded = number.round_ties_even();
    let span = std::time::Duration::try_from_secs_f64(rounded).ok()?;
    Some(span.as_secs())
}

/// A figure of a quota: finite and not negative. Any other number is unknown, not 0: a 0 would look
/// like a reset.
pub(crate) fn figure(number: Option<f64>) -> Option<f64> {
    // Adding 0 turns -0 into 0.
    number
        .filter(|n| n.is_finite() && *n >= 0.0)
        .map(|n| n + 0.0)
}
