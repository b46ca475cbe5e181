use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::built_in::{Auth, BuiltIn};
use super::providers::{BUILT_IN, Generic};
use super::session::{Http, Session};
use super::{AccountRef, Failure};
use crate::model::QuotaAnswer;

/// Most rows of one account; the largest real response has about twenty.
const MAX_ROWS: usize = 200;

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

/// Keeps the first reading per limit and window; drops readings without information.
fn finished(mut answer: QuotaAnswer) -> QuotaAnswer {
    let mut seen = HashSet::new();
    answer.readings.retain(|row| {
        row.is_informative() && seen.insert((row.limit().clone(), row.window().label()))
    });
    answer.readings.truncate(MAX_ROWS);
    answer
}
