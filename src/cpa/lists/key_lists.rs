//! Decodes API keys of CPA's configuration. Entries contain raw keys: only the index and the mask
//! leave this file.

use std::borrow::Cow;
use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::account::{Account, Reported};
use super::lenient::{flag, lenient, list, text};
use super::{Decoding, NotAList};
use crate::model::AuthType;

/// A list of keys in CPA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyList {
    Gemini,
    Interactions,
    Claude,
    Codex,
    Xai,
    Vertex,
    Compat,
}

impl KeyList {
    pub(crate) const ALL: [Self; 7] = [
        Self::Gemini,
        Self::Interactions,
        Self::Claude,
        Self::Codex,
        Self::Xai,
        Self::Vertex,
        Self::Compat,
    ];

    /// The list's name in the path and in the response.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gemini => "gemini-api-key",
            Self::Interactions => "interactions-api-key",
            Self::Claude => "claude-api-key",
            Self::Codex => "codex-api-key",
            Self::Xai => "xai-api-key",
            Self::Vertex => "vertex-api-key",
            Self::Compat => "openai-compatibility",
        }
    }

    /// Provider of the keys' records.
    const fn provider(self) -> &'static str {
        match self {
            Self::Gemini => "gemini",
            Self::Interactions => "gemini-interactions",
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Xai => "xai",
            Self::Vertex => "vertex",
            Self::Compat => "openai-compatible",
        }
    }
}

/// Matches a key with its entry in the usage list without storing the key: a keyed hash of base URL
/// and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(u64);

/// A configured key; `fingerprint` is `None` for a provider without a key.
#[derive(Clone, Debug)]
pub(crate) struct KeyAccount {
    pub(crate) account: Account,
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// Keys of a list, and the number of invalid entries.
#[derive(Debug, Default)]
pub(crate) struct ListedKeys {
    pub(crate) keys: Vec<KeyAccount>,
    pub(crate) skipped: usize,
}

/// Successes and failures of keys since CPA's start.
pub(crate) type Usage = HashMap<Fingerprint, (u64, u64)>;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Entry<'a> {
    #[serde(borrow, deserialize_with = "text")]
    name: Cow<'a, str>,
    #[serde(deserialize_with = "flag")]
    disabled: bool,
    #[serde(borrow, deserialize_with = "text")]
    api_key: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    base_url: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    auth_index: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "list")]
    api_key_entries: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "list")]
    excluded_models: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    #[serde(deserialize_with = "lenient")]
    success: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    failed: Option<u64>,
}

pub(crate) fn entries(
    which: KeyList,
    body: &[u8],
    with: &Decoding,
) -> Result<ListedKeys, NotAList> {
    let lists: HashMap<Cow<'_, str>, &RawValue> =
        serde_json::from_slice(body).map_err(|_quotes_the_body| NotAList)?;
    let raw = lists.get(which.name()).ok_or(NotAList)?;
    // CPA writes null for an unconfigured list.
    let entries: Option<Vec<&RawValue>> =
        serde_json::from_str(raw.get()).map_err(|_quotes_the_body| NotAList)?;
    let mut listed = ListedKeys::default();
    for raw in entries.unwrap_or_default() {
        match serde_json::from_str::<Entry<'_>>(raw.get()) {
            Ok(entry) => listed.add_all(which, &entry, with),
            Err(_quotes_the_body) => listed.skipped += 1,
        }
    }
    Ok(listed)
}

impl ListedKeys {
    fn add_all(&mut self, which: KeyList, entry: &Entry<'_>, with: &Decoding) {
        if entry.api_key_entries.is_empty() {
            return self.add(key(which, entry, entry, with));
        }
        for raw in &entry.api_key_entries {
            let own = serde_json::from_str::<Entry<'_>>(raw.get()).ok();
            self.add(own.and_then(|own| key(which, entry, &own, with)));
        }
    }

    fn add(&mut self, key: Option<KeyAccount>) {
        match key {
            Some(key) => self.keys.push(key),
            None => self.skipped += 1,
        }
    }
}

/// `of` is the provider's entry, `own` the key's; both are the same entry if there is one per key.
fn key(which: KeyList, of: &Entry<'_>, own: &Entry<'_>, with: &Decoding) -> Option<KeyAccount> {
    if own.auth_index.is_empty() {
        return None;
    }
    let secrets = &with.secrets;
    let provider = if which == KeyList::Compat {
        let name = format!("{}-{}", which.provider(), of.name.trim().to_lowercase());
        secrets.sanitize(&name)
    } else {
        which.provider().into()
    };
    let keyless = own.api_key.is_empty();
    let disabled = of.disabled || of.excluded_models.iter().any(|raw| raw.get() == r#""*""#);
    let auth_type = if keyless {
        AuthType::Unknown
    } else {
        AuthType::ApiKey
    };
    let account = Account {
        name_masked: if keyless {
            secrets.sanitize(&of.name)
        } else {
            secrets.masked(&own.api_key).mask().into()
        },
        disabled,
        base_url: plain_url(&of.base_url),
        reported: Reported::Unknown,
        ..Account::new(secrets.id(&own.auth_index), provider, auth_type)
    };
    let fingerprint = (!keyless).then(|| {
        let both = SecretString::from(format!("{}|{}", of.base_url, own.api_key));
        fingerprint(both.expose_secret(), with)
    });
    Some(KeyAccount {
        account,
        fingerprint,
    })
}

/// Decodes the usage list, whose keys have the form `<base URL>|<raw key>`.
pub(crate) fn usage(body: &[u8], with: &Decoding) -> Result<Usage, NotAList> {
    let providers: HashMap<Cow<'_, str>, &RawValue> =
        serde_json::from_slice(body).map_err(|_quotes_the_body| NotAList)?;
    let mut usage = Usage::new();
    for raw in providers.values() {
        let keys: HashMap<Text<'_>, &RawValue> =
            serde_json::from_str(raw.get()).unwrap_or_default();
        for (name, raw) in keys {
            if let Ok(counts) = serde_json::from_str::<Counts>(raw.get()) {
                let (success, failed) = usage.entry(fingerprint(&name.0, with)).or_default();
                *success = success.saturating_add(counts.success.unwrap_or(0));
                *failed = failed.saturating_add(counts.failed.unwrap_or(0));
            }
        }
    }
    Ok(usage)
}

#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn fingerprint(base_url_and_key: &str, with: &Decoding) -> Fingerprint {
    Fingerprint(with.secrets.masked(base_url_and_key).hash())
}

/// The URL without parts that can be secret.
fn plain_url(text: &str) -> Option<Box<str>> {
    let mut url = Url::parse(text.trim()).ok()?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url.as_str().into())
}
