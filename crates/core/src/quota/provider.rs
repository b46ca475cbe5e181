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
    /// CPA holds the token and inserts it.
    Cpa,
    /// CPA does not support this provider; the token comes from a configured file.
    OwnToken,
    /// A plugin of CPA reads the quota, and CPA forwards it.
    Plugin,
}

/// Input of a poll.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub account: &'a AccountRef,
    /// Whether to request data that seldom changes and needs a separate request, such as the plan.
    pub with_plan: bool,
}

/// The next step of a poll.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this request and continue with one more attempt.
    Call(Request),
    Done(Result<QuotaAnswer, Failure>),
}

/// The requests to a provider and the parsing of its responses.
pub trait Provider: fmt::Debug + Send + Sync {
    fn id(&self) -> &str;

    /// Whether this provider can read the account's quota.
    fn serves(&self, account: &AccountRef) -> bool;

    fn auth(&self) -> Auth {
        Auth::Cpa
    }

    /// Minimum interval between polls of one account; more frequent ones do harm.
    fn min_interval(&self) -> Duration {
        Duration::from_mins(1)
    }

    /// Runs the conversation from the start. [`Flow::call`] suspends it at the first request
    /// without a response; after each response, it runs again.
    fn run(&self, ask: &Ask<'_>, flow: &mut Flow<'_>) -> Result<QuotaAnswer, Pause>;

    /// The next step after these attempts, which are in the order of the requests.
    fn next(&self, ask: &Ask<'_>, so_far: &[Attempt]) -> Step {
        match self.run(ask, &mut Flow::new(so_far)) {
            Err(Pause::Call(request)) => Step::Call(request),
            Err(Pause::Fail(failure)) => Step::Done(Err(failure)),
            Ok(answer) => Step::Done(Ok(finished(answer))),
        }
    }
}

/// A response with at least one known value.
pub(super) fn parsed(
    readings: Vec<Reading>,
    facts: AccountFacts,
) -> Result<QuotaAnswer, ParseError> {
    if readings.is_empty() && facts == AccountFacts::default() {
        return Err(ParseError::Shape);
    }
    Ok(QuotaAnswer { readings, facts })
}

/// Keeps one reading per limit: the one with the highest usage.
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

/// Keeps the first reading per limit and window; drops readings without information.
fn finished(mut answer: QuotaAnswer) -> QuotaAnswer {
    let mut seen = HashSet::new();
    answer.readings.retain(|row| {
        row.is_informative() && seen.insert((row.limit().clone(), row.window().label()))
    });
    answer.readings.truncate(MAX_ROWS);
    answer
}
