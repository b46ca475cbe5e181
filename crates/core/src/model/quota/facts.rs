use super::{Limit, Name, Reading, Unit, figure, tidy};
use crate::model::UnixNanos;

/// What a provider says about an account besides its windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountFacts {
    pub plan: Option<Name>,
    /// Balances that are spent when the plan is used up.
    pub credits: Vec<(Unit, f64)>,
    /// How many early resets of the windows are in stock.
    pub reset_credits: Option<f64>,
    pub spend: Vec<Spend>,
    pub subscription_end: Option<UnixNanos>,
    /// The page that tells balances was not asked this time: those known before still hold.
    pub is_partial: bool,
    /// The same of the page that tells the early resets.
    pub keeps_resets: bool,
}

/// Money spent beside the plan, as the provider reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spend {
    pub limit: Limit,
    used_usd: Option<f64>,
    limit_usd: Option<f64>,
}

impl Spend {
    /// `None` when neither number is known.
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

    /// `None` = no limit, or not said.
    pub const fn limit_usd(&self) -> Option<f64> {
        self.limit_usd
    }
}

impl AccountFacts {
    /// The plan and nothing else.
    pub fn of_plan(plan: Option<Name>) -> Self {
        Self {
            plan,
            ..Self::default()
        }
    }

    /// For an answer that has no word on them.
    pub fn not_asked() -> Self {
        Self {
            is_partial: true,
            ..Self::default()
        }
    }

    /// Makes way for what has just been read. What it leaves out, like a balance, is not there any
    /// more, unless it was not asked for; a plan stays until another one is named.
    pub fn replace(&mut self, mut new: Self) {
        let old = std::mem::take(self);
        if std::mem::take(&mut new.keeps_resets) {
            new.reset_credits = new.reset_credits.or(old.reset_credits);
        }
        if std::mem::take(&mut new.is_partial) {
            new.fill(old);
        } else {
            new.plan = new.plan.take().or(old.plan);
        }
        *self = new;
    }

    /// Adds a balance; one that is no number is unknown. A debt is kept: it is one.
    pub fn add_credits(&mut self, unit: Unit, balance: Option<f64>) {
        if let Some(balance) = balance.filter(|balance| balance.is_finite()) {
            self.credits.push((unit, tidy(balance)));
        }
    }

    /// Takes over what `other` knows and this does not.
    pub fn fill(&mut self, other: Self) {
        self.plan = self.plan.take().or(other.plan);
        self.reset_credits = self.reset_credits.or(other.reset_credits);
        self.subscription_end = self.subscription_end.or(other.subscription_end);
        if self.credits.is_empty() {
            self.credits = other.credits;
        }
        if self.spend.is_empty() {
            self.spend = other.spend;
        }
    }
}

/// All that asking a provider about one account has brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuotaAnswer {
    pub readings: Vec<Reading>,
    pub facts: AccountFacts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_stays() {
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
    fn spend_needs_a_number() {
        let spend = |used| Spend::new(Limit::main(), used, None);
        assert_eq!(spend(None), None);
        assert_eq!(spend(Some(f64::INFINITY)), None);
        assert_eq!(spend(Some(-1.5)), None);
        assert_eq!(spend(Some(1.5)).unwrap().used_usd(), Some(1.5));
    }
}
