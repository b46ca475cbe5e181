//! The state of all quotas as the API shows it.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::OwnAccount;
use super::limit_window::LimitWindow;
use super::state::{AccountQuotas, Holder, QuotaState};
use super::window_state::WindowStatus;
use crate::accounts::Account;
use crate::api::{AccountQuota, Credits, NoReading, QuotaWindow, Spend, Unpolled};
use crate::metrics::{AccountLabel, AccountNames};
use crate::model::{QuotaSource, UnixNanos, WindowUsage};

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

/// The accounts of a view, in addition to those with readings.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// CPA's list.
    pub(super) listed: &'a [Account],
    /// Accounts of `quota.file`.
    pub(super) own: &'a [OwnAccount],
    pub(super) names: &'a AccountNames,
}

/// All known accounts with their quotas.
pub(super) fn view(
    state: &QuotaState,
    known: Known<'_>,
    no_reading: impl Fn(&str, &AccountQuota) -> Option<NoReading>,
) -> Vec<AccountQuota> {
    let quota = |index: &str, provider: &str, listed: Option<&Account>| {
        let Some(AccountLabel::Named(name)) = known.names.get(index) else {
            return None;
        };
        let mut quota = of_account(provider, &name, state.get(index));
        if let Some(known) = state.get(index) {
            quota.limits = limits(known, |status| state.usage(index, status));
        }
        quota.no_reading = no_reading(index, &quota);
        if let Some(account) = listed {
            if account.disabled && !quota.has_reading() {
                quota.no_reading = Some(Unpolled::Disabled.into());
            }
            account.status.as_str().clone_into(&mut quota.state);
            let plan = || account.plan.as_deref().map(Into::into);
            quota.plan = quota.plan.or_else(plan);
        }
        Some(quota)
    };
    let listed = known.listed.iter();
    let mut all: Vec<_> = listed
        .filter_map(|account| quota(&account.auth_index, &account.provider, Some(account)))
        .collect();
    let own: Vec<(String, &str)> = known
        .own
        .iter()
        .map(|own| (own.index(), &*own.provider))
        .collect();
    let mut seen: HashSet<&str> = known
        .listed
        .iter()
        .map(|account| &*account.auth_index)
        .collect();
    let own = own.iter().map(|(index, provider)| (&**index, *provider));
    let with_readings = state
        .accounts()
        .filter(|(_, it)| it.holder == Holder::Account);
    let with_readings = with_readings.map(|(index, it)| (index, &*it.provider));
    let others = own
        .chain(with_readings)
        .filter(|(index, _)| seen.insert(index));
    all.extend(others.filter_map(|(index, provider)| quota(index, provider, None)));
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
        limits: Vec::new(),
        no_reading: None,
    }
}

/// Those of the provider first.
fn limits(
    known: &AccountQuotas,
    usage: impl Fn(&WindowStatus<'_>) -> Option<WindowUsage>,
) -> Vec<QuotaWindow> {
    let shown = known.windows.values().filter_map(LimitWindow::status);
    let mut shown: Vec<_> = shown.collect();
    shown.sort_by_key(|status| status.source == QuotaSource::Local);
    let windows = shown.iter();
    windows
        .map(|status| quota_window(status, usage(status)))
        .collect()
}

fn quota_window(status: &WindowStatus<'_>, usage: Option<WindowUsage>) -> QuotaWindow {
    let reading = status.reading;
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
        exhausted: status.exhausted,
        reset: reading.reset_at().map(UnixNanos::as_seconds),
        exhaustion: status.exhaustion.map(UnixNanos::as_seconds),
        window_tokens: usage.map(|usage| usage.tokens),
        window_list_value_usd: usage.map(WindowUsage::value_usd),
        source: status.source.as_str().to_owned(),
        observed: status.observed.as_seconds(),
    }
}
