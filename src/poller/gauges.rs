//! From the board to the page.

use super::local::Locals;
use super::state::{AccountQuotas, QuotaState};
use super::window_state::{WindowState, WindowStatus};
use crate::metrics::catalogue::{Family, accounts as families};
use crate::metrics::{AccountLabel, AccountNames, Samples};
use crate::model::{Reading, UnixNanos};

/// All samples of the quota families.
pub(super) fn samples(
    state: &QuotaState,
    locals: &Locals,
    names: &AccountNames,
    provider: impl Fn(&str) -> Option<Box<str>>,
) -> Samples {
    let mut samples = Samples::default();
    for (auth_index, account) in state.accounts() {
        // Without a name yet, the account shows at the next publication.
        if let Some(AccountLabel::Named(name)) = names.get(auth_index) {
            let mut samples = AccountGauges::of(&mut samples, &account.provider, &name);
            samples.facts(account);
            samples.windows(state, account);
        }
    }
    locals.write(&mut samples, state, names, provider);
    samples
}

/// Samples of one account.
pub(super) struct AccountGauges<'a> {
    samples: &'a mut Samples,
    account: [&'a str; 2],
}

impl<'a> AccountGauges<'a> {
    pub(super) fn of(samples: &'a mut Samples, provider: &'a str, account: &'a str) -> Self {
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
            if !state.shows(limit) {
                self.samples.leave_out();
                continue;
            }
            // Rows are sorted by limit, and a limit is described once.
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
        if let Some(figures) = row.figures() {
            self.figures(place, &figures);
        }
    }

    pub(super) fn describe(&mut self, reading: &Reading) {
        let name = reading.name().map_or("", |name| name.as_str());
        let labels = [reading.limit().as_str(), reading.scope().as_str(), name];
        self.add(&families::LIMIT_INFO, &labels, Some(1.0));
    }

    pub(super) fn resets(&mut self, place: &[&str; 2], count: Option<u64>) {
        #[expect(clippy::cast_precision_loss, reason = "nobody sees 2^53 resets")]
        let count = count.map(|count| count as f64);
        self.add(&families::RESETS, place, count);
    }

    pub(super) fn figures(&mut self, place: &[&str; 2], figures: &WindowStatus<'_>) {
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

    pub(super) fn time(&mut self, family: &'static Family, labels: &[&str], at: Option<UnixNanos>) {
        self.add(family, labels, at.map(UnixNanos::as_seconds));
    }

    pub(super) fn add(&mut self, family: &'static Family, labels: &[&str], value: Option<f64>) {
        if let Some(value) = value {
            self.samples
                .add(family, &[&self.account, labels].concat(), value);
        }
    }
}
