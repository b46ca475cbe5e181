use std::fmt;

use crate::model::AuthType;

/// An account as CPA's lists describe it.
#[derive(Clone, Debug)]
pub struct AccountRef {
    /// The credential's own provider.
    pub provider: String,
    pub auth_type: AuthType,
    pub auth_index: String,
    /// Base URL of a configured key; identifies the vendor of an `openai-compatibility` entry.
    pub base_url: Option<String>,
    /// Selects the workspace if the login has several.
    pub chatgpt_account_id: Option<Hidden>,
    /// Google's project of the account.
    pub project_id: Option<Hidden>,
    /// Profile of a Kiro login.
    pub profile_arn: Option<Hidden>,
    /// Whether a plugin of CPA can read this account's quota.
    pub has_plugin: bool,
}

impl AccountRef {
    pub fn new(provider: &str, auth_type: AuthType, auth_index: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            auth_type,
            auth_index: auth_index.to_owned(),
            base_url: None,
            chatgpt_account_id: None,
            project_id: None,
            profile_arn: None,
            has_plugin: false,
        }
    }

    pub(super) fn is_named(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.provider.eq_ignore_ascii_case(name))
    }

    pub(super) fn is_oauth(&self, provider: &str) -> bool {
        self.auth_type == AuthType::Oauth && self.is_named(&[provider])
    }

    /// Whether the account's key is sent to a host of this domain.
    pub(super) fn is_at(&self, domain: &str) -> bool {
        let host = self.base_url.as_deref().and_then(host_of);
        host.is_some_and(|host| {
            let host = host.to_ascii_lowercase();
            host.strip_suffix(domain)
                .is_some_and(|start| start.is_empty() || start.ends_with('.'))
        })
    }
}

/// `https://user@host:port/path` → `host`.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    host.split(':').next()
}

/// An id that is only sent in requests, and never appears in logs, labels or errors.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// `None` for an empty text.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.trim().is_empty()).then_some(Self(text))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}
