use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use super::flow::{Attempt, Flow, Pause};
use super::{AccountRef, Failure, ParseError, Request};
use crate::model::{AccountFacts, QuotaAnswer, Reading};

/// Most rows of one account; the largest real answer has about twenty.
const MAX_ROWS: usize = 200;

/// Whose token a provider is asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// CPA holds it and puts it in.
    Cpa,
    /// CPA does not know this provider; the token comes from a file of our own.
    OwnToken,
    /// A plugin of CPA asks, and CPA passes on what it read.
    Plugin,
}

/// What is to be found out.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub account: &'a AccountRef,
    /// Also what changes seldom and costs a call of its own, like the plan.
    pub with_plan: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this and come back with one more attempt.
    Call(Request),
    Done(Result<QuotaAnswer, Failure>),
}

/// How one provider is asked, and what its answers mean.
pub trait Provider: fmt::Debug + Send + Sync {
    fn id(&self) -> &str;

    /// Whether this account's quota can be read here.
    fn serves(&self, account: &AccountRef) -> bool;

    fn auth(&self) -> Auth {
        Auth::Cpa
    }

    /// Asking one account more often than this does harm.
    fn min_interval(&self) -> Duration {
        Duration::from_mins(1)
    }

    /// Tells the whole conversation from its beginning. [`Flow::call`] leaves it at the first
    /// question that has no answer yet; with one answer more it is told again.
    fn run(&self, ask: &Ask<'_>, flow: &mut Flow<'_>) -> Result<QuotaAnswer, Pause>;

    /// What comes after these attempts, given in the order of the calls.
    fn next(&self, ask: &Ask<'_>, so_far: &[Attempt]) -> Step {
        match self.run(ask, &mut Flow::new(so_far)) {
            Err(Pause::Call(request)) => Step::Call(request),
            Err(Pause::Fail(failure)) => Step::Done(Err(failure)),
            Ok(answer) => Step::Done(Ok(finished(answer, ask.account))),
        }
    }
}

/// An answer in which something is known.
pub(super) fn told(readings: Vec<Reading>, facts: AccountFacts) -> Result<QuotaAnswer, ParseError> {
    if readings.is_empty() && facts == AccountFacts::default() {
        return Err(ParseError::Shape);
    }
    Ok(QuotaAnswer { readings, facts })
}

/// One row per limit: the one of which most is used.
pub(super) fn fullest(rows: impl IntoIterator<Item = Reading>) -> Vec<Reading> {
    let mut kept: Vec<Reading> = Vec::new();
    for row in rows {
        match kept.iter_mut().find(|known| known.limit() == row.limit()) {
            Some(known) if known.used_ratio() >= row.used_ratio() => {}
            Some(known) => *known = row,
            None => kept.push(row),
        }
    }
    kept
}

/// One row per limit and window, the first one said; silent rows are left out.
fn finished(mut answer: QuotaAnswer, account: &AccountRef) -> QuotaAnswer {
    let mut seen = HashSet::new();
    answer.readings.retain(|row| {
        row.says_something() && seen.insert((row.limit().clone(), row.window().label()))
    });
    answer.readings.truncate(MAX_ROWS);
    let facts = &mut answer.facts;
    facts.plan = facts.plan.take().or_else(|| account.plan.clone());
    facts.subscription_end = facts.subscription_end.or(account.subscription_end);
    answer
}
