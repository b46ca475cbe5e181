use std::time::Duration;

use super::{Amounts, Limit, Name, Scope, Window, figure, is_plausible_time};
use crate::model::UnixNanos;

/// Maximum difference between two statements of one reset: sources round, clocks differ, and
/// rolling windows move.
pub const RESET_JITTER: Duration = Duration::from_mins(1);
/// A larger ratio is an error, not overuse.
const LARGEST_RATIO: f64 = 1_000_000.0;

/// One window of one limit, as one source reported it at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    limit: Limit,
    window: Window,
    scope: Scope,
    name: Option<Name>,
    used_ratio: Option<f64>,
    amounts: Option<Amounts>,
    reset_at: Option<UnixNanos>,
    exhausted: Option<bool>,
    unlimited: bool,
}

impl Reading {
    /// A reading without any value.
    pub const fn new(limit: Limit, window: Window, scope: Scope) -> Self {
        Self {
            limit,
            window,
            scope,
            name: None,
            used_ratio: None,
            amounts: None,
            reset_at: None,
            exhausted: None,
            unlimited: false,
        }
    }

    /// Assigns the reading to another window, once the window is identified.
    #[must_use]
    pub fn in_window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// Display name of the limit.
    #[must_use]
    pub fn with_name(mut self, name: Option<Name>) -> Self {
        self.name = name;
        self
    }

    /// The used share, 0 to 1 and beyond. A number that is no [`figure`] is unknown.
    #[must_use]
    pub fn with_ratio(mut self, ratio: Option<f64>) -> Self {
        self.used_ratio = share(ratio);
        self
    }

    /// The used ratio in percent.
    #[must_use]
    pub fn with_percent(self, percent: Option<f64>) -> Self {
        self.with_ratio(percent.map(|percent| percent / 100.0))
    }

    #[must_use]
    pub fn with_amounts(mut self, amounts: Option<Amounts>) -> Self {
        self.amounts = amounts;
        self
    }

    /// Reset time of the window. An implausible time becomes unknown.
    #[must_use]
    pub fn with_reset(mut self, at: Option<UnixNanos>) -> Self {
        self.reset_at = at.filter(|at| is_plausible_time(*at));
        self
    }

    /// The provider's own statement.
    #[must_use]
    pub fn with_exhausted(mut self, exhausted: Option<bool>) -> Self {
        self.exhausted = exhausted;
        self
    }

    /// An unlimited limit has no ratio, no limit and no remaining amount.
    #[must_use]
    pub fn with_unlimited(mut self, unlimited: bool) -> Self {
        self.unlimited = unlimited;
        self
    }

    pub const fn limit(&self) -> &Limit {
        &self.limit
    }

    pub const fn window(&self) -> Window {
        self.window
    }

    pub const fn scope(&self) -> Scope {
        self.scope
    }

    pub const fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// The stated ratio, else the one computed from the amounts.
    pub fn used_ratio(&self) -> Option<f64> {
        if self.unlimited {
            return None;
        }
        let of_amounts = || share(self.amounts?.ratio());
        self.used_ratio.or_else(of_amounts)
    }

    pub fn amounts(&self) -> Option<Amounts> {
        if self.unlimited {
            return self.amounts.and_then(Amounts::without_remaining);
        }
        self.amounts
    }

    pub const fn reset_at(&self) -> Option<UnixNanos> {
        self.reset_at
    }

    /// Whether both state the same reset, within [`RESET_JITTER`]; `None` if one states none.
    pub fn has_reset_of(&self, other: &Self) -> Option<bool> {
        let (one, other) = (self.reset_at?, other.reset_at?);
        Some(one.since(other).max(other.since(one)) <= RESET_JITTER)
    }

    /// Assigns a reading without a window, such as a 429 or a response without usable times, to
    /// the first window in `known` with the same limit and reset time; else returns it unchanged.
    #[must_use]
    pub fn resolve_window<'a>(self, known: impl IntoIterator<Item = &'a Self> + 'a) -> Self {
        if self.window != Window::UNKNOWN {
            return self;
        }
        let is_it = |row: &&Self| row.limit == self.limit && row.has_reset_of(&self) == Some(true);
        match known.into_iter().find(is_it).map(Self::window) {
            Some(window) => self.in_window(window),
            None => self,
        }
    }

    /// The provider's statement, else whether the ratio has reached 1.
    pub fn exhausted(&self) -> Option<bool> {
        self.exhausted
            .or_else(|| self.unlimited.then_some(false))
            .or_else(|| self.used_ratio().map(|ratio| ratio >= 1.0))
    }

    pub const fn unlimited(&self) -> bool {
        self.unlimited
    }

    /// Whether the reading has a value worth storing. A limit of 0 with no usage and no stated
    /// ratio means that the plan has no such limit.
    pub fn is_informative(&self) -> bool {
        let is_placeholder =
            self.used_ratio.is_none() && self.amounts.is_some_and(Amounts::is_empty);
        let says = self.exhausted.is_some()
            || self.used_ratio().is_some()
            || self.amounts.is_some()
            || self.reset_at.is_some();
        self.unlimited || (says && !is_placeholder)
    }
}

/// A used ratio. 1 - 0.89 equals 0.11: digits beyond the ninth are arithmetic noise.
fn share(ratio: Option<f64>) -> Option<f64> {
    let ratio = ratio.map(|ratio| (ratio * 1e9).round() / 1e9);
    figure(ratio).filter(|ratio| *ratio <= LARGEST_RATIO)
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;

    fn reading() -> Reading {
        Reading::new(Limit::main(), Window::hours(5), Scope::Account)
    }

    #[test]
    fn implausible_values_become_unknown() {
        let ratio = |ratio| reading().with_ratio(Some(ratio)).used_ratio();
        assert_eq!(ratio(f64::NAN), None);
        assert_eq!(ratio(f64::INFINITY), None);
        assert_eq!(ratio(1e300), None);
        assert_eq!(ratio(-0.2), None);
        assert_eq!(ratio(-1e-12), Some(0.0), "noise of arithmetic");
        assert_eq!(reading().with_percent(Some(-3.0)).used_ratio(), None);
        assert_eq!(ratio(1.25), Some(1.25));
        let reset = |seconds: i64| {
            let at = UnixNanos::new(seconds.saturating_mul(1_000_000_000));
            reading().with_reset(Some(at)).reset_at()
        };
        assert_eq!(reset(0), None);
        assert_eq!(reset(4_200_000_000), None);
        assert_eq!(reset(253_402_300_799), None);
        assert!(reset(1_800_000_000).is_some());
    }

    #[test]
    fn window_is_resolved_by_limit_and_reset_within_a_minute() {
        let at = |seconds: i64| Some(UnixNanos::from_millis((1_800_000_000 + seconds) * 1000));
        let row = |limit: &str, window, reset| {
            Reading::new(Limit::new(limit).unwrap(), window, Scope::Account).with_reset(reset)
        };
        let known = [
            row("main", Window::hours(5), at(0)),
            row("main", Window::hours(24), at(600)),
            row("spark", Window::hours(168), at(600)),
            row("spark", Window::hours(5), None),
        ];
        let resolved =
            |limit, window, reset| row(limit, window, reset).resolve_window(&known).window();
        let unknown = Window::UNKNOWN;
        assert_eq!(resolved("main", unknown, at(60)), Window::hours(5));
        assert_eq!(resolved("main", unknown, at(-60)), Window::hours(5));
        assert_eq!(resolved("main", unknown, at(61)), unknown);
        assert_eq!(resolved("main", unknown, at(601)), Window::hours(24));
        assert_eq!(resolved("spark", unknown, at(600)), Window::hours(168));
        assert_eq!(resolved("spark", unknown, None), unknown);
        assert_eq!(resolved("other", unknown, at(0)), unknown);
        assert_eq!(resolved("main", Window::hours(1), at(0)), Window::hours(1));
    }

    #[test]
    fn exhausted_prefers_the_providers_statement() {
        assert_eq!(reading().exhausted(), None);
        assert_eq!(reading().with_percent(Some(100.0)).exhausted(), Some(true));
        assert_eq!(reading().with_percent(Some(99.9)).exhausted(), Some(false));
        let said = reading()
            .with_percent(Some(103.0))
            .with_exhausted(Some(false));
        assert_eq!(said.exhausted(), Some(false));
    }

    #[test]
    fn unlimited_reading_has_no_ratio() {
        let amounts = Amounts::new(Unit::Requests, Some(7.0), Some(0.0), Some(0.0));
        let row = reading()
            .with_ratio(Some(0.0))
            .with_amounts(amounts)
            .with_unlimited(true);
        assert_eq!(row.used_ratio(), None);
        assert_eq!(row.exhausted(), Some(false));
        let left = row.amounts().unwrap();
        assert_eq!(
            (left.used(), left.limit(), left.remaining()),
            (Some(7.0), None, None)
        );
    }

    #[test]
    fn zero_limit_without_usage_is_not_informative() {
        let row = |used, limit, remaining| {
            reading()
                .with_amounts(Amounts::new(Unit::Usd, used, limit, remaining))
                .with_reset(Some(UnixNanos::new(1_800_000_000_000_000_000)))
        };
        let (nothing, some) = (Some(0.0), Some(3.0));
        for (used, limit, remaining) in [
            (nothing, nothing, nothing),
            (None, nothing, nothing),
            (nothing, nothing, None),
            (None, nothing, None),
        ] {
            let empty = row(used, limit, remaining);
            assert!(!empty.is_informative(), "{empty:?}");
            assert!(!empty.clone().with_exhausted(Some(true)).is_informative());
            assert!(empty.clone().with_ratio(nothing).is_informative());
            assert!(empty.with_unlimited(true).is_informative());
        }
        assert!(row(some, nothing, nothing).is_informative(), "beyond it");
        assert!(row(nothing, some, None).is_informative());
        assert!(row(nothing, None, None).is_informative());
    }

    #[test]
    fn binary_noise_is_rounded_away() {
        let ratio = |ratio| reading().with_ratio(Some(ratio)).used_ratio();
        assert_eq!(ratio(0.100_000_000_000_001_42), Some(0.1));
        assert_eq!(ratio(1.0 - 0.93), Some(0.07));
        let percent = |percent| reading().with_percent(Some(percent)).used_ratio();
        assert_eq!(percent(28.999_999_999_999_996), Some(0.29));
        assert_eq!(percent(55.432_1), Some(0.554_321));
        let amounts = Amounts::new(Unit::Usd, None, Some(100.1), Some(100.0));
        let row = reading().with_amounts(amounts);
        assert_eq!(row.amounts().unwrap().used(), Some(0.1));
        assert_eq!(row.used_ratio(), Some(0.000_999_001));
    }

    #[test]
    fn ratio_is_computed_from_amounts() {
        let amounts = Amounts::new(Unit::Usd, Some(3.0), Some(12.0), None);
        assert_eq!(reading().with_amounts(amounts).used_ratio(), Some(0.25));
        assert!(!reading().is_informative());
    }
}
