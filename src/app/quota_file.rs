//! The file of `quota.file`: additional accounts and providers.

mod written;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use self::written::{Account, Described, DescribedLimit, File, Verb};
use super::user_file::{FileError, Place};
use crate::config::Secret;
use crate::model::{AuthType, Limit, Name, Window, WindowRole};
use crate::poller::OwnAccount;
use crate::quota::providers::{Generic, GenericLimit, Serves, ShareForm};
use crate::quota::{AccountRef, Auth, Hidden, Method, Provider, Request};

const NO_POINTER: &str = "places are JSON pointers and begin with /";

/// Content of the file.
#[derive(Debug, Default)]
pub struct QuotaFile {
    pub accounts: Vec<OwnAccount>,
    pub providers: Vec<Arc<Generic>>,
}

impl QuotaFile {
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let file: File = super::user_file::read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut this = Self::default();
        let mut names = BTreeSet::new();
        for provider in file.providers {
            let place = Place::new(path, "provider", &provider.name);
            if !names.insert(provider.name.clone()) {
                return Err(place.wrong("another one has this name"));
            }
            let provider = described(provider).map_err(|message| place.wrong(message))?;
            this.providers.push(Arc::new(provider));
        }
        names.clear();
        for account in file.accounts {
            let place = Place::new(path, "account", &account.name);
            let account = own_account(account, folder).map_err(|message| place.wrong(message))?;
            if !names.insert(account.name.clone()) {
                return Err(place.wrong("another one has this name"));
            }
            if !this.takes_token(&account) {
                return Err(place.wrong(
                    "no provider of this name is asked with a token of its own: copilot, kiro, or \
                     a [[provider]] of this file with own_token = true",
                ));
            }
            this.accounts.push(account);
        }
        Ok(this)
    }

    /// Whether the account's provider sends its token. Through CPA, which does not know the
    /// account, the provider would get no token.
    fn takes_token(&self, own: &OwnAccount) -> bool {
        let account = AccountRef::new(&own.provider, AuthType::Unknown, &own.index());
        let provider = Provider::find(&account, &self.providers);
        provider.is_some_and(|provider| provider.auth() == Auth::OwnToken)
    }
}

fn own_account(account: Account, folder: &Path) -> Result<OwnAccount, &'static str> {
    // It becomes a label value.
    let name = Name::new(&account.name).ok_or("the name looks like an id or an address")?;
    let secret = Secret::from_file(folder.join(account.token_file));
    secret.read().map_err(|_io| "token_file cannot be read")?;
    if account.url.as_ref().is_some_and(|url| !is_http(url)) {
        return Err("url must begin with https:// or http://");
    }
    Ok(OwnAccount {
        name: name.as_str().to_owned(),
        provider: account.provider,
        token: Arc::new(move || secret.read().map_err(|error| error.to_string())),
        profile_arn: account.profile_arn.and_then(Hidden::new),
        url: account.url,
    })
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn is_pointer(place: impl AsRef<str>) -> bool {
    place.as_ref().starts_with('/')
}

fn described(it: Described) -> Result<Generic, &'static str> {
    if !Url::parse(&it.url).is_ok_and(|url| is_http(&url)) {
        return Err("url must begin with https:// or http://");
    }
    let is_header = |(name, value): (&String, &String)| {
        HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok()
    };
    if !it.headers.iter().all(is_header) {
        return Err("headers has a name or a value that no header can have");
    }
    let places = it.plan.iter().chain(it.credits.iter().map(|it| &it.at));
    if !places.into_iter().all(is_pointer) {
        return Err(NO_POINTER);
    }
    let serves = match (it.accounts.is_empty(), it.domain, it.provider) {
        (false, None, None) => Serves::Accounts(it.accounts),
        (true, Some(domain), None) => Serves::Domain(domain),
        (true, None, Some(provider)) => Serves::Provider(provider),
        (true, None, None) if it.own_token => Serves::Provider(it.name.clone()),
        _ => return Err("give one of accounts, domain and provider"),
    };
    let limits = it.limits.into_iter().map(limit);
    Ok(Generic {
        id: it.name,
        serves,
        auth: if it.own_token {
            Auth::OwnToken
        } else {
            Auth::Cpa
        },
        min_interval: it.min_interval,
        request: Request {
            method: match it.method {
                Verb::Get => Method::Get,
                Verb::Post => Method::Post,
            },
            url: it.url,
            headers: it.headers.into_iter().collect(),
            body: it.body,
        },
        plan: it.plan,
        credits: it.credits.map(|credits| (credits.unit.into(), credits.at)),
        limits: limits.collect::<Result<_, _>>()?,
    })
}

fn limit(it: DescribedLimit) -> Result<GenericLimit, &'static str> {
    let shares = [
        (ShareForm::UsedRatio, it.used_ratio),
        (ShareForm::UsedPercent, it.used_percent),
        (ShareForm::RemainingRatio, it.remaining_ratio),
        (ShareForm::RemainingPercent, it.remaining_percent),
    ];
    let mut shares = shares
        .into_iter()
        .filter_map(|(form, place)| Some((form, place?)));
    let share = shares.next();
    if shares.next().is_some() {
        return Err(
            "a limit has one share: used_ratio, used_percent, remaining_ratio or \
                    remaining_percent",
        );
    }
    let places = [&it.used, &it.total, &it.remaining, &it.reset];
    let share_at = share.iter().map(|(_, place)| place);
    if !places.into_iter().flatten().chain(share_at).all(is_pointer) {
        return Err(NO_POINTER);
    }
    if !(it.divisor.is_finite() && it.divisor > 0.0) {
        return Err("divisor is a number above 0");
    }
    let reset = match (it.reset, it.reset_as) {
        (None, None) => None,
        (Some(place), Some(form)) => Some((form.into(), place)),
        _ => return Err("reset and reset_as belong together"),
    };
    let seconds = it.window.map(|window| window.as_secs_f64());
    Ok(GenericLimit {
        limit: Limit::new(&it.name).ok_or("a limit's name looks like an id or an address")?,
        name: it.title.as_deref().and_then(Name::new),
        window: Window::of_seconds(seconds, WindowRole::Unknown).unwrap_or(Window::UNKNOWN),
        scope: it.scope.into(),
        unit: it.unit.into(),
        divisor: it.divisor,
        used: it.used,
        allowed: it.total,
        remaining: it.remaining,
        share,
        reset,
    })
}

#[cfg(test)]
mod tests;
