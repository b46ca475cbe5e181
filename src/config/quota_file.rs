//! The file of `quota.file`: additional accounts and providers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::{
    Secret,
    key::Key,
    limits_file::unique,
    raw::Raw,
    resolve::{Field, Placed, Resolver},
    section::section,
    value::{Patterns, Value, text, words},
};
use crate::model::{AuthType, Limit, Name, OWN_ACCOUNT, Scope, Unit, Window, WindowRole};
use crate::quota::providers::{Generic, GenericLimit, ResetForm, Serves, ShareForm};
use crate::quota::{AccountRef, Auth, Hidden, Method, Provider, Request};

/// Content of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuotaFile {
    pub accounts: Vec<OwnAccount>,
    pub providers: Vec<Arc<Generic>>,
}

section! {
    struct File {
        accounts(account): Vec<Placed<OwnAccount>>,
        providers(provider): Vec<Placed<Described>>,
    }
}

section! {
    /// An account that CPA does not hold.
    pub struct OwnAccount {
        name: Name,
        provider: String,
        token(token_file): Secret,
        profile_arn: Option<Hidden>,
        /// Replaces the scheme and host of the provider, for example by a proxy.
        url: Option<Url>,
    }
}

section! {
    struct Described {
        name: String,
        /// Accounts of CPA: by index, by the host of their key, or by provider.
        accounts: Option<Patterns>,
        domain: Option<String>,
        provider: Option<String>,
        /// The token is that of an `[[account]]` of this file.
        own_token: bool = "false",
        method: Method = "GET",
        url: HttpUrl,
        headers: Option<Headers>,
        body: Option<String>,
        min_interval: Duration = "5m",
        plan: Option<Pointer>,
        credits: Option<Credits>,
        limits(limit): Vec<Placed<DescribedLimit>>,
    }
}

section! {
    struct Credits {
        unit: Unit,
        at: Pointer,
    }
}

section! {
    struct DescribedLimit {
        name: Limit,
        title: Option<String>,
        window: Option<Duration>,
        scope: Scope = "account",
        unit: Unit = "requests",
        divisor: Divisor = "1",
        used: Option<Pointer>,
        total: Option<Pointer>,
        remaining: Option<Pointer>,
        used_ratio: Option<Pointer>,
        used_percent: Option<Pointer>,
        remaining_ratio: Option<Pointer>,
        remaining_percent: Option<Pointer>,
        reset: Option<Pointer>,
        reset_as: Option<ResetForm>,
    }
}

words! {
    Method { Get = "GET", Post = "POST" }
}
words! {
    Unit {
        Tokens = "tokens",
        Requests = "requests",
        Credits = "credits",
        Usd = "usd",
        Seconds = "seconds",
    }
}
words! {
    Scope { Account = "account", Model = "model", Feature = "feature", Spend = "spend" }
}
words! {
    ResetForm {
        Seconds = "seconds",
        Millis = "millis",
        Iso = "iso",
        InSeconds = "in_seconds",
        InMillis = "in_millis",
    }
}

/// The content of the file; empty without a file.
impl Field for QuotaFile {
    const VALUE_NAME: &'static str = "FILE";

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        resolver.file(key, quota_file)
    }
}

fn quota_file(resolver: &mut Resolver<'_>, file: File) -> QuotaFile {
    let providers = resolver.each(file.providers, |resolver, it, seen| {
        unique(seen, &it.name)?;
        described(resolver, it).map(Arc::new)
    });
    let accounts = resolver.each(file.accounts, |_, it, seen| {
        unique(seen, it.name.as_str())?;
        if takes_token(&it, &providers) {
            return Ok(it);
        }
        Err(
            "no provider of this name is asked with a token of its own: copilot, kiro, or a \
             [[provider]] of this file with own_token = true",
        )
    });
    QuotaFile {
        accounts,
        providers,
    }
}

/// Whether the account's provider sends its token. Through CPA, which does not know the account,
/// the provider would get no token.
fn takes_token(own: &OwnAccount, configured: &[Arc<Generic>]) -> bool {
    let index = format!("{OWN_ACCOUNT}{}", own.name);
    let account = AccountRef::new(&own.provider, AuthType::Unknown, &index);
    let provider = Provider::find(&account, configured);
    provider.is_some_and(|provider| provider.auth() == Auth::OwnToken)
}

fn described(resolver: &mut Resolver<'_>, it: Described) -> Result<Generic, &'static str> {
    let limits = resolver.each(it.limits, |_, it, _| limit(it));
    let serves = match (it.accounts, it.domain, it.provider) {
        (Some(accounts), None, None) => Serves::Accounts(accounts.0),
        (None, Some(domain), None) => Serves::Domain(domain),
        (None, None, Some(provider)) => Serves::Provider(provider),
        (None, None, None) if it.own_token => Serves::Provider(it.name.clone()),
        _ => return Err("give one of accounts, domain and provider"),
    };
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
            method: it.method,
            url: it.url.0,
            headers: it.headers.into_iter().flat_map(|all| all.0).collect(),
            body: it.body,
        },
        plan: it.plan.map(|plan| plan.0),
        credits: it.credits.map(|credits| (credits.unit, credits.at.0)),
        limits,
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
        .filter_map(|(form, at)| Some((form, at?.0)));
    let share = shares.next();
    if shares.next().is_some() {
        return Err(
            "a limit has one share: used_ratio, used_percent, remaining_ratio or \
             remaining_percent",
        );
    }
    if it.reset.is_some() != it.reset_as.is_some() {
        return Err("reset and reset_as belong together");
    }
    let seconds = it.window.map(|window| window.as_secs_f64());
    Ok(GenericLimit {
        limit: it.name,
        name: it.title.as_deref().and_then(Name::new),
        window: Window::of_seconds(seconds, WindowRole::Unknown).unwrap_or(Window::UNKNOWN),
        scope: it.scope,
        unit: it.unit,
        divisor: it.divisor.0,
        used: it.used.map(|at| at.0),
        allowed: it.total.map(|at| at.0),
        remaining: it.remaining.map(|at| at.0),
        share,
        reset: it.reset_as.zip(it.reset.map(|at| at.0)),
    })
}

/// A position in a JSON document (RFC 6901).
#[derive(Clone, Debug, PartialEq)]
struct Pointer(String);

impl Value for Pointer {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a JSON pointer, which begins with /";
        let text = text(raw, EXPECTED)?;
        let found = text.starts_with('/').then(|| Self(text.to_owned()));
        found.ok_or_else(|| EXPECTED.to_owned())
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Divisor(f64);

impl Value for Divisor {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let number = raw.number().filter(|it| it.is_finite() && *it > 0.0);
        number
            .map(Self)
            .ok_or_else(|| "a number above 0".to_owned())
    }
}

/// A URL as it was written: a parser would add a slash.
#[derive(Clone, Debug, PartialEq)]
struct HttpUrl(String);

impl Value for HttpUrl {
    fn parse(raw: &Raw) -> Result<Self, String> {
        <Url as Value>::parse(raw)?;
        text(raw, "").map(|text| Self(text.to_owned()))
    }
}

impl Value for Url {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a URL that begins with https:// or http://";
        let url = Self::parse(text(raw, EXPECTED)?).ok();
        url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| EXPECTED.to_owned())
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Headers(BTreeMap<String, String>);

impl Value for Headers {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a table of HTTP headers and their values";
        let Raw::Table(entries) = raw else {
            return Err(EXPECTED.to_owned());
        };
        let headers = entries.iter().map(|entry| {
            let (name, value) = (entry.name.as_str(), text(&entry.value, EXPECTED)?);
            let valid = HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok();
            let header = valid.then(|| (name.to_owned(), value.to_owned()));
            header.ok_or_else(|| EXPECTED.to_owned())
        });
        headers.collect::<Result<_, _>>().map(Self)
    }
}

impl Value for Hidden {
    fn parse(raw: &Raw) -> Result<Self, String> {
        Self::new(text(raw, "an id")?).ok_or_else(|| "an id".to_owned())
    }
}

#[cfg(test)]
mod tests;
