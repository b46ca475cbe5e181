use super::{Limit, Name, Reading, Unit, figure, tidy};

/// Facts that a provider states about an account, apart from its windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountFacts {
    pub plan: Option<Name>,
    /// Balances that are spent once the plan is used up.
    pub credits: Vec<(Unit, f64)>,
    /// Number of early resets available.
    pub reset_credits: Option<f64>,
    pub spend: Vec<Spend>,
    /// The poll did not request the balances: the previous ones remain valid.
    pub is_partial: bool,
    /// The poll did not request the early resets: the previous number remains valid.
    pub keeps_reset_credits: bool,
}

/// Money spent outside the plan, as the provider reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spend {
    pub limit: Limit,
    used_usd: Option<f64>,
    limit_usd: Option<f64>,
}

impl Spend {
    /// `None` if neither amount is known.
    pub fn new(limit: Limit, used_usd: Option<f64>, limit_usd: Option<f64>) -> Option<Self> {
        let (used_usd, limit_usd) = (figure(used_usd).map(tidy), figure(limit_usd).map(tidy));
        let known = used_usd.is_some() || limit_usd.is_some();
        known.then_some(Self {
            limit,
            used_usd,
            limit_usd,
        })
    }

    pub const fn used_usd(&self) -> Option<f64> {
        self.used_usd
    }

    /// `None` = no limit, or not stated.
    pub const fn limit_usd(&self) -> Option<f64> {
        self.limit_usd
    }
}

impl AccountFacts {
    /// Facts that consist of the plan only.
    pub fn of_plan(plan: Option<Name>) -> Self {
        Self {
            plan,
            ..Self::default()
        }
    }

    /// For a response that does not cover balances.
    pub fn partial() -> Self {
        Self {
            is_partial: true,
            ..Self::default()
        }
    }

    /// Replaces these facts with newer ones. A balance that `new` omits is removed, unless the poll
    /// did not request balances; the plan stays until another one is named.
    pub fn replace(&mut self, mut new: Self) {
        let old = std::mem::take(self);
        if std::mem::take(&mut new.keeps_reset_credits) {
            new.reset_credits = new.reset_credits.or(old.reset_credits);
        }
        if std::mem::take(&mut new.is_partial) {
            new.fill(old);
        } else {
            new.plan = new.plan.take().or(old.plan);
        }
        *self = new;
    }

    /// Adds a balance. NaN and infinity are ignored; a negative balance is a debt and is kept.
    pub fn add_credits(&mut self, unit: Unit, balance: Option<f64>) {
        if let Some(balance) = balance.filter(|balance| balance.is_finite()) {
            self.credits.push((unit, tidy(balance)));
        }
    }

    /// Fills missing facts from `other`.
    pub fn fill(&mut self, other: Self) {
        self.plan = self.plan.take().or(other.plan);
        self.reset_credits = self.reset_credits.or(other.reset_credits);
        if self.credits.is_empty() {
            self.credits = other.credits;
        }
        if self.spend.is_empty() {
            self.spend = other.spend;
        }
    }
}

/// Result of a poll of one account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuotaAnswer {
    pub readings: Vec<Reading>,
    pub facts: AccountFacts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_facts_are_not_overwritten_by_fill() {
        let mut facts = AccountFacts {
            plan: Name::new("pro"),
            ..AccountFacts::default()
        };
        let mut other = AccountFacts {
            plan: Name::new("free"),
            reset_credits: Some(2.0),
            ..AccountFacts::default()
        };
        other.add_credits(Unit::Credits, Some(-3.5));
        other.add_credits(Unit::Usd, Some(f64::NAN));
        facts.fill(other);
        assert_eq!(facts.plan, Name::new("pro"));
        assert_eq!(facts.reset_credits, Some(2.0));
        assert_eq!(facts.credits, [(Unit::Credits, -3.5)]);
    }

    #[test]
    fn spend_requires_an_amount() {
        let spend = |used| Spend::new(Limit::main(), used, None);
        assert_eq!(spend(None), None);
        assert_eq!(spend(Some(f64::INFINITY)), None);
        assert_eq!(spend(Some(-1.5)), None);
        assert_eq!(spend(Some(1.5)).unwrap().used_usd(), Some(1.5));
    }
}
