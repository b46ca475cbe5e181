//! The true quotas: limits of an account, usage by its traffic, and resets.
//!
//! The only source of quotas in the simulator: headers of records, refusals, the providers' quota
//! responses and the values for tests are all derived from here.

mod limit;
mod plans;
pub(crate) mod truth;

pub(crate) use self::limit::Limit;
pub use self::limit::Unit;
pub(crate) use self::plans::{Direct, Plan, direct, plan_named, plan_of};

use super::generator::prng::Prng;
use cpa_exporter_core::model::UnixNanos;

/// Size of a plan for five hours, from which its limits are derived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    pub(crate) tokens: u64,
    pub(crate) requests: u64,
}

/// All limits of one account.
#[derive(Debug)]
pub(crate) struct Quota {
    limits: Vec<Limit>,
}

impl Clone for Quota {
    fn clone(&self) -> Self {
        Self {
            limits: self.limits.clone(),
        }
    }

    /// Reuses the allocation: runs once per record.
    fn clone_from(&mut self, source: &Self) {
        self.limits.clone_from(&source.limits);
    }
}

impl Quota {
    /// Draws each limit at a random position in its window, with up to three quarters used.
    pub(crate) fn draw(
        plan: &'static Plan,
        capacity: Capacity,
        now: UnixNanos,
        prng: &mut Prng,
    ) -> Self {
        let limits = plan.limits.iter();
        Self {
            limits: limits
                .map(|kind| Limit::draw(kind, capacity, now, prng))
                .collect(),
        }
    }

    pub(crate) fn advance(&mut self, now: UnixNanos) {
        for limit in &mut self.limits {
            limit.advance(now);
        }
    }

    /// Counts one served request of a model.
    pub(crate) fn spend(&mut self, model: &str, tokens: u64, now: UnixNanos) {
        for limit in &mut self.limits {
            if limit.covers(model) {
                limit.spend(tokens, now);
            }
        }
    }

    /// The limit that refuses a model; of several, the one that resets last.
    pub(crate) fn refusing(&self, model: &str) -> Option<&Limit> {
        let used_up = self.limits.iter().filter(|limit| limit.refuses(model));
        used_up.max_by_key(|limit| limit.reset())
    }

    pub(crate) fn limits(&self) -> &[Limit] {
        &self.limits
    }

    pub(crate) fn get(&self, name: &str, window: &str) -> Option<&Limit> {
        let mut limits = self.limits.iter();
        limits.find(|limit| limit.kind.name == name && limit.kind.window == window)
    }

    pub(crate) fn get_mut(&mut self, name: &str, window: &str) -> Option<&mut Limit> {
        let mut limits = self.limits.iter_mut();
        limits.find(|limit| limit.kind.name == name && limit.kind.window == window)
    }

    /// The windows of a limit in the provider's order.
    pub(crate) fn windows<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Limit> {
        let limits = self.limits.iter();
        limits.filter(move |limit| limit.kind.name == name)
    }
}
