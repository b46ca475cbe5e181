use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::providers::{BUILT_IN, Generic};
use super::session::{BoxFuture, Http, Session};
use super::{AccountRef, Failure, ParseError};
use crate::model::{AccountFacts, QuotaAnswer, Reading};

/// Most rows of one account; the largest real response has about twenty.
const MAX_ROWS: usize = 200;

/// Whose token a provider is polled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// CPA holds the token and inserts it.
    Cpa,
    /// CPA does not support this provider; the token comes from a configured file.
    OwnToken,
    /// A plugin of CPA reads the quota, and CPA forwards it.
    Plugin,
}

/// A provider that needs no configuration.
pub(super) struct BuiltIn {
    pub(super) id: &'static str,
    /// Whether this provider can read the account's quota.
    pub(super) serves: fn(&AccountRef) -> bool,
    pub(super) auth: Auth,
    /// Minimum interval between polls of one account; more frequent ones do harm.
    pub(super) min_interval: Duration,
    pub(super) fetch: for<'a> fn(&'a mut Session<'_>) -> Fetch<'a>,
}

pub(super) type Fetch<'a> = BoxFuture<'a, Result<QuotaAnswer, Failure>>;

impl BuiltIn {
    /// The usual provider: CPA holds the token.
    pub(super) const fn new(
        id: &'static str,
        serves: fn(&AccountRef) -> bool,
        fetch: for<'a> fn(&'a mut Session<'_>) -> Fetch<'a>,
    ) -> Self {
        Self {
            id,
            serves,
            auth: Auth::Cpa,
            min_interval: Duration::from_mins(1),
            fetch,
        }
    }
}

/// A source of quotas.
#[derive(Clone)]
pub struct Provider(Kind);

#[derive(Clone)]
enum Kind {
    BuiltIn(&'static BuiltIn),
    Configured(Arc<Generic>),
}

impl Provider {
    /// The provider that serves this account; configured ones come first.
    pub fn find(account: &AccountRef, configured: &[Arc<Generic>]) -> Option<Self> {
        let own = configured.iter().find(|own| own.serves.matches(account));
        let own = own.map(|own| Kind::Configured(Arc::clone(own)));
        let built_in = || {
            let found = BUILT_IN.into_iter().find(|it| (it.serves)(account));
            found.map(Kind::BuiltIn)
        };
        own.or_else(built_in).map(Self)
    }

    pub fn built_in() -> impl Iterator<Item = Self> {
        BUILT_IN.into_iter().map(|it| Self(Kind::BuiltIn(it)))
    }

    pub fn id(&self) -> &str {
        match &self.0 {
            Kind::BuiltIn(it) => it.id,
            Kind::Configured(it) => &it.id,
        }
    }

    pub fn auth(&self) -> Auth {
        match &self.0 {
            Kind::BuiltIn(it) => it.auth,
            Kind::Configured(it) => it.auth,
        }
    }

    /// Minimum interval between polls of one account.
    pub fn min_interval(&self) -> Duration {
        match &self.0 {
            Kind::BuiltIn(it) => it.min_interval,
            Kind::Configured(it) => it.min_interval,
        }
    }

    /// Polls an account. `with_plan`: also request data that seldom changes and needs a separate
    /// request, such as the plan.
    pub async fn fetch(
        &self,
        account: &AccountRef,
        with_plan: bool,
        http: &dyn Http,
    ) -> Result<QuotaAnswer, Failure> {
        let mut session = Session::new(account, with_plan, http);
        let answer = match &self.0 {
            Kind::BuiltIn(it) => (it.fetch)(&mut session).await,
            Kind::Configured(it) => it.fetch(&mut session).await,
        };
        if session.has_lost_contact() {
            return Err(Failure::NoContact);
        }
        answer.map(finished)
    }
}

impl From<Generic> for Provider {
    fn from(configured: Generic) -> Self {
        Self(Kind::Configured(Arc::new(configured)))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.id())
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
