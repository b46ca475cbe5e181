//! A configured provider: one request, and the positions of the values in its response.

use std::time::Duration;

use crate::json::{Node, at_seconds};
use crate::model::{
    AccountFacts, Amounts, Limit, Name, QuotaAnswer, Reading, Scope, Unit, UnixNanos, Window,
};
use crate::quota::built_in::parsed;
use crate::quota::session::Session;
use crate::quota::{AccountRef, Auth, Failure, Request};

#[derive(Clone, Debug, PartialEq)]
pub struct Generic {
    pub id: String,
    pub serves: Serves,
    pub auth: Auth,
    pub min_interval: Duration,
    pub request: Request,
    /// JSON pointer to the plan's name.
    pub plan: Option<String>,
    /// Unit and position of a balance.
    pub credits: Option<(Unit, String)>,
    pub limits: Vec<GenericLimit>,
}

/// The accounts that the provider serves.
#[derive(Clone, Debug, PartialEq)]
pub enum Serves {
    /// All accounts of this provider.
    Provider(String),
    /// All accounts whose key is sent to a host of this domain.
    Domain(String),
    /// Accounts by `auth_index`.
    Accounts(Vec<String>),
}

/// A reading. Positions are JSON pointers (RFC 6901).
#[derive(Clone, Debug, PartialEq)]
pub struct GenericLimit {
    pub limit: Limit,
    pub name: Option<Name>,
    pub window: Window,
    pub scope: Scope,
    pub unit: Unit,
    /// Divisor of amounts in the response, for example to convert cents to dollars.
    pub divisor: f64,
    pub used: Option<String>,
    pub allowed: Option<String>,
    pub remaining: Option<String>,
    pub share: Option<(ShareForm, String)>,
    pub reset: Option<(ResetForm, String)>,
}

/// Form of a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareForm {
    UsedRatio,
    UsedPercent,
    RemainingRatio,
    RemainingPercent,
}

/// Form of a reset time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetForm {
    /// Since 1970.
    Seconds,
    /// Since 1970.
    Millis,
    Iso,
    /// Relative to now.
    InSeconds,
    /// Relative to now.
    InMillis,
}

impl Serves {
    pub(in crate::quota) fn matches(&self, account: &AccountRef) -> bool {
        match self {
            Self::Provider(name) => account.is_named(&[name]),
            Self::Domain(domain) => account.is_at(domain),
            Self::Accounts(list) => list.contains(&account.auth_index),
        }
    }
}

impl Generic {
    pub(in crate::quota) async fn fetch(
        &self,
        session: &mut Session<'_>,
    ) -> Result<QuotaAnswer, Failure> {
        let page = session.call(self.request.clone()).await?;
        let root = page.root();
        let mut facts =
            AccountFacts::of_plan(self.plan.as_ref().and_then(|at| root.pointer(at).name()));
        if let Some((unit, at)) = &self.credits {
            facts.add_credits(*unit, root.pointer(at).signed());
        }
        let rows = self.limits.iter().map(|limit| limit.row(root));
        let readings: Vec<Reading> = rows.filter(Reading::is_informative).collect();
        Ok(parsed(readings, facts)?)
    }
}

impl GenericLimit {
    fn row(&self, root: Node<'_>) -> Reading {
        let number = |at: &Option<String>| root.pointer(at.as_deref()?).number();
        let amount = |at: &Option<String>| Some(number(at)? / self.divisor);
        let amounts = Amounts::new(
            self.unit,
            amount(&self.used),
            amount(&self.allowed),
            amount(&self.remaining),
        );
        let share = self.share.as_ref();
        let ratio = share.and_then(|(form, at)| form.used_ratio(root.pointer(at)));
        let reset = self.reset.as_ref();
        let reset = reset.and_then(|(form, at)| form.time(root.pointer(at)));
        Reading::new(self.limit.clone(), self.window, self.scope)
            .with_name(self.name.clone())
            .with_amounts(amounts)
            .with_ratio(ratio)
            .with_reset(reset)
    }
}

impl ShareForm {
    fn used_ratio(self, node: Node<'_>) -> Option<f64> {
        let number = node.number()?;
        Some(match self {
            Self::UsedRatio => number,
            Self::UsedPercent => number / 100.0,
            Self::RemainingRatio => 1.0 - number,
            Self::RemainingPercent => 1.0 - number / 100.0,
        })
    }
}

impl ResetForm {
    fn time(self, node: Node<'_>) -> Option<UnixNanos> {
        match self {
            Self::Seconds => at_seconds(node.number()?),
            Self::Millis => node.time_ms(),
            Self::Iso => node.time(),
            Self::InSeconds => node.in_seconds(),
            Self::InMillis => node.in_millis(),
        }
    }
}
