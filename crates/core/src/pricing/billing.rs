use std::collections::HashMap;

use crate::model::AuthType;

/// Which accounts pay for each use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Billing {
    /// By stored value or default name; true = per use.
    pub accounts: HashMap<String, bool>,
}

impl Billing {
    /// What the user says about an account, if anything.
    pub fn said(&self, value: &str, name: &str) -> Option<bool> {
        let said = self.accounts.get(value).or_else(|| self.accounts.get(name));
        said.copied()
    }

    /// API keys pay for each use; who has logged in has a plan. What has neither, like a keyless
    /// upstream, has no bill that we know of.
    pub fn per_use(said: Option<bool>, login: AuthType) -> bool {
        said.unwrap_or(login == AuthType::ApiKey)
    }
}
