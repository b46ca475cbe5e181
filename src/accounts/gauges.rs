//! Renders accounts as gauges.

use secrecy::ExposeSecret;

use crate::cpa::lists::account::{Account, Status};
use crate::metrics::{AccountLabel, AccountNames, Samples};
use crate::metrics::{Family, catalogue::accounts as catalogue};
use crate::model::{AuthType, UnixNanos};

/// The gauges of all accounts, and whether an account still has no name.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub(super) samples: Samples,
    pub(super) unnamed: bool,
}

/// An account beyond the cap has no gauges of its own but is included in the totals of its
/// provider; the counters count it as an overflow of the label.
pub(super) fn render(accounts: &[Account], names: &AccountNames, now: UnixNanos) -> Rendered {
    let mut drawn = Rendered::default();
    for account in accounts {
        match names.get(&account.auth_index) {
            Some(AccountLabel::Named(name)) => gauges(&mut drawn.samples, account, &name, now),
            Some(AccountLabel::BeyondCap) => {}
            None => drawn.unnamed = true,
        }
    }
    totals(&mut drawn.samples, accounts);
    drawn
}

fn gauges(samples: &mut Samples, account: &Account, name: &str, now: UnixNanos) {
    let labels = [&*account.provider, name];
    let email = account.email.as_ref().map_or("", |e| e.expose_secret());
    let plan = account.plan.as_deref().unwrap_or_default();
    let info = [
        &*account.provider,
        name,
        &account.auth_index,
        auth_type(account.auth_type),
        plan,
        email,
    ];
    samples.add(&catalogue::INFO, &info, 1.0);
    let up = account.status.is_up();
    samples.add(&catalogue::UP, &labels, f64::from(u8::from(up)));
    for (severity, status) in (0_u8..).zip(Status::ALL) {
        let is_it = status == account.status;
        let with_status = [&*account.provider, name, status.as_str()];
        samples.add(&catalogue::STATUS, &with_status, f64::from(u8::from(is_it)));
        if is_it {
            samples.add(&catalogue::STATE, &labels, f64::from(severity));
        }
    }
    cooldowns(samples, account, name);
    let mut time = |family: &'static Family, at: Option<UnixNanos>| {
        if let Some(at) = at {
            samples.add(family, &labels, at.as_seconds());
        }
    };
    time(&catalogue::NEXT_RETRY, account.next_retry);
    // A future time comes from a wrong clock.
    let last_refresh = account.last_refresh.filter(|at| *at <= now);
    time(&catalogue::LAST_REFRESH, last_refresh);
    time(&catalogue::SUBSCRIPTION_END, account.subscription_end);
}

/// Models share a series by scope and reason: the latest end is exposed.
fn cooldowns(samples: &mut Samples, account: &Account, name: &str) {
    let mut latest = Vec::new();
    for cooldown in &account.cooldowns {
        let labels = (cooldown.scope.as_str(), cooldown.reason);
        match latest.iter_mut().find(|(known, _)| *known == labels) {
            Some((_, until)) => *until = cooldown.until.max(*until),
            None => latest.push((labels, cooldown.until)),
        }
    }
    for ((scope, reason), until) in latest {
        let labels = [&*account.provider, name, scope, reason.as_str()];
        samples.add(&catalogue::COOLDOWN_UNTIL, &labels, until.as_seconds());
    }
}

/// All statuses of each provider that has an account.
fn totals(samples: &mut Samples, accounts: &[Account]) {
    let mut providers: Vec<&str> = accounts.iter().map(|a| &*a.provider).collect();
    providers.sort_unstable();
    providers.dedup();
    for provider in providers {
        for status in Status::ALL {
            let of = accounts.iter().filter(|a| &*a.provider == provider);
            let count = of.filter(|a| a.status == status).count();
            let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            samples.add(&catalogue::ACCOUNTS, &[provider, status.as_str()], count);
        }
    }
}

/// The value of the label `auth_type`; absent if CPA does not report it.
pub(super) const fn auth_type(of: AuthType) -> &'static str {
    match of {
        AuthType::Oauth => "oauth",
        AuthType::ApiKey => "api_key",
        AuthType::Unknown => "",
    }
}
