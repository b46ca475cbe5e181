use super::{Amounts, Limit, Name, Scope, Window, sane};
use crate::model::UnixNanos;

/// Times outside 2015 to 2100 are mistakes of unit or of the clock.
const EARLIEST: i64 = 1_420_070_400_000_000_000;
const LATEST: i64 = 4_102_444_800_000_000_000;
/// A larger share is no overage but nonsense.
const LARGEST_RATIO: f64 = 1_000_000.0;

/// One window of one limit, as one source saw it at one moment.
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
    /// A row of which nothing is known yet.
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

    /// The same of another window, where it turns out which one is meant.
    #[must_use]
    pub fn in_window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// What people call the limit.
    #[must_use]
    pub fn with_name(mut self, name: Option<Name>) -> Self {
        self.name = name;
        self
    }

    /// The used share, 0 to 1 and beyond. NaN and infinite are unknown.
    #[must_use]
    pub fn with_ratio(mut self, ratio: Option<f64>) -> Self {
        // 1 - 0.89 and 0.11 are one share: beyond nine digits there is only arithmetic.
        let ratio = ratio.map(|ratio| (ratio * 1e9).round() / 1e9);
        self.used_ratio = sane(ratio).filter(|ratio| *ratio <= LARGEST_RATIO);
        self
    }

    /// The used share in percent.
    #[must_use]
    pub fn with_percent(self, percent: Option<f64>) -> Self {
        self.with_ratio(percent.map(|percent| percent / 100.0))
    }

    #[must_use]
    pub fn with_amounts(mut self, amounts: Option<Amounts>) -> Self {
        self.amounts = amounts;
        self
    }

    /// When the window starts anew. A time that cannot be true is unknown.
    #[must_use]
    pub fn with_reset(mut self, at: Option<UnixNanos>) -> Self {
        self.reset_at = at.filter(|at| (EARLIEST..LATEST).contains(&at.get()));
        self
    }

    /// What the provider itself says about it.
    #[must_use]
    pub fn with_exhausted(mut self, exhausted: Option<bool>) -> Self {
        self.exhausted = exhausted;
        self
    }

    /// A limit that never binds has neither share nor limit, and nothing that remains.
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

    /// As stated, else worked out of the amounts.
    pub fn used_ratio(&self) -> Option<f64> {
        if self.unlimited {
            return None;
        }
        let of_amounts = || sane(self.amounts?.ratio()).filter(|ratio| *ratio <= LARGEST_RATIO);
        self.used_ratio.or_else(of_amounts)
    }

    pub fn amounts(&self) -> Option<Amounts> {
        if self.unlimited {
            return self.amounts.and_then(Amounts::of_unlimited);
        }
        self.amounts
    }

    pub const fn reset_at(&self) -> Option<UnixNanos> {
        self.reset_at
    }

    /// As the provider says, else whether all is used.
    pub fn exhausted(&self) -> Option<bool> {
        self.exhausted
            .or_else(|| self.unlimited.then_some(false))
            .or_else(|| self.used_ratio().map(|ratio| ratio >= 1.0))
    }

    pub const fn unlimited(&self) -> bool {
        self.unlimited
    }

    /// Whether the row says anything worth keeping.
    pub fn says_something(&self) -> bool {
        self.unlimited
            || self.exhausted.is_some()
            || self.used_ratio().is_some()
            || self.amounts.is_some()
            || self.reset_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;

    fn reading() -> Reading {
        Reading::new(Limit::main(), Window::hours(5), Scope::Account)
    }

    #[test]
    fn what_cannot_be_true_is_unknown() {
        let ratio = |ratio| reading().with_ratio(Some(ratio)).used_ratio();
        assert_eq!(ratio(f64::NAN), None);
        assert_eq!(ratio(f64::INFINITY), None);
        assert_eq!(ratio(1e300), None);
        assert_eq!(ratio(-0.2), Some(0.0));
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
    fn exhaustion_is_as_said_else_as_counted() {
        assert_eq!(reading().exhausted(), None);
        assert_eq!(reading().with_percent(Some(100.0)).exhausted(), Some(true));
        assert_eq!(reading().with_percent(Some(99.9)).exhausted(), Some(false));
        let said = reading()
            .with_percent(Some(103.0))
            .with_exhausted(Some(false));
        assert_eq!(said.exhausted(), Some(false));
    }

    #[test]
    fn unlimited_has_no_share() {
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
    fn a_share_is_worked_out_of_amounts() {
        let amounts = Amounts::new(Unit::Usd, Some(3.0), Some(12.0), None);
        assert_eq!(reading().with_amounts(amounts).used_ratio(), Some(0.25));
        assert!(!reading().says_something());
    }
}
