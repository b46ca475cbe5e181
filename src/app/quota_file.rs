//! The file of `quota.file`: accounts that CPA does not hold, and providers that we do not know.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use crate::config::Secret;
use crate::model::{Limit, Name, Scope, Unit, Window, WindowRole};
use crate::poller::OwnAccount;
use crate::quota::providers::{Generic, GenericLimit, ResetForm, Serves, ShareForm};
use crate::quota::{Auth, Hidden, Method, Provider, Request};

/// What the file says.
#[derive(Debug, Default)]
pub struct QuotaFile {
    pub accounts: Vec<OwnAccount>,
    pub providers: Vec<Arc<dyn Provider>>,
}

/// What is wrong with the file; never quotes a value that could be a secret.
#[derive(Debug, thiserror::Error)]
pub enum QuotaFileError {
    #[error("{0} cannot be read")]
    Read(PathBuf, #[source] std::io::Error),
    #[error("{path}, line {line}: {message}")]
    Syntax {
        path: PathBuf,
        line: usize,
        message: String,
    },
    #[error("{path}, {place}: {message}")]
    Value {
        path: PathBuf,
        place: String,
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "account")]
    accounts: Vec<Account>,
    #[serde(default, rename = "provider")]
    providers: Vec<Described>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    name: String,
    provider: String,
    token_file: PathBuf,
    profile_arn: Option<String>,
    /// In place of the scheme and the host of the provider, such as a proxy of one's own.
    url: Option<Url>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    /// Accounts of CPA: by index, by the host their key goes to, or by provider.
    #[serde(default)]
    accounts: Vec<String>,
    domain: Option<String>,
    provider: Option<String>,
    /// The token is that of an `[[account]]` of this file.
    #[serde(default)]
    own_token: bool,
    #[serde(default)]
    method: Verb,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    #[serde(default = "five_minutes", with = "humantime_serde")]
    min_interval: Duration,
    plan: Option<String>,
    credits: Option<Credits>,
    #[serde(rename = "limit")]
    limits: Vec<DescribedLimit>,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum Verb {
    #[default]
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "POST")]
    Post,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credits {
    unit: UnitName,
    at: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UnitName {
    Tokens,
    Requests,
    Credits,
    Usd,
    Seconds,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScopeName {
    Account,
    Model,
    Feature,
    Spend,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResetName {
    Seconds,
    Millis,
    Iso,
    InSeconds,
    InMillis,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedLimit {
    name: String,
    title: Option<String>,
    #[serde(default, with = "humantime_serde")]
    window: Option<Duration>,
    #[serde(default = "account_scope")]
    scope: ScopeName,
    #[serde(default = "requests")]
    unit: UnitName,
    #[serde(default = "one")]
    divisor: f64,
    used: Option<String>,
    total: Option<String>,
    remaining: Option<String>,
    used_ratio: Option<String>,
    used_percent: Option<String>,
    remaining_ratio: Option<String>,
    remaining_percent: Option<String>,
    reset: Option<String>,
    reset_as: Option<ResetName>,
}

impl QuotaFile {
    pub fn read(path: &Path) -> Result<Self, QuotaFileError> {
        let text =
            fs::read_to_string(path).map_err(|e| QuotaFileError::Read(path.to_owned(), e))?;
        let file: File = toml::from_str(&text).map_err(|error| QuotaFileError::Syntax {
            path: path.to_owned(),
            line: line_of(&text, error.span().unwrap_or_default().start),
            // The whole error quotes the line.
            message: error.message().to_owned(),
        })?;
        let wrong = |place: String| {
            move |message: &str| QuotaFileError::Value {
                path: path.to_owned(),
                place,
                message: message.to_owned(),
            }
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut this = Self::default();
        for account in file.accounts {
            let place = format!("account {:?}", account.name);
            this.accounts
                .push(own_account(account, folder).map_err(wrong(place))?);
        }
        for provider in file.providers {
            let place = format!("provider {:?}", provider.name);
            let provider = described(provider).map_err(wrong(place))?;
            this.providers.push(Arc::new(provider));
        }
        Ok(this)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

fn own_account(account: Account, folder: &Path) -> Result<OwnAccount, &'static str> {
    // It becomes a label.
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

fn described(it: Described) -> Result<Generic, &'static str> {
    if !it.url.starts_with("https://") && !it.url.starts_with("http://") {
        return Err("url must begin with https:// or http://");
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
    let all = places.into_iter().flatten();
    if !all
        .chain(share.iter().map(|(_, place)| place))
        .all(|place| place.starts_with('/'))
    {
        return Err("places are JSON pointers and begin with /");
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
        window: Window::of_seconds(seconds, WindowRole::Unknown),
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

impl From<UnitName> for Unit {
    fn from(name: UnitName) -> Self {
        match name {
            UnitName::Tokens => Self::Tokens,
            UnitName::Requests => Self::Requests,
            UnitName::Credits => Self::Credits,
            UnitName::Usd => Self::Usd,
            UnitName::Seconds => Self::Seconds,
        }
    }
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Account => Self::Account,
            ScopeName::Model => Self::Model,
            ScopeName::Feature => Self::Feature,
            ScopeName::Spend => Self::Spend,
        }
    }
}

impl From<ResetName> for ResetForm {
    fn from(name: ResetName) -> Self {
        match name {
            ResetName::Seconds => Self::Seconds,
            ResetName::Millis => Self::Millis,
            ResetName::Iso => Self::Iso,
            ResetName::InSeconds => Self::InSeconds,
            ResetName::InMillis => Self::InMillis,
        }
    }
}

const fn five_minutes() -> Duration {
    Duration::from_mins(5)
}

const fn account_scope() -> ScopeName {
    ScopeName::Account
}

const fn requests() -> UnitName {
    UnitName::Requests
}

const fn one() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<QuotaFile, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("token"), "s3cret\n").unwrap();
        let path = dir.path().join("quota.toml");
        fs::write(&path, text).unwrap();
        QuotaFile::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_in_the_documentation_is_valid() {
        let docs = include_str!("../../docs/providers.md");
        let example = docs.split("```toml\n").nth(1).unwrap();
        let example = example.split("```").next().unwrap();
        let file = read(example).unwrap();
        assert_eq!(file.accounts.len(), 1);
        assert_eq!(file.providers.len(), 1);
    }

    #[test]
    fn mistakes_name_their_place_and_quote_nothing() {
        let error = read("[[account]]\nname = \"x\"\nprovder = \"hunter2\"\n").unwrap_err();
        assert!(
            error.contains("line 3") && !error.contains("hunter2"),
            "{error}"
        );
        let account = "[[account]]\nname = \"x\"\nprovider = \"copilot\"\ntoken_file = \"none\"\n";
        let error = read(account).unwrap_err();
        assert!(error.contains("account \"x\": token_file"), "{error}");
        let account = account.replace("none", "token") + "url = \"ftp://x\"\n";
        let error = read(&account).unwrap_err();
        assert!(error.contains("https:// or http://"), "{error}");
        let base = "[[provider]]\nname = \"p\"\nurl = \"https://x\"\ndomain = \"x\"\n[[provider.limit]]\nname = \"main\"\n";
        for (extra, expected) in [
            ("used = \"no-pointer\"", "JSON pointers"),
            ("reset = \"/a\"", "belong together"),
            ("used_ratio = \"/a\"\nused_percent = \"/b\"", "one share"),
        ] {
            let error = read(&format!("{base}{extra}\n")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = read(&base.replace("domain = \"x\"\n", "")).unwrap_err();
        assert!(error.contains("give one of"), "{error}");
    }
}
