//! One limit of an account over one window.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::Capacity;
use crate::generator::prng::Prng;
use cpa_exporter_core::model::UnixNanos;

/// Unit of the provider's amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    #[default]
    Percent,
    Tokens,
    Requests,
    Credits,
    /// US cents.
    Cents,
}

/// The part of the traffic that counts towards the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Counts {
    #[default]
    Tokens,
    Requests,
}

/// Length of a window and start of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Length {
    /// Seconds; windows follow each other without a gap.
    Fixed(u64),
    /// Seconds from the first request after the previous window's end.
    FromUse(u64),
    /// Calendar month in UTC.
    Month,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitKind {
    pub(crate) name: &'static str,
    pub(crate) window: &'static str,
    pub(crate) length: Length,
    #[serde(default)]
    pub(crate) unit: Unit,
    #[serde(default)]
    pub(crate) counts: Counts,
    /// Parts of model names, one of which must occur; empty for all models.
    #[serde(default)]
    pub(crate) models: Vec<&'static str>,
    /// The provider's amount for 100 %, in its unit.
    #[serde(default = "hundred")]
    pub(crate) nominal: u64,
    /// Capacity in tenths of the five-hour capacity.
    pub(crate) tenths: u64,
    /// Whether requests are refused once it is used up.
    #[serde(default = "yes")]
    pub(crate) binds: bool,
}

fn hundred() -> u64 {
    100
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) kind: &'static LimitKind,
    used: u64,
    /// Tokens or requests that equal 100 %.
    capacity: u64,
    /// `None` while a window that starts with its first request has not started.
    reset: Option<UnixNanos>,
    resets: u64,
}

impl Limit {
    pub(super) fn draw(
        kind: &'static LimitKind,
        capacity: Capacity,
        now: UnixNanos,
        prng: &mut Prng,
    ) -> Self {
        let per_window = match kind.counts {
            Counts::Tokens => capacity.tokens,
            Counts::Requests => capacity.requests,
        };
        let capacity = (per_window.saturating_mul(kind.tenths) / 10).max(1);
        let place = prng.below(1_000_000);
        let reset = match kind.length {
            Length::Fixed(seconds) | Length::FromUse(seconds) => {
                let left = Duration::from_secs(1 + seconds * place / 1_000_000);
                whole_seconds(now.saturating_add(left))
            }
            Length::Month => next_month(now),
        };
        Self {
            kind,
            used: capacity / 100 * prng.below(75),
            capacity,
            reset: Some(reset),
            resets: 0,
        }
    }

    pub(super) fn advance(&mut self, now: UnixNanos) {
        let Some(reset) = self.reset.filter(|&reset| now >= reset) else {
            return;
        };
        self.used = 0;
        match self.kind.length {
            Length::FromUse(_) => {
                self.resets += 1;
                self.reset = None;
            }
            Length::Fixed(seconds) => {
                let windows = now.since(reset).as_secs() / seconds.max(1) + 1;
                self.resets += windows;
                let on = Duration::from_secs(windows.saturating_mul(seconds));
                self.reset = Some(reset.saturating_add(on));
            }
            Length::Month => {
                self.resets += months_between(reset, now) + 1;
                self.reset = Some(next_month(now));
            }
        }
    }

    pub(super) fn spend(&mut self, tokens: u64, now: UnixNanos) {
        let amount = match self.kind.counts {
            Counts::Tokens => tokens,
            Counts::Requests => 1,
        };
        self.used = self.used.saturating_add(amount);
        self.begin(now);
    }

    /// Sets the used ratio in millionths.
    pub(crate) fn set_used(&mut self, millionths: u64, now: UnixNanos) {
        let used = u128::from(self.capacity) * u128::from(millionths) / 1_000_000;
        self.used = u64::try_from(used).unwrap_or(u64::MAX);
        self.begin(now);
    }

    fn begin(&mut self, now: UnixNanos) {
        if let (None, Length::FromUse(seconds)) = (self.reset, self.kind.length) {
            let end = now.saturating_add(Duration::from_secs(seconds));
            self.reset = Some(whole_seconds(end));
        }
    }

    pub(crate) fn covers(&self, model: &str) -> bool {
        let parts = &self.kind.models;
        parts.is_empty() || parts.iter().any(|part| model.contains(part))
    }

    pub(super) fn refuses(&self, model: &str) -> bool {
        self.kind.binds && self.is_used_up() && self.covers(model)
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.used >= self.capacity
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(crate) fn resets(&self) -> u64 {
        self.resets
    }

    /// Used ratio in hundredths of a percent, at most 10,000.
    pub(crate) fn basis_points(&self) -> u64 {
        self.share_of(10_000).min(10_000)
    }

    pub(crate) fn percent(&self) -> u64 {
        self.basis_points() / 100
    }

    /// Unused ratio from 0 to 1, with four decimals.
    pub(crate) fn fraction_left(&self) -> f64 {
        f64::from(u32::try_from(10_000 - self.basis_points()).unwrap_or(0)) / 10_000.0
    }

    /// Used amount in the provider's unit; the last request may have exceeded the limit.
    pub(crate) fn nominal_used(&self) -> u64 {
        self.share_of(self.kind.nominal)
    }

    pub(crate) fn nominal_left(&self) -> u64 {
        self.kind.nominal.saturating_sub(self.nominal_used())
    }

    fn share_of(&self, whole: u64) -> u64 {
        let share = u128::from(self.used) * u128::from(whole) / u128::from(self.capacity);
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    pub(crate) fn reset(&self) -> Option<UnixNanos> {
        self.reset
    }

    /// Reset time, or the one of a window that starts now.
    pub(crate) fn reset_from(&self, now: UnixNanos) -> UnixNanos {
        let length = Duration::from_secs(self.seconds());
        self.reset
            .unwrap_or_else(|| whole_seconds(now.saturating_add(length)))
    }

    pub(crate) fn seconds(&self) -> u64 {
        match (self.kind.length, self.reset) {
            (Length::Fixed(seconds) | Length::FromUse(seconds), _) => seconds,
            (Length::Month, Some(reset)) => reset.since(month_before(reset)).as_secs(),
            (Length::Month, None) => 30 * 86_400,
        }
    }

    /// Start of the window.
    pub(crate) fn start(&self, now: UnixNanos) -> UnixNanos {
        let length = i64::try_from(self.seconds()).unwrap_or(0) * 1_000_000_000;
        UnixNanos::new(self.reset_from(now).get().saturating_sub(length))
    }
}

/// Providers state whole seconds, and resets are compared with their values.
fn whole_seconds(time: UnixNanos) -> UnixNanos {
    UnixNanos::new(time.get() / 1_000_000_000 * 1_000_000_000)
}

fn date(time: UnixNanos) -> Date {
    let time = Timestamp::from_millisecond(time.as_millis()).unwrap_or_default();
    TimeZone::UTC.to_datetime(time).date()
}

fn midnight(date: Date) -> UnixNanos {
    let time = TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
    UnixNanos::from_millis(time.map_or(0, Timestamp::as_millisecond))
}

fn next_month(now: UnixNanos) -> UnixNanos {
    midnight(date(now).first_of_month().saturating_add(1.month()))
}

fn month_before(reset: UnixNanos) -> UnixNanos {
    midnight(date(reset).first_of_month().saturating_sub(1.month()))
}

/// Whole months from one first of a month on.
fn months_between(from: UnixNanos, to: UnixNanos) -> u64 {
    let months = |time| {
        let date = date(time);
        i64::from(date.year()) * 12 + i64::from(date.month())
    };
    u64::try_from(months(to) - months(from)).unwrap_or(0)
}
