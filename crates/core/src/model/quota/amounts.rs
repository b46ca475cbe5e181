use super::{Unit, figure, tidy};

/// Absolute amounts of a limit; at least one of the three is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amounts {
    unit: Unit,
    used: Option<f64>,
    limit: Option<f64>,
    remaining: Option<f64>,
}

impl Amounts {
    /// `None` when nothing is known. A number that is no [`figure`] is missing. A missing number is
    /// worked out from the other two where that is exact.
    pub fn new(
        unit: Unit,
        used: Option<f64>,
        limit: Option<f64>,
        remaining: Option<f64>,
    ) -> Option<Self> {
        let (used, limit, remaining) = (figure(used), figure(limit), figure(remaining));
        // With nothing left, the provider may have cut off what was used beyond the limit.
        let limit = limit.or_else(|| figure(Some(used? + remaining.filter(|left| *left > 0.0)?)));
        let used = used.or_else(|| figure(Some(tidy(limit? - remaining?))));
        let remaining = remaining.or_else(|| Some((limit? - used?).max(0.0)));
        let known = used.is_some() || limit.is_some() || remaining.is_some();
        known.then_some(Self {
            unit,
            used: used.map(tidy),
            limit: limit.map(tidy),
            remaining: remaining.map(tidy),
        })
    }

    pub const fn unit(&self) -> Unit {
        self.unit
    }

    pub const fn used(&self) -> Option<f64> {
        self.used
    }

    pub const fn limit(&self) -> Option<f64> {
        self.limit
    }

    pub const fn remaining(&self) -> Option<f64> {
        self.remaining
    }

    /// Used share; `None` for an unknown or zero limit.
    pub fn ratio(&self) -> Option<f64> {
        let limit = self.limit.filter(|limit| *limit > 0.0)?;
        Some(self.used? / limit)
    }

    /// The limit is 0 and nothing is used.
    pub(super) fn is_empty(self) -> bool {
        let is_nothing = |number: Option<f64>| number.is_none_or(|number| number <= 0.0);
        self.limit.is_some()
            && [self.limit, self.used, self.remaining]
                .into_iter()
                .all(is_nothing)
    }

    /// An unlimited quota has no remaining amount.
    pub(super) fn without_remaining(self) -> Option<Self> {
        Self::new(self.unit, self.used, None, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Three = (Option<f64>, Option<f64>, Option<f64>);

    fn complete((used, limit, remaining): Three) -> Option<Three> {
        let amounts = Amounts::new(Unit::Requests, used, limit, remaining)?;
        Some((amounts.used(), amounts.limit(), amounts.remaining()))
    }

    #[test]
    fn missing_amount_is_computed_where_exact() {
        let (no, some) = (None, |n: f64| Some(n));
        let table: [(Three, Option<Three>); 13] = [
            (
                (some(28.0), some(100.0), no),
                Some((some(28.0), some(100.0), some(72.0))),
            ),
            (
                (no, some(100.0), some(8.0)),
                Some((some(92.0), some(100.0), some(8.0))),
            ),
            (
                (some(3.0), no, some(7.0)),
                Some((some(3.0), some(10.0), some(7.0))),
            ),
            // Usage exceeds the limit: a remaining amount of 0 does not reveal the limit.
            (
                (some(12.0), no, some(0.0)),
                Some((some(12.0), no, some(0.0))),
            ),
            (
                (some(12.0), some(10.0), no),
                Some((some(12.0), some(10.0), some(0.0))),
            ),
            ((some(3.0), no, no), Some((some(3.0), no, no))),
            ((some(f64::NAN), no, some(f64::INFINITY)), None),
            ((some(-1.0), no, no), None),
            ((some(-1.0), some(10.0), no), Some((no, some(10.0), no))),
            (
                (some(-1.0), some(10.0), some(4.0)),
                Some((some(6.0), some(10.0), some(4.0))),
            ),
            // More left than the limit: they contradict, so the use is unknown.
            (
                (no, some(10.0), some(12.0)),
                Some((no, some(10.0), some(12.0))),
            ),
            (
                (some(1e308), no, some(1e308)),
                Some((some(1e308), no, some(1e308))),
            ),
            ((no, no, no), None),
        ];
        for (given, expected) in table {
            assert_eq!(complete(given), expected, "{given:?}");
        }
    }

    #[test]
    fn zero_limit_has_no_ratio() {
        let of = |used, limit| Amounts::new(Unit::Usd, Some(used), Some(limit), None)?.ratio();
        assert_eq!(of(1.0, 0.0), None);
        assert_eq!(of(3.0, 2.0), Some(1.5));
    }
}
