//! Decodes v0's list of credentials. An invalid entry does not affect the others.

use std::borrow::Cow;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::account::{Account, Cooldown, Reported, Scope};
use super::cooldown_reason::CooldownReason;
use super::last_failure::LastFailure;
use super::lenient::{flag, lenient, text, time};
use super::{Decoding, NotAList, quota_signals};
use crate::model::{AuthType, UnixNanos};

/// Accounts of a response, and the number of invalid entries.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) accounts: Vec<Account>,
    pub(crate) skipped: usize,
}

#[derive(Deserialize)]
struct Files<'a> {
    #[serde(borrow)]
    files: Option<Vec<&'a RawValue>>,
}

/// The fields that v0 and v8 share.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Entry<'a> {
    #[serde(borrow, deserialize_with = "text")]
    auth_index: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    provider: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    r#type: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    name: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    email: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    account_type: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    project_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    status: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    status_message: Cow<'a, str>,
    #[serde(deserialize_with = "flag")]
    disabled: bool,
    #[serde(deserialize_with = "flag")]
    unavailable: bool,
    #[serde(deserialize_with = "lenient")]
    success: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    failed: Option<u64>,
    #[serde(deserialize_with = "time")]
    updated_at: Option<UnixNanos>,
    #[serde(deserialize_with = "time")]
    last_refresh: Option<UnixNanos>,
    #[serde(deserialize_with = "time")]
    next_retry_after: Option<UnixNanos>,
    #[serde(borrow, deserialize_with = "lenient")]
    id_token: Option<IdToken<'a>>,
}

/// Codex only.
#[derive(Default, Deserialize)]
#[serde(default)]
struct IdToken<'a> {
    #[serde(borrow, deserialize_with = "text")]
    chatgpt_account_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    plan_type: Cow<'a, str>,
    #[serde(deserialize_with = "time")]
    chatgpt_subscription_active_until: Option<UnixNanos>,
}

pub(crate) fn files(body: &[u8], with: &Decoding) -> Result<Listed, NotAList> {
    let files: Files<'_> = serde_json::from_slice(body).map_err(|_quotes_the_body| NotAList)?;
    let mut listed = Listed::default();
    for raw in files.files.ok_or(NotAList)? {
        let account = serde_json::from_str::<Entry<'_>>(raw.get())
            .ok()
            .and_then(|entry| account(&entry, with));
        let account = account.map(with_cooldown).map(|mut account| {
            quota_signals::read(raw, with, &mut account);
            account
        });
        listed.add(account);
    }
    Ok(listed)
}

impl Listed {
    pub(crate) fn add(&mut self, account: Option<Account>) {
        match account {
            Some(account) => self.accounts.push(account),
            None => self.skipped += 1,
        }
    }
}

/// `None` without an index, which identifies the account.
pub(crate) fn account(entry: &Entry<'_>, with: &Decoding) -> Option<Account> {
    if entry.auth_index.is_empty() {
        return None;
    }
    let secrets = &with.secrets;
    let some = |text: &str| (!text.is_empty()).then(|| secrets.sanitize(text));
    let own = [&entry.provider, &entry.r#type];
    let provider = own.into_iter().find(|name| !name.is_empty());
    let provider = provider.map_or("unknown", |name| name);
    let token = entry.id_token.as_ref();
    let id = token.map_or("", |token| &token.chatgpt_account_id);
    let secret = |text: &str| (!text.is_empty()).then(|| SecretString::from(text));
    Some(Account {
        name_masked: secrets.sanitize(&entry.name),
        email: secret(&entry.email).filter(|_| with.keep_email),
        plan: token.and_then(|token| some(&token.plan_type)),
        last_failure: LastFailure::from_message(provider, &entry.status_message),
        disabled: entry.disabled,
        unavailable: entry.unavailable,
        next_retry: entry.next_retry_after,
        last_refresh: entry.last_refresh,
        updated_at: entry.updated_at,
        subscription_end: token.and_then(|token| token.chatgpt_subscription_active_until),
        success: entry.success,
        failed: entry.failed,
        chatgpt_account_id: secret(id),
        project_id: some(&entry.project_id),
        reported: Reported::from_text(&entry.status),
        ..Account::new(
            secrets.id(&entry.auth_index),
            secrets.sanitize(provider),
            auth_type(&entry.account_type),
        )
    })
}

/// v0 states the end of a credential's cool-down, but no reason.
fn with_cooldown(mut account: Account) -> Account {
    if let Some(until) = account.next_retry.filter(|_| account.unavailable) {
        let reason = account.last_failure.map(|failure| failure.cooldown);
        account.add_cooldown(Cooldown {
            scope: Scope::Credential,
            reason: reason.unwrap_or(CooldownReason::Unknown),
            until,
        });
    }
    account
}

fn auth_type(text: &str) -> AuthType {
    match text {
        "oauth" => AuthType::Oauth,
        "api_key" => AuthType::ApiKey,
        _ => AuthType::Unknown,
    }
}
