//! Run-time state of the accounts: their quotas, and CPA's state of each.

use std::sync::Arc;

use super::failure::{Fault, Refusal};
use super::kinds::Kind;
use super::prng::Prng;
use super::standing::{Rest, Service, Standing};
use super::world::World;
use crate::config::whole;
use crate::quota::truth::AccountQuotas;
use crate::quota::{self, Capacity, Direct, Plan, Quota};
use cpa_exporter_core::model::UnixNanos;

/// Tokens of an average request, which determine the size of plans.
const MEAN_TOKENS: u64 = 18_000;
/// CPA requests per request of an account without CPA.
const PER_DIRECT: u64 = 5;

/// Volume of five simulated hours, of all accounts together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Volume {
    requests: u64,
    /// Minimum size of a plan in tokens, so that it takes several requests to use it up.
    least: u64,
}

impl Volume {
    /// Without a rate, plans are large enough that a benchmark does not use them up.
    pub(crate) fn new(rate: Option<f64>, time_scale: u32) -> Self {
        let scale = time_scale.max(1);
        let in_window = |rate: f64| whole(rate * 18_000.0 / f64::from(scale));
        Self {
            requests: rate.map_or(1_000_000_000_000, in_window),
            // With a time scale, few requests fall into a window, and plans should still be used
            // up.
            least: (1_000_000 / u64::from(scale)).max(200_000),
        }
    }

    /// A plan size of which 70 to 130 % would be used by the end of a window.
    fn capacity(self, millionths: u64, prng: &mut Prng) -> Capacity {
        let all = self.requests;
        let requests = all / 1_000_000 * millionths + all % 1_000_000 * millionths / 1_000_000;
        let headroom = 1_000_000 / (700 + prng.below(600));
        Capacity {
            tokens: (requests * MEAN_TOKENS / 1000 * headroom).max(self.least),
            requests: (requests * headroom / 1000).max(self.least / 16_000),
        }
    }
}

/// The quotas in the headers of the last response, which CPA stores until the next one.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: UnixNanos,
    pub(crate) model: usize,
    pub(crate) refused: Option<Refusal>,
    pub(crate) quota: Quota,
}

#[derive(Debug)]
struct AccountState {
    quota: Quota,
    standing: Standing,
    seen: Option<Seen>,
}

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) world: Arc<World>,
    /// In the order of the world's accounts.
    accounts: Vec<AccountState>,
    /// Quotas of accounts outside CPA, in their order.
    direct: Vec<Quota>,
    volume: Volume,
    served: u64,
    /// Random source for the size of accounts added later, so that it does not change later
    /// records.
    later: Prng,
}

impl Pool {
    pub(crate) fn new(
        world: Arc<World>,
        volume: Volume,
        states: bool,
        now: UnixNanos,
        prng: &mut Prng,
    ) -> Self {
        let accounts = world.accounts.iter().enumerate();
        let accounts = accounts.map(|(number, account)| {
            let capacity = volume.capacity(world.share(number), prng);
            let quota = Quota::draw(account.plan, capacity, now, prng);
            let mut standing = Standing::new(account.models.len(), now);
            if states && number >= 16 {
                standing.seed_state(number, now);
            }
            // The initial usage comes from responses before the start.
            let told = account.kind.headers.tells_quota();
            let seen = told.then(|| Seen {
                at: now,
                model: 0,
                refused: None,
                quota: quota.clone(),
            });
            AccountState {
                quota,
                standing,
                seen,
            }
        });
        let accounts = accounts.collect();
        let direct = quota::direct().iter().map(|direct| {
            let share = 1_000_000 / PER_DIRECT / quota::direct().len() as u64;
            let capacity = volume.capacity(share, prng);
            Quota::draw(&direct.plan, capacity, now, prng)
        });
        let direct = direct.collect();
        Self {
            accounts,
            direct,
            volume,
            served: 0,
            later: prng.clone(),
            world,
        }
    }

    /// The account's quotas at `now`.
    pub(crate) fn quota(&mut self, account: usize, now: UnixNanos) -> Option<&mut Quota> {
        let quota = &mut self.accounts.get_mut(account)?.quota;
        quota.advance(now);
        Some(quota)
    }

    pub(crate) fn direct(
        &mut self,
        token: &str,
        now: UnixNanos,
    ) -> Option<(&'static Direct, &mut Quota)> {
        let number = quota::direct()
            .iter()
            .position(|direct| direct.token == token)?;
        let quota = self.direct.get_mut(number)?;
        quota.advance(now);
        Some((quota::direct().get(number)?, quota))
    }

    /// Stores the quotas in a response's headers.
    pub(crate) fn see(
        &mut self,
        account: usize,
        model: usize,
        refused: Option<Refusal>,
        at: UnixNanos,
    ) {
        let Some(state) = self.accounts.get_mut(account) else {
            return;
        };
        match &mut state.seen {
            // Runs once per record: avoids an allocation.
            Some(seen) => {
                seen.quota.clone_from(&state.quota);
                (seen.at, seen.model, seen.refused) = (at, model, refused);
            }
            none => {
                *none = Some(Seen {
                    at,
                    model,
                    refused,
                    quota: state.quota.clone(),
                });
            }
        }
    }

    pub(crate) fn seen(&self, account: usize) -> Option<&Seen> {
        self.accounts.get(account)?.seen.as_ref()
    }

    pub(crate) fn standing(&self, account: usize) -> Option<&Standing> {
        Some(&self.accounts.get(account)?.standing)
    }

    pub(crate) fn standing_mut(&mut self, account: usize) -> Option<&mut Standing> {
        Some(&mut self.accounts.get_mut(account)?.standing)
    }

    pub(crate) fn is_off(&self, account: usize) -> bool {
        self.standing(account).is_none_or(Standing::is_off)
    }

    pub(crate) fn is_removed(&self, account: usize) -> bool {
        self.standing(account)
            .is_none_or(|one| one.service == Service::Removed)
    }

    /// The used-up quota that refuses a model.
    pub(crate) fn refusal(
        &mut self,
        account: usize,
        model: &str,
        now: UnixNanos,
    ) -> Option<Refusal> {
        let claude = self.world.accounts.get(account)?.kind.provider == "claude";
        let limit = self.quota(account, now)?.refusing(model)?;
        Some(Refusal {
            reset: limit.reset_from(now),
            whole: claude && limit.kind.models.is_empty(),
        })
    }

    /// Counts a served request, and now and then one of an account without CPA.
    pub(crate) fn spend(&mut self, account: usize, model: &str, tokens: u64, now: UnixNanos) {
        if let Some(state) = self.accounts.get_mut(account) {
            state.quota.spend(model, tokens, now);
        }
        self.served += 1;
        if self.served.is_multiple_of(PER_DIRECT) {
            let number = usize::try_from(self.served / PER_DIRECT).unwrap_or(0);
            if let Some(quota) = self.direct.get_mut(number % quota::direct().len()) {
                quota.advance(now);
                quota.spend("", tokens, now);
            }
        }
    }

    /// Applies a result to CPA's state of the account.
    pub(crate) fn result(
        &mut self,
        account: usize,
        model: usize,
        fault: Option<(Fault, Option<Refusal>)>,
        now: UnixNanos,
    ) {
        let Some(described) = self.world.accounts.get(account) else {
            return;
        };
        let Some(AccountState { standing, .. }) = self.accounts.get_mut(account) else {
            return;
        };
        let Some((fault, refusal)) = fault else {
            standing.succeed(model, now);
            return;
        };
        if fault == Fault::Canceled {
            return;
        }
        let reset = refusal.map_or(now, |refusal| refusal.reset);
        standing.message = fault.body(described, reset, now);
        let until = match refusal {
            Some(refusal) => Some(refusal.reset),
            None => fault.built_in_rest().map(|rest| now.saturating_add(rest)),
        };
        let whole = refusal.is_some_and(|refusal| refusal.whole);
        standing.fail(model, Rest { fault, until }, whole, now);
    }

    /// Adds an account and returns its number.
    pub(crate) fn add(
        &mut self,
        kind: &'static Kind,
        plan: Option<&'static Plan>,
        now: UnixNanos,
    ) -> usize {
        let world = Arc::new(self.world.with(kind, plan));
        let number = self.world.accounts.len();
        if let Some(account) = world.accounts.last() {
            let capacity = self.volume.capacity(world.share(number), &mut self.later);
            let quota = Quota::draw(account.plan, capacity, now, &mut self.later);
            self.accounts.push(AccountState {
                quota,
                standing: Standing::new(account.models.len(), now),
                seen: None,
            });
        }
        self.world = world;
        number
    }

    pub(crate) fn set_plan(&mut self, account: usize, plan: &'static Plan, now: UnixNanos) {
        self.world = Arc::new(self.world.with_plan(account, plan));
        let capacity = self
            .volume
            .capacity(self.world.share(account), &mut self.later);
        if let Some(state) = self.accounts.get_mut(account) {
            state.quota = Quota::draw(plan, capacity, now, &mut self.later);
        }
    }

    /// Clears the cool-downs, which CPA keeps in memory only.
    pub(crate) fn forget(&mut self, now: UnixNanos) {
        for state in &mut self.accounts {
            state.standing.clear(now);
            state.seen = None;
        }
    }

    /// The true state of all quotas, without the requests.
    pub(crate) fn truth(&mut self, now: UnixNanos) -> Vec<AccountQuotas> {
        let quotas = self.accounts.iter_mut().map(|state| &mut state.quota);
        for quota in quotas.chain(&mut self.direct) {
            quota.advance(now);
        }
        let accounts = self.world.accounts.iter().zip(&self.accounts);
        let accounts = accounts.filter(|(_, state)| state.standing.service != Service::Removed);
        let accounts = accounts.map(|(account, state)| {
            let (kind, plan) = (account.kind, account.plan.name);
            let (provider, login) = (kind.short_name(), kind.login.auth_type());
            AccountQuotas::new(provider, &account.auth_index, plan, login, &state.quota)
        });
        let direct = quota::direct()
            .iter()
            .zip(&self.direct)
            .map(|(one, quota)| {
                AccountQuotas::new(one.provider, one.id, one.plan.name, "direct", quota)
            });
        accounts.chain(direct).collect()
    }
}
