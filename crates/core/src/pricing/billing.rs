use std::collections::HashMap;

use crate::model::AuthType;

/// Which accounts pay per use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Billing {
    /// By stored value or default name; true = pays per use.
    pub accounts: HashMap<String, bool>,
}

impl Billing {
    /// The configured billing of an account, if any.
    pub fn configured(&self, value: &str, name: &str) -> Option<bool> {
        let said = self.accounts.get(value).or_else(|| self.accounts.get(name));
        said.copied()
    }

    /// Accounts with an API key pay per use; accounts with a login have a plan. An account with
    /// neither, such as a keyless upstream, has no known bill.
    pub fn per_use(said: Option<bool>, login: AuthType) -> bool {
        said.unwrap_or(login == AuthType::ApiKey)
    }
}
