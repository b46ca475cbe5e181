//! A message of CPA's channel `errors`: a failure and the resulting state of the account.

use std::borrow::Cow;

use serde::Deserialize;

use crate::cpa::lists::Decoding;
use crate::cpa::lists::account::{Account, Cooldown, Reported, Scope};
use crate::cpa::lists::cooldown_reason::CooldownReason;
use crate::cpa::lists::last_failure::{ChannelEvent, LastFailure};
use crate::cpa::lists::lenient::{flag, lenient, text, time};
use crate::model::UnixNanos;

/// Failures caused by a client or a connection; CPA does not change the account's state.
const CLIENT_SCOPES: [&str; 2] = ["request_scoped", "connection_lifecycle"];

/// A failure that CPA reported.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ErrorEvent {
    pub(super) auth_index: Box<str>,
    pub(super) provider: Box<str>,
    /// HTTP status; 0 if there is none.
    pub(super) status: u16,
    state: Option<State>,
}

/// State of the account after the failure.
#[derive(Clone, Debug, PartialEq)]
struct State {
    reported: Reported,
    last_failure: Option<LastFailure>,
    disabled: bool,
    unavailable: bool,
    next_retry: Option<UnixNanos>,
    cooldowns: Vec<Cooldown>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow, deserialize_with = "text")]
    auth_index: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    provider: Cow<'a, str>,
    #[serde(deserialize_with = "lenient")]
    status_code: Option<u16>,
    #[serde(borrow, deserialize_with = "text")]
    body: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    code: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "lenient")]
    auth_status: Option<RawState<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawState<'a> {
    #[serde(borrow, deserialize_with = "text")]
    name: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    status: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    status_message: Cow<'a, str>,
    #[serde(deserialize_with = "flag")]
    disabled: bool,
    #[serde(deserialize_with = "flag")]
    unavailable: bool,
    #[serde(deserialize_with = "time")]
    next_retry_after: Option<UnixNanos>,
    #[serde(borrow, deserialize_with = "lenient")]
    quota: Option<RawQuota<'a>>,
    #[serde(borrow, deserialize_with = "lenient")]
    model: Option<Box<RawState<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawQuota<'a> {
    #[serde(borrow, deserialize_with = "text")]
    reason: Cow<'a, str>,
}

/// `None` if the payload is not an event or names no account.
pub(super) fn decode(payload: &[u8], with: &Decoding) -> Option<ErrorEvent> {
    let raw: Raw<'_> = serde_json::from_slice(payload).ok()?;
    if raw.auth_index.is_empty() {
        return None;
    }
    let status = raw.status_code.unwrap_or(0);
    let failure = ChannelEvent {
        provider: &raw.provider,
        status,
        body: &raw.body,
        changed_state: !CLIENT_SCOPES.contains(&&*raw.code),
    };
    let state = raw.auth_status.as_ref();
    Some(ErrorEvent {
        auth_index: with.secrets.id(&raw.auth_index),
        provider: match &*raw.provider {
            "" => "unknown".into(),
            provider => with.secrets.sanitize(provider),
        },
        status,
        state: state.map(|state| derive_state(state, failure, with)),
    })
}

fn derive_state(state: &RawState<'_>, failure: ChannelEvent<'_>, with: &Decoding) -> State {
    let mut whole = cooldown(Scope::Credential, state, failure);
    let model = state.model.as_ref().and_then(|model| {
        let scope = Scope::Model(with.secrets.sanitize(&model.name));
        cooldown(scope, model, failure)
    });
    // CPA reports `quota` for the credential if any model has a cool-down, even a Cloudflare
    // challenge. If both end at the same time, the model's reason applies to the credential.
    if let Some((whole, model)) = whole.as_mut().zip(model.as_ref())
        && (whole.reason, whole.until) == (CooldownReason::Quota, model.until)
    {
        whole.reason = model.reason;
    }
    let cooldowns = whole.into_iter().chain(model).collect();
    State {
        reported: Reported::from_text(&state.status),
        last_failure: LastFailure::from_event(failure, &state.status_message),
        disabled: state.disabled,
        unavailable: state.unavailable,
        next_retry: state.next_retry_after,
        cooldowns,
    }
}

fn cooldown(scope: Scope, state: &RawState<'_>, failure: ChannelEvent<'_>) -> Option<Cooldown> {
    let until = state.next_retry_after.filter(|_| state.unavailable)?;
    let said = state.quota.as_ref().map_or("", |quota| &quota.reason);
    let reason = CooldownReason::from_text(said).or_else(|| {
        LastFailure::from_event(failure, &state.status_message).map(|failure| failure.cooldown)
    });
    Some(Cooldown {
        scope,
        reason: reason.unwrap_or(CooldownReason::Unknown),
        until,
    })
}

impl ErrorEvent {
    /// Sets the account to the state after the failure.
    pub(super) fn apply(&self, account: &mut Account) {
        let Some(state) = &self.state else {
            return;
        };
        account.reported = state.reported;
        account.last_failure = state.last_failure;
        account.served_since = false;
        account.disabled = state.disabled;
        account.unavailable = state.unavailable;
        account.next_retry = state.next_retry;
        account
            .cooldowns
            .retain(|known| known.scope != Scope::Credential);
        for cooldown in &state.cooldowns {
            account.add_cooldown(cooldown.clone());
        }
    }

    /// The value of the label `code`.
    pub(super) fn code(&self) -> String {
        match self.status {
            100..=599 => self.status.to_string(),
            _ => "other".to_owned(),
        }
    }
}
