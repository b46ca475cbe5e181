//! The quota state as gauges.

use super::local::{Locals, status};
use super::state::{AccountQuotas, QuotaState};
use super::window_state::{WindowState, WindowStatus};
use crate::metrics::catalogue::{Family, accounts as families};
use crate::metrics::{AccountLabel, AccountNames, Samples};
use crate::model::{LocalQuota, Reading, UnixNanos};

/// All samples of the quota families.
pub(super) fn samples(
    state: &QuotaState,
    locals: &Locals,
    names: &AccountNames,
    provider: impl Fn(&str) -> Option<Box<str>>,
) -> Samples {
    let mut samples = Samples::default();
    for (auth_index, account) in state.accounts() {
        // An account without a name is exposed at the next publication.
        if let Some(AccountLabel::Named(name)) = names.get(auth_index) {
            let mut samples = AccountGauges::of(&mut samples, &account.provider, &name);
            samples.facts(account);
            samples.windows(state, account);
        }
    }
    for quota in locals.in_force(state) {
        let Some((provider, account)) = local_account(quota, names, &provider) else {
            samples.leave_out();
            continue;
        };
        AccountGauges::of(&mut samples, &provider, &account).local(quota, locals.resets(quota));
    }
    samples
}

/// Labels `provider` and `account` of a local quota. `None` while the account has no name, or when
/// it is beyond the cap.
fn local_account(
    quota: &LocalQuota,
    names: &AccountNames,
    provider: impl Fn(&str) -> Option<Box<str>>,
) -> Option<(Box<str>, Box<str>)> {
    match &quota.account {
        None => Some(("".into(), "".into())),
        Some(account) if account.auth_index.is_empty() => {
            Some((account.provider.clone(), "none".into()))
        }
        Some(account) => match names.get(&account.auth_index) {
            Some(AccountLabel::Named(name)) => {
                let own = provider(&account.auth_index);
                Some((own.unwrap_or_else(|| account.provider.clone()), name))
            }
            Some(AccountLabel::BeyondCap) | None => None,
        },
    }
}

/// Samples of one account.
struct AccountGauges<'a> {
    samples: &'a mut Samples,
    account: [&'a str; 2],
}

impl<'a> AccountGauges<'a> {
    fn of(samples: &'a mut Samples, provider: &'a str, account: &'a str) -> Self {
        Self {
            samples,
            account: [provider, account],
        }
    }

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

    fn windows(&mut self, state: &QuotaState, account: &AccountQuotas) {
        let mut described = "";
        for ((limit, window), row) in &account.windows {
            if !state.is_within_cap(limit) {
                self.samples.leave_out();
                continue;
            }
            // Rows are sorted by limit, and each limit is described once.
            if described != &**limit {
                described = limit;
                self.describe(row.reading());
            }
            self.row(&[limit, window], row);
        }
    }

    fn row(&mut self, place: &[&str; 2], row: &WindowState) {
        let length = row.reading().window().seconds().map(f64::from);
        self.add(&families::WINDOW_SECONDS, place, length);
        self.resets(place, Some(row.resets()));
        if let Some(figures) = row.status() {
            self.figures(place, &figures);
        }
    }

    fn local(&mut self, quota: &LocalQuota, resets: Option<u64>) {
        let reading = &quota.reading;
        let window = reading.window().label();
        let place = [reading.limit().as_str(), &window];
        self.describe(reading);
        self.figures(&place, &status(quota));
        self.time(&families::OLDEST_EXPIRY, &place, quota.oldest_expiry);
        let length = quota.length.as_secs_f64();
        self.add(&families::WINDOW_SECONDS, &place, Some(length));
        self.resets(&place, resets);
    }

    fn describe(&mut self, reading: &Reading) {
        let name = reading.name().map_or("", |name| name.as_str());
        let labels = [reading.limit().as_str(), reading.scope().as_str(), name];
        self.add(&families::LIMIT_INFO, &labels, Some(1.0));
    }

    fn resets(&mut self, place: &[&str; 2], count: Option<u64>) {
        #[expect(clippy::cast_precision_loss, reason = "nobody sees 2^53 resets")]
        let count = count.map(|count| count as f64);
        self.add(&families::RESETS, place, count);
    }

    fn figures(&mut self, place: &[&str; 2], figures: &WindowStatus<'_>) {
        let (reading, [limit, window]) = (figures.reading, *place);
        self.add(&families::USED_RATIO, place, reading.used_ratio());
        if let Some(amounts) = reading.amounts() {
            let labels = [limit, window, amounts.unit().as_str()];
            self.add(&families::USED, &labels, amounts.used());
            self.add(&families::LIMIT, &labels, amounts.limit());
            self.add(&families::REMAINING, &labels, amounts.remaining());
        }
        self.time(&families::RESET, place, reading.reset_at());
        let exhausted = figures.exhausted.map(|yes| f64::from(u8::from(yes)));
        self.add(&families::EXHAUSTED, place, exhausted);
        self.time(&families::EXHAUSTION, place, figures.exhaustion);
        self.time(&families::OBSERVED, place, Some(figures.observed));
        let labels = [limit, window, figures.source.as_str()];
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
