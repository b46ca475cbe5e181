//! Decodes v8's paginated list of credentials: v0's fields, and cool-downs with their reasons.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::account::{Account, Cooldown, Scope};
use super::cooldown_reason::CooldownReason;
use super::decode_v0::{Entry, Listed, account};
use super::lenient::{flag, lenient, list, text, time};
use super::{Decoding, NotAList, quota_signals};
use crate::decode::failure_reason;
use crate::model::UnixNanos;

/// A page, and whether another one follows.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) listed: Listed,
    pub(crate) more: bool,
}

#[derive(Deserialize)]
struct Files<'a> {
    #[serde(borrow)]
    files: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "flag")]
    has_more: bool,
}

/// The fields that only v8 has.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Extra<'a> {
    #[serde(deserialize_with = "flag")]
    supports_quota: bool,
    #[serde(borrow, deserialize_with = "list")]
    cooldowns: Vec<&'a RawValue>,
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
    #[serde(deserialize_with = "lenient")]
    http_status: Option<u16>,
}

pub(crate) fn page(body: &[u8], with: &Decoding) -> Result<Page, NotAList> {
    let files: Files<'_> = serde_json::from_slice(body).map_err(|_quotes_the_body| NotAList)?;
    let mut listed = Listed::default();
    for raw in files.files.ok_or(NotAList)? {
        listed.add(entry(raw, with));
    }
    Ok(Page {
        // An empty page is the last one, whatever `has_more` is.
        more: files.has_more && !listed.accounts.is_empty(),
        listed,
    })
}

fn entry(raw: &RawValue, with: &Decoding) -> Option<Account> {
    let entry: Entry<'_> = serde_json::from_str(raw.get()).ok()?;
    let extra: Extra<'_> = serde_json::from_str(raw.get()).ok()?;
    let mut account = account(&entry, with)?;
    account.supports_quota = extra.supports_quota;
    quota_signals::read(raw, with, &mut account);
    for raw in extra.cooldowns {
        let cooling = serde_json::from_str::<Cooling<'_>>(raw.get());
        if let Some(cooldown) = cooling.ok().and_then(|cooling| cooldown(&cooling, with)) {
            account.add_cooldown(cooldown);
        }
    }
    Some(account)
}

fn cooldown(cooling: &Cooling<'_>, with: &Decoding) -> Option<Cooldown> {
    let scope = match &*cooling.scope {
        "credential" => Scope::Credential,
        "model" => Scope::Model(with.secrets.sanitize(&cooling.model_key)),
        _ => return None,
    };
    Some(Cooldown {
        scope,
        reason: reason(cooling),
        until: cooling.retry_at?,
    })
}

/// CPA's reason; without one, the reason that the status implies.
fn reason(cooling: &Cooling<'_>) -> CooldownReason {
    let said = CooldownReason::from_text(&cooling.reason);
    match said.filter(|reason| *reason != CooldownReason::Unknown) {
        Some(reason) => reason,
        None => {
            CooldownReason::from_failure(failure_reason("", cooling.http_status.unwrap_or(0), ""))
        }
    }
}
