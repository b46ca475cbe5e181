use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::super::catalogue::accounts;
use super::super::encode::{Encoder, push_label};
use super::super::labels::OTHER_TEXT;
use super::super::names::AccountLabel;
use super::super::snapshot::Audience;
use super::{as_f64, label};

/// Failures that CPA's errors channel reported. A new series is at zero for scrapers first, so that
/// Prometheus sees it grow.
#[derive(Clone, Debug, Default)]
pub struct AccountErrors(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    hold: Duration,
    max_codes: usize,
    codes: BTreeSet<Box<str>>,
    series: BTreeMap<[Box<str>; 3], Series>,
}

#[derive(Debug, Default)]
struct Series {
    count: u64,
    /// When a scraper's page showed its zero.
    shown: Option<Instant>,
}

impl AccountErrors {
    /// How long a new series stays at zero once a scraper's page has it, and how many codes there may be.
    pub fn limit(&self, hold: Duration, max_codes: usize) {
        let mut inner = self.0.lock();
        inner.hold = hold;
        inner.max_codes = max_codes;
    }

    pub fn count(&self, provider: &str, account: &AccountLabel, code: &str) {
        let mut inner = self.0.lock();
        let (provider, account) = match account {
            AccountLabel::Named(name) => (provider, &**name),
            AccountLabel::BeyondCap => (provider, OTHER_TEXT),
        };
        let code = inner.code(code);
        let key = [provider.into(), account.into(), code];
        inner.series.entry(key).or_default().count += 1;
    }

    pub(super) fn encode(&self, page: &mut Encoder<'_>) {
        let mut inner = self.0.lock();
        let hold = inner.hold;
        if inner.series.is_empty() {
            return;
        }
        page.head(&accounts::ERRORS);
        for ([provider, account, code], series) in &mut inner.series {
            let mut labels = label("provider", provider);
            push_label(&mut labels, "account", account);
            push_label(&mut labels, "code", code);
            let value = match page.audience() {
                Audience::Scraper => series.value(hold),
                Audience::Reader => series.count,
            };
            page.sample(&accounts::ERRORS, &labels, as_f64(value));
        }
    }
}

impl Inner {
    fn code(&mut self, code: &str) -> Box<str> {
        if self.codes.contains(code) {
            return code.into();
        }
        if self.codes.len() >= self.max_codes {
            return OTHER_TEXT.into();
        }
        self.codes.insert(code.into());
        code.into()
    }
}

impl Series {
    fn value(&mut self, hold: Duration) -> u64 {
        let seen = self.shown.is_some_and(|at| at.elapsed() >= hold);
        self.shown.get_or_insert_with(Instant::now);
        if seen || hold.is_zero() {
            self.count
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Dialect;
    use super::*;

    fn page(errors: &AccountErrors) -> String {
        page_for(errors, Audience::Scraper)
    }

    fn page_for(errors: &AccountErrors, audience: Audience) -> String {
        let mut out = String::new();
        errors.encode(&mut Encoder::new(&mut out, Dialect::Text, audience));
        let samples = out.lines().filter(|line| !line.starts_with('#'));
        samples.collect::<Vec<_>>().join("\n")
    }

    fn named(name: &str) -> AccountLabel {
        AccountLabel::Named(name.into())
    }

    #[test]
    fn a_new_series_is_zero_until_its_hold_is_over() {
        let errors = AccountErrors::default();
        errors.limit(Duration::from_hours(1), 40);
        assert_eq!(page(&errors), "");
        errors.count("codex", &named("a"), "429");
        let zero = "cpa_account_errors_total{provider=\"codex\",account=\"a\",code=\"429\"} 0";
        assert_eq!(page(&errors), zero);
        errors.count("codex", &named("a"), "429");
        assert_eq!(page(&errors), zero);
        let two = zero.replace("} 0", "} 2");
        assert_eq!(page_for(&errors, Audience::Reader), two);
        // A shorter hold is over as soon as the zero has been shown.
        errors.limit(Duration::from_nanos(1), 40);
        assert_eq!(page(&errors), two);
        errors.count("codex", &named("a"), "500");
        // A reader's page begins no hold.
        assert!(page_for(&errors, Audience::Reader).ends_with("code=\"500\"} 1"));
        assert!(page(&errors).ends_with("code=\"500\"} 0"));
        assert!(page(&errors).ends_with("code=\"500\"} 1"));
    }

    #[test]
    fn accounts_and_codes_beyond_a_cap_share_other() {
        let errors = AccountErrors::default();
        errors.limit(Duration::ZERO, 1);
        errors.count("codex", &AccountLabel::BeyondCap, "429");
        errors.count("codex", &AccountLabel::BeyondCap, "500");
        errors.count("codex", &AccountLabel::BeyondCap, "501");
        assert_eq!(
            page(&errors),
            "cpa_account_errors_total{provider=\"codex\",account=\"other\",code=\"429\"} 1\n\
             cpa_account_errors_total{provider=\"codex\",account=\"other\",code=\"other\"} 2"
        );
    }
}
