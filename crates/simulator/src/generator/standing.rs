//! CPA's state of an account: disabled, being refreshed, or in a cool-down after a failure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Fault;
use cpa_exporter_core::model::UnixNanos;

const MONTH: Duration = Duration::from_hours(30 * 24);

/// State of an account without failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    #[default]
    Active,
    Pending,
    Refreshing,
    Unknown,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Refreshing => "refreshing",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether the account is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    On,
    Disabled,
    /// Removed from the pool; its number stays reserved.
    Removed,
}

/// Cool-down of a model after a failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    pub(crate) fault: Fault,
    pub(crate) until: Option<UnixNanos>,
}

#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) service: Service,
    pub(crate) phase: Phase,
    /// Whether the upstream rejects its token.
    pub(crate) expired: bool,
    /// Whether the simulation's operator has marked it unavailable.
    pub(crate) unavailable: bool,
    pub(crate) last_refresh: Option<UnixNanos>,
    /// End of the paid subscription.
    pub(crate) subscription_until: UnixNanos,
    pub(crate) created: UnixNanos,
    pub(crate) updated: UnixNanos,
    /// Body of the last failure, until the model that failed has a success.
    pub(crate) message: String,
    models: Vec<Option<Rest>>,
}

impl Standing {
    pub(crate) fn new(models: usize, now: UnixNanos) -> Self {
        Self {
            service: Service::On,
            phase: Phase::Active,
            expired: false,
            unavailable: false,
            last_refresh: None,
            subscription_until: now.saturating_add(MONTH),
            created: now,
            updated: now,
            message: String::new(),
            models: vec![None; models],
        }
    }

    /// The pool of a demo: after the usual accounts, some in each other state.
    pub(crate) fn seed_state(&mut self, number: usize, now: UnixNanos) {
        match number % 16 {
            3 => self.service = Service::Disabled,
            5 => self.expired = true,
            7 => self.phase = Phase::Pending,
            9 => self.phase = Phase::Refreshing,
            11 => self.phase = Phase::Unknown,
            13 => self.unavailable = true,
            _ => {}
        }
        self.last_refresh = Some(now);
    }

    /// Whether CPA sends it no traffic at all.
    pub(crate) fn is_off(&self) -> bool {
        self.service != Service::On || self.unavailable || self.phase == Phase::Pending
    }

    /// Whether a model is in a cool-down because its quota is used up.
    pub(crate) fn rests(&self, model: usize, now: UnixNanos) -> bool {
        let rest = self.models.get(model).copied().flatten();
        rest.is_some_and(|rest| rest.fault == Fault::UsageLimit && is_ahead(rest.until, now))
    }

    /// Records a success of the model, which ends its cool-down.
    pub(crate) fn succeed(&mut self, model: usize, now: UnixNanos) {
        if let Some(slot) = self.models.get_mut(model) {
            *slot = None;
        }
        if self.models.iter().all(Option::is_none) {
            self.message.clear();
        }
        self.updated = now;
    }

    /// Records a failure; `whole` is whether all models get the cool-down.
    pub(crate) fn fail(&mut self, model: usize, rest: Rest, whole: bool, now: UnixNanos) {
        for (number, slot) in self.models.iter_mut().enumerate() {
            if whole || number == model {
                *slot = Some(rest);
            }
        }
        self.updated = now;
    }

    /// Ends all cool-downs, as CPA does on request.
    pub(crate) fn clear(&mut self, now: UnixNanos) {
        self.models.fill(None);
        self.message.clear();
        self.updated = now;
    }

    pub(crate) fn refresh(&mut self, now: UnixNanos) {
        self.expired = false;
        self.last_refresh = Some(now);
        self.clear(now);
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.service == Service::Disabled
    }

    pub(crate) fn set_disabled(&mut self, to: bool) {
        self.service = if to { Service::Disabled } else { Service::On };
    }

    /// CPA's name of the state.
    pub(crate) fn status(&self) -> &'static str {
        if self.is_disabled() {
            "disabled"
        } else if self.models.iter().any(Option::is_some) {
            "error"
        } else {
            self.phase.as_str()
        }
    }

    /// Whether no model is usable now.
    pub(crate) fn is_unavailable(&self, now: UnixNanos) -> bool {
        self.unavailable || self.retry_after(now).is_some()
    }

    /// When the first model becomes usable, while all are in a cool-down.
    pub(crate) fn retry_after(&self, now: UnixNanos) -> Option<UnixNanos> {
        if self.is_disabled() {
            return None;
        }
        let ends = self.models.iter().map(|rest| {
            let until = rest.and_then(|rest| rest.until);
            until.filter(|&until| until > now)
        });
        let ends: Option<Vec<UnixNanos>> = ends.collect();
        ends.and_then(|ends| ends.into_iter().min())
    }

    /// Active cool-downs by model.
    pub(crate) fn resting(&self, now: UnixNanos) -> impl Iterator<Item = (usize, Rest)> {
        let models = self.models.iter().enumerate();
        models.filter_map(move |(number, rest)| {
            let rest = rest.filter(|rest| is_ahead(rest.until, now))?;
            Some((number, rest))
        })
    }
}

fn is_ahead(until: Option<UnixNanos>, now: UnixNanos) -> bool {
    until.is_some_and(|until| until > now)
}
