//! The state of all quotas as the API shows it.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::local::Locals;
use super::state::{AccountQuotas, QuotaState};
use super::window_state::{WindowState, WindowStatus};
use crate::accounts::Account;
use crate::api::{AccountQuota, Credits, NoReading, QuotaWindow, Spend};
use crate::metrics::{AccountLabel, AccountNames};
use crate::model::UnixNanos;

/// What was published last. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Quotas(Arc<ArcSwap<Vec<AccountQuota>>>);

impl Quotas {
    /// Sorted by provider and account.
    pub fn get(&self) -> Arc<Vec<AccountQuota>> {
        self.0.load_full()
    }

    pub(super) fn publish(&self, quotas: Vec<AccountQuota>) {
        self.0.store(Arc::new(quotas));
    }
}

/// All accounts that CPA lists, and those of our own, with what is known of their quotas.
pub(super) fn view(
    state: &QuotaState,
    locals: &Locals,
    listed: &[Account],
    names: &AccountNames,
    no_reading: impl Fn(&str, &AccountQuota) -> Option<NoReading>,
) -> Vec<AccountQuota> {
    let mut all = Vec::new();
    for account in listed {
        let index = &*account.auth_index;
        if let Some(AccountLabel::Named(name)) = names.get(index) {
            let known = state.get(index);
            let mut quota = of_account(&account.provider, &name, known);
            quota.no_reading = no_reading(index, &quota);
            if account.disabled && quota.limits.is_empty() {
                quota.no_reading = Some(NoReading::of("disabled"));
            }
            let local = locals.of_account(state, index);
            quota
                .limits
                .extend(local.map(|status| quota_window(&status)));
            account.status.as_str().clone_into(&mut quota.state);
            quota.plan = quota
                .plan
                .or_else(|| account.plan.as_deref().map(Into::into));
            all.push(quota);
        }
    }
    for (index, known) in state.accounts() {
        let is_listed = listed.iter().any(|account| &*account.auth_index == index);
        if !is_listed && let Some(AccountLabel::Named(name)) = names.get(index) {
            let mut quota = of_account(&known.provider, &name, Some(known));
            quota.no_reading = no_reading(index, &quota);
            all.push(quota);
        }
    }
    all.sort_by(|a, b| (&a.provider, &a.account).cmp(&(&b.provider, &b.account)));
    all
}

fn of_account(provider: &str, name: &str, known: Option<&AccountQuotas>) -> AccountQuota {
    let facts = known.map(|known| known.facts.clone()).unwrap_or_default();
    AccountQuota {
        provider: provider.to_owned(),
        account: name.to_owned(),
        plan: facts.plan.map(|plan| plan.as_str().to_owned()),
        state: "unknown".to_owned(),
        last_success: known
            .and_then(|known| known.polled)
            .map(UnixNanos::as_seconds),
        credits: facts
            .credits
            .into_iter()
            .map(|(unit, balance)| Credits {
                unit: unit.as_str().to_owned(),
                balance,
            })
            .collect(),
        reset_credits: facts.reset_credits,
        spend: facts
            .spend
            .iter()
            .map(|spend| Spend {
                limit: spend.limit.as_str().to_owned(),
                used_usd: spend.used_usd(),
                limit_usd: spend.limit_usd(),
            })
            .collect(),
        limits: known.map(limits).unwrap_or_default(),
        no_reading: None,
    }
}

fn limits(known: &AccountQuotas) -> Vec<QuotaWindow> {
    let shown = known.windows.values().filter_map(WindowState::status);
    shown.map(|figures| quota_window(&figures)).collect()
}

pub(super) fn quota_window(figures: &WindowStatus<'_>) -> QuotaWindow {
    let reading = figures.reading;
    let amounts = reading.amounts();
    QuotaWindow {
        limit: reading.limit().as_str().to_owned(),
        window: reading.window().label().into_owned(),
        scope: reading.scope().as_str().to_owned(),
        name: reading.name().map(|name| name.as_str().to_owned()),
        used_ratio: reading.used_ratio(),
        unit: amounts.map(|amounts| amounts.unit().as_str().to_owned()),
        used: amounts.and_then(|amounts| amounts.used()),
        amount: amounts.and_then(|amounts| amounts.limit()),
        remaining: amounts.and_then(|amounts| amounts.remaining()),
        unlimited: reading.unlimited(),
        exhausted: figures.exhausted,
        reset: reading.reset_at().map(UnixNanos::as_seconds),
        exhaustion: figures.exhaustion.map(UnixNanos::as_seconds),
        source: figures.source.as_str().to_owned(),
        observed: figures.observed.as_seconds(),
    }
}
