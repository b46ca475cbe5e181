//! Which provider is polled for which account.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use url::Url;

use super::quota_client::{Target, TokenReader};
use super::schedule::Stamp;
use crate::accounts::Account;
use crate::model::{AuthType, OWN_ACCOUNT};
use crate::quota::providers::Generic;
use crate::quota::{AccountRef, Hidden, Provider};

/// A configured account that CPA does not hold; its token is in a file.
#[derive(Clone)]
pub struct OwnAccount {
    /// Name for labels.
    pub name: String,
    pub provider: String,
    pub token: TokenReader,
    pub profile_arn: Option<Hidden>,
    /// Replaces scheme and host of the provider's URLs.
    pub url: Option<Url>,
}

impl std::fmt::Debug for OwnAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnAccount")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

impl OwnAccount {
    /// Used in place of CPA's index of a credential.
    pub fn index(&self) -> String {
        format!("{OWN_ACCOUNT}{}", self.name)
    }
}

/// Upper bound of a provider's minimum interval.
const LONGEST_INTERVAL: Duration = Duration::from_hours(24 * 7);

/// The accounts whose quota can be polled, by index.
#[derive(Debug)]
pub(super) struct Targets {
    configured: Vec<Arc<Generic>>,
    own: Vec<OwnAccount>,
    /// Minimum time between two polls of an account.
    interval: Duration,
    by_index: HashMap<Box<str>, (Target, Stamp)>,
    left_out: usize,
}

impl Targets {
    pub(super) fn new(
        configured: Vec<Arc<Generic>>,
        own: Vec<OwnAccount>,
        interval: Duration,
    ) -> Self {
        Self {
            configured,
            own,
            interval,
            by_index: HashMap::new(),
            left_out: 0,
        }
    }

    /// Applies CPA's list of accounts.
    pub(super) fn apply(&mut self, listed: &[Account]) {
        self.by_index.clear();
        self.left_out = 0;
        for account in listed {
            let reference = reference(account);
            // CPA does not refresh the token of a disabled account, and its quota is of no use.
            match self.find(&reference).filter(|_| !account.disabled) {
                Some(provider) => {
                    let target = Target {
                        provider,
                        account: reference,
                        token: None,
                        url: None,
                    };
                    let stamp = (account.updated_at, account.last_refresh);
                    let index = account.auth_index.clone();
                    self.by_index.insert(index, (target, stamp));
                }
                None => self.left_out += 1,
            }
        }
        for own in &self.own {
            let index = own.index();
            let mut account = AccountRef::new(&own.provider, AuthType::Unknown, &index);
            account.profile_arn.clone_from(&own.profile_arn);
            if let Some(provider) = self.find(&account) {
                let target = Target {
                    provider,
                    account,
                    token: Some(own.token.clone()),
                    url: own.url.clone(),
                };
                self.by_index.insert(index.into(), (target, (None, None)));
            }
        }
    }

    pub(super) fn get(&self, auth_index: &str) -> Option<&Target> {
        self.by_index.get(auth_index).map(|(target, _)| target)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Target, Stamp)> {
        self.by_index
            .iter()
            .map(|(index, (target, stamp))| (&**index, target, *stamp))
    }

    /// The credential's own provider, if CPA lists the account.
    pub(super) fn provider(&self, auth_index: &str) -> Option<&str> {
        Some(&self.get(auth_index)?.account.provider)
    }

    /// Number of accounts that cannot be polled.
    pub(super) fn unpolled(&self) -> usize {
        self.left_out
    }

    pub(super) fn interval(&self, target: &Target) -> Duration {
        let polite = target.provider.min_interval().min(LONGEST_INTERVAL);
        self.interval.max(polite)
    }

    fn find(&self, account: &AccountRef) -> Option<Provider> {
        Provider::find(account, &self.configured)
    }
}

fn reference(account: &Account) -> AccountRef {
    let mut reference = AccountRef::new(&account.provider, account.auth_type, &account.auth_index);
    reference.base_url = account.base_url.as_deref().map(Into::into);
    let workspace = account.chatgpt_account_id.as_ref();
    reference.chatgpt_account_id = workspace.and_then(|id| Hidden::new(id.expose_secret()));
    reference.project_id = account.project_id.as_deref().and_then(Hidden::new);
    reference.has_plugin = account.supports_quota;
    reference
}
