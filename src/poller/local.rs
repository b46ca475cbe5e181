//! Limits that the exporter counts itself, next to those of the providers.

use std::collections::HashMap;

use super::state::QuotaState;
use super::window_state::{WindowState, WindowStatus};
use crate::model::{LocalQuota, QuotaSource, UnixNanos};

/// Account, limit and window.
type WindowKey = (Box<str>, Box<str>, Box<str>);

/// The latest local quotas, and how many of their window ends were observed.
#[derive(Debug, Default)]
pub(super) struct Locals {
    quotas: Vec<LocalQuota>,
    resets: HashMap<WindowKey, (UnixNanos, u64)>,
}

impl Locals {
    pub(super) fn replace(&mut self, quotas: Vec<LocalQuota>) {
        let mut resets = HashMap::with_capacity(self.resets.len());
        for quota in &quotas {
            if let Some(end) = quota.reading.reset_at() {
                let place = place(quota);
                let (before, count) = self.resets.remove(&place).unwrap_or((end, 0));
                resets.insert(place, (end, count + u64::from(before < end)));
            }
        }
        self.resets = resets;
        self.quotas = quotas;
    }

    /// Those that no provider speaks of.
    pub(super) fn in_force(&self, state: &QuotaState) -> impl Iterator<Item = &LocalQuota> {
        self.quotas.iter().filter(|quota| {
            let known = quota
                .account
                .as_ref()
                .and_then(|a| state.get(&a.auth_index));
            let (_, limit, window) = place(quota);
            let row = known.and_then(|account| account.windows.get(&(limit, window)));
            !row.is_some_and(WindowState::is_current)
        })
    }

    /// How often the window of this quota ended while the exporter looked.
    pub(super) fn resets(&self, quota: &LocalQuota) -> Option<u64> {
        self.resets.get(&place(quota)).map(|(_, count)| *count)
    }

    /// Of one account.
    pub(super) fn of_account(
        &self,
        state: &QuotaState,
        auth_index: &str,
    ) -> impl Iterator<Item = WindowStatus<'_>> {
        let own = self.in_force(state).filter(move |quota| {
            let account = quota.account.as_ref();
            account.is_some_and(|account| &*account.auth_index == auth_index)
        });
        own.map(status)
    }
}

/// The state of a local quota, in the form of a provider's window.
pub(super) fn status(quota: &LocalQuota) -> WindowStatus<'_> {
    let reading = &quota.reading;
    WindowStatus {
        reading,
        // A limit that is unlimited cannot be exhausted.
        exhausted: reading.exhausted().filter(|_| !reading.unlimited()),
        exhaustion: quota.exhaustion,
        source: QuotaSource::Local,
        observed: quota.observed,
    }
}

fn place(quota: &LocalQuota) -> WindowKey {
    let account = quota.account.as_ref();
    let limit = quota.reading.limit().as_str().into();
    (
        account
            .map(|account| account.auth_index.clone())
            .unwrap_or_default(),
        limit,
        quota.reading.window().label().into(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::gauges;
    use super::super::state::AccountKey;
    use super::super::window_state::Observation;
    use super::*;
    use crate::metrics::catalogue::accounts as families;
    use crate::metrics::{AccountNames, GaugeSet};
    use crate::model::{Amounts, Limit, LocalAccount, Reading, Scope, Unit, Window};

    fn local(limit: &str, account: Option<&str>, reset_hours: i64) -> LocalQuota {
        let at = |hours: i64| UnixNanos::from_millis((500_000 + hours) * 3_600_000);
        let amounts = Amounts::new(Unit::Tokens, Some(3.0), Some(10.0), None);
        LocalQuota {
            account: account.map(|index| LocalAccount {
                auth_index: index.into(),
                provider: "claude".into(),
            }),
            reading: Reading::new(Limit::new(limit).unwrap(), Window::hours(5), Scope::Local)
                .with_amounts(amounts)
                .with_reset(Some(at(reset_hours))),
            length: Duration::from_hours(5),
            oldest_expiry: None,
            exhaustion: None,
            observed: at(0),
        }
    }

    fn provider_says(ratio: f64) -> QuotaState {
        let mut state = QuotaState::new(9);
        let reading =
            Reading::new(Limit::main(), Window::hours(5), Scope::Account).with_ratio(Some(ratio));
        let at = local("main", None, 0).observed;
        let key = AccountKey {
            auth_index: "a1",
            provider: "claude",
        };
        state.read(
            key,
            [reading],
            Observation::new(QuotaSource::Poll, at, at),
            at,
        );
        state
    }

    fn limits(locals: &Locals, state: &QuotaState) -> Vec<String> {
        let statuses = locals.of_account(state, "a1");
        let limit = |status: WindowStatus<'_>| status.reading.limit().as_str().to_owned();
        statuses.map(limit).collect()
    }

    #[test]
    fn current_provider_reading_overrides_a_local_quota() {
        let mut locals = Locals::default();
        locals.replace(vec![
            local("main", Some("a1"), 1),
            local("mine", Some("a1"), 1),
            local("all", None, 1),
        ]);
        let mut state = provider_says(0.5);
        assert_eq!(limits(&locals, &state), ["mine"]);
        state.expire(local("main", None, 48).reading.reset_at().unwrap());
        assert_eq!(limits(&locals, &state), ["main", "mine"]);
        assert_eq!(limits(&locals, &QuotaState::new(9)), ["main", "mine"]);
    }

    #[test]
    fn moving_the_end_counts_a_reset() {
        let mut locals = Locals::default();
        for (reset, expected) in [(5, 0), (5, 0), (10, 1), (15, 2)] {
            locals.replace(vec![local("mine", Some("a1"), reset)]);
            let counts: Vec<u64> = locals.resets.values().map(|(_, count)| *count).collect();
            assert_eq!(counts, [expected]);
        }
        locals.replace(Vec::new());
        assert!(locals.resets.is_empty());
    }

    #[test]
    fn quota_over_all_accounts_has_no_account() {
        let mut locals = Locals::default();
        locals.replace(vec![local("all", None, 1), local("keyless", Some(""), 1)]);
        let names = AccountNames::default();
        let samples = gauges::samples(&QuotaState::new(9), &locals, &names, |_| None);
        let page = GaugeSet::default();
        page.publish(samples);
        let text = page.text(families::ALL);
        for line in [
            "cpa_quota_used{limit=\"all\",window=\"5h\",unit=\"tokens\"} 3",
            "cpa_quota_used_ratio{provider=\"claude\",account=\"none\",limit=\"keyless\",window=\"5h\"} 0.3",
            "cpa_quota_source_info{limit=\"all\",window=\"5h\",source=\"local\"} 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{text}");
        }
    }
}
