//! The list of credentials as v8 gives it, page by page: what v0 tells, and cool-downs with their
//! reasons and the quota headers of the last answers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::account::{Account, Cooldown, CooldownReason, QuotaSignals, Scope};
use super::decode_v0::{Entry, Listed, account};
use super::lenient::{flag, lenient, list, text, time};
use super::{Decoding, NotAList};
use crate::model::UnixNanos;

/// CPA keeps no more headers of an answer.
const MAX_HEADERS: usize = 64;
/// More models than any account has.
const MAX_MODELS: usize = 200;

/// One page, and whether there is another.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) listed: Listed,
    pub(super) more: bool,
}

#[derive(Deserialize)]
struct Files<'a> {
    #[serde(borrow)]
    files: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "flag")]
    has_more: bool,
}

/// What only v8 tells of a credential.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Extra<'a> {
    #[serde(borrow, deserialize_with = "lenient")]
    quota: Option<Signals<'a>>,
    #[serde(borrow, deserialize_with = "lenient")]
    model_quotas: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
    #[serde(deserialize_with = "flag")]
    supports_quota: bool,
    #[serde(borrow, deserialize_with = "list")]
    cooldowns: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Signals<'a> {
    #[serde(deserialize_with = "time")]
    observed_at: Option<UnixNanos>,
    #[serde(borrow, deserialize_with = "lenient")]
    signals: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cooling<'a> {
    #[serde(borrow, deserialize_with = "text")]
    scope: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    model_key: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    reason: Cow<'a, str>,
    #[serde(deserialize_with = "time")]
    retry_at: Option<UnixNanos>,
}

pub(super) fn page(body: &[u8], with: &Decoding) -> Result<Page, NotAList> {
    let files: Files<'_> = serde_json::from_slice(body).map_err(|_quotes_the_body| NotAList)?;
    let mut listed = Listed::default();
    for raw in files.files.ok_or(NotAList)? {
        listed.add(entry(raw, with));
    }
    Ok(Page {
        // An empty page is the last, whatever it says.
        more: files.has_more && !listed.accounts.is_empty(),
        listed,
    })
}

fn entry(raw: &RawValue, with: &Decoding) -> Option<Account> {
    let entry: Entry<'_> = serde_json::from_str(raw.get()).ok()?;
    let extra: Extra<'_> = serde_json::from_str(raw.get()).ok()?;
    let mut account = account(&entry, with)?;
    account.supports_quota = extra.supports_quota;
    account.quota_signals = extra.quota.map(|quota| signals(&quota, with));
    for (model, raw) in extra.model_quotas.into_iter().flatten().take(MAX_MODELS) {
        if let Ok(quota) = serde_json::from_str::<Signals<'_>>(raw.get()) {
            let model = with.secrets.shown(&model);
            account.model_signals.push((model, signals(&quota, with)));
        }
    }
    for raw in extra.cooldowns {
        let cooling = serde_json::from_str::<Cooling<'_>>(raw.get());
        if let Some(cooldown) = cooling.ok().and_then(|cooling| cooldown(&cooling, with)) {
            account.cool(cooldown);
        }
    }
    Some(account)
}

fn signals(quota: &Signals<'_>, with: &Decoding) -> QuotaSignals {
    let headers = quota.signals.iter().flatten().take(MAX_HEADERS);
    let header = |(name, raw): (&Cow<'_, str>, &&RawValue)| {
        let value: String = serde_json::from_str(raw.get()).ok()?;
        let name = with.secrets.shown(&name.to_ascii_lowercase());
        Some((name, with.secrets.shown(&value)))
    };
    QuotaSignals {
        observed_at: quota.observed_at,
        headers: headers.filter_map(header).collect(),
    }
}

fn cooldown(cooling: &Cooling<'_>, with: &Decoding) -> Option<Cooldown> {
    let scope = match &*cooling.scope {
        "credential" => Scope::Credential,
        "model" => Scope::Model(with.secrets.shown(&cooling.model_key)),
        _ => return None,
    };
    Some(Cooldown {
        scope,
        reason: CooldownReason::from_text(&cooling.reason).unwrap_or(CooldownReason::Unknown),
        until: cooling.retry_at?,
    })
}
