//! The quota headers of an account's last responses in CPA's list: in v8, and in v0 since 7.3.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Decoding;
use super::account::{Account, QuotaSignals};
use super::lenient::{lenient, time};
use crate::model::UnixNanos;

/// CPA stores at most this many headers of a response.
const MAX_HEADERS: usize = 64;
/// More models than any account has.
const MAX_MODELS: usize = 200;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry<'a> {
    #[serde(borrow, deserialize_with = "lenient")]
    quota: Option<Signals<'a>>,
    #[serde(borrow, deserialize_with = "lenient")]
    model_quotas: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Signals<'a> {
    #[serde(deserialize_with = "time")]
    observed_at: Option<UnixNanos>,
    #[serde(borrow, deserialize_with = "lenient")]
    signals: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

/// Adds the quota headers of a list entry to the account.
pub(crate) fn read(raw: &RawValue, with: &Decoding, account: &mut Account) {
    let Ok(entry) = serde_json::from_str::<Entry<'_>>(raw.get()) else {
        return;
    };
    account.quota_signals = entry.quota.map(|quota| signals(&quota, with));
    for (model, raw) in entry.model_quotas.into_iter().flatten().take(MAX_MODELS) {
        if let Ok(quota) = serde_json::from_str::<Signals<'_>>(raw.get()) {
            let model = with.secrets.sanitize(&model);
            account.model_signals.push((model, signals(&quota, with)));
        }
    }
}

fn signals(quota: &Signals<'_>, with: &Decoding) -> QuotaSignals {
    let headers = quota.signals.iter().flatten().take(MAX_HEADERS);
    let header = |(name, raw): (&Cow<'_, str>, &&RawValue)| {
        let value: String = serde_json::from_str(raw.get()).ok()?;
        let name = with.secrets.sanitize(&name.to_ascii_lowercase());
        Some((name, with.secrets.sanitize(&value)))
    };
    QuotaSignals {
        observed_at: quota.observed_at,
        headers: headers.filter_map(header).collect(),
    }
}
