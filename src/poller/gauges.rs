//! The quota state as gauges.

use super::limit_window::LimitWindow;
use super::state::{AccountQuotas, Holder, QuotaState};
use super::window_state::WindowStatus;
use crate::metrics::{AccountLabel, AccountNames, Samples};
use crate::metrics::{Family, catalogue::accounts as families};
use crate::model::{Reading, UnixNanos, WindowUsage};

/// All samples of the quota families. `listed`: the provider of an account in CPA's list.
pub(super) fn samples<'a>(
    state: &QuotaState,
    names: &AccountNames,
    listed: impl Fn(&str) -> Option<&'a str>,
) -> Samples {
    let mut samples = Samples::default();
    for (auth_index, account) in state.accounts() {
        let provider = listed(auth_index).unwrap_or(&account.provider);
        let name = match account.holder {
            Holder::AllAccounts => Some("".into()),
            Holder::NoAccount => Some("none".into()),
            Holder::Account => match names.get(auth_index) {
                Some(AccountLabel::Named(name)) => Some(name),
                // An account without a name is exposed at the next publication.
                Some(AccountLabel::BeyondCap) | None => None,
            },
        };
        let Some(name) = name else {
            let local = account.windows.values().filter(|window| window.is_local());
            local.for_each(|_| samples.leave_out());
            continue;
        };
        let mut samples = AccountGauges {
            samples: &mut samples,
            account: [provider, &name],
        };
        samples.facts(account);
        samples.windows(state, auth_index, account);
    }
    samples
}

/// Samples of one account.
struct AccountGauges<'a> {
    samples: &'a mut Samples,
    account: [&'a str; 2],
}

impl AccountGauges<'_> {
    fn facts(&mut self, account: &AccountQuotas) {
        let facts = &account.facts;
        let polled = account.polled.map(UnixNanos::as_seconds);
        self.add(&families::LAST_SUCCESS, &[], polled);
        self.add(&families::RESET_CREDITS, &[], facts.reset_credits);
        for (unit, balance) in &facts.credits {
            self.add(&families::CREDITS, &[unit.as_str()], Some(*balance));
        }
        for spend in &facts.spend {
            let limit = [spend.limit.as_str()];
            self.add(&families::SPEND, &limit, spend.used_usd());
            self.add(&families::SPEND_LIMIT, &limit, spend.limit_usd());
        }
    }

    fn windows(&mut self, state: &QuotaState, auth_index: &str, account: &AccountQuotas) {
        let mut described = None;
        for ((limit, label), window) in &account.windows {
            // Names of local quotas are the user's own, so there is no cap for them.
            if !window.is_local() && !state.is_within_cap(limit) {
                self.samples.leave_out();
                continue;
            }
            // Rows are sorted by limit, and each limit is described once per source.
            let subject = Some((limit, window.is_local()));
            if described != subject {
                described = subject;
                window
                    .reading()
                    .into_iter()
                    .for_each(|it| self.describe(it));
            }
            self.window(&[limit, label], window);
            let usage = window.status().and_then(|it| state.usage(auth_index, &it));
            if let Some(usage) = usage {
                self.usage(&[limit, label], usage);
            }
        }
    }

    fn window(&mut self, labels: &[&str; 2], window: &LimitWindow) {
        self.add(&families::WINDOW_SECONDS, labels, window.seconds());
        #[expect(clippy::cast_precision_loss, reason = "nobody sees 2^53 resets")]
        let resets = window.resets().map(|count| count as f64);
        self.add(&families::RESETS, labels, resets);
        if let Some(status) = window.status() {
            self.status(labels, &status);
        }
    }

    fn usage(&mut self, place: &[&str; 2], usage: WindowUsage) {
        #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps doubles")]
        self.add(&families::WINDOW_TOKENS, place, Some(usage.tokens as f64));
        self.add(&families::WINDOW_VALUE, place, Some(usage.value_usd()));
    }

    fn describe(&mut self, reading: &Reading) {
        let name = reading.name().map_or("", |name| name.as_str());
        let labels = [reading.limit().as_str(), reading.scope().as_str(), name];
        self.add(&families::LIMIT_INFO, &labels, Some(1.0));
    }

    fn status(&mut self, place: &[&str; 2], status: &WindowStatus<'_>) {
        let (reading, [limit, window]) = (status.reading, *place);
        self.add(&families::USED_RATIO, place, reading.used_ratio());
        if let Some(amounts) = reading.amounts() {
            let labels = [limit, window, amounts.unit().as_str()];
            self.add(&families::USED, &labels, amounts.used());
            self.add(&families::LIMIT, &labels, amounts.limit());
            self.add(&families::REMAINING, &labels, amounts.remaining());
        }
        self.time(&families::RESET, place, reading.reset_at());
        let exhausted = status.exhausted.map(|yes| f64::from(u8::from(yes)));
        self.add(&families::EXHAUSTED, place, exhausted);
        self.time(&families::EXHAUSTION, place, status.exhaustion);
        self.time(&families::OLDEST_EXPIRY, place, status.oldest_expiry);
        self.time(&families::OBSERVED, place, Some(status.observed));
        let labels = [limit, window, status.source.as_str()];
        self.add(&families::SOURCE_INFO, &labels, Some(1.0));
    }

    fn time(&mut self, family: &'static Family, labels: &[&str], at: Option<UnixNanos>) {
        self.add(family, labels, at.map(UnixNanos::as_seconds));
    }

    fn add(&mut self, family: &'static Family, labels: &[&str], value: Option<f64>) {
        if let Some(value) = value {
            self.samples
                .add(family, &[&self.account, labels].concat(), value);
        }
    }
}
