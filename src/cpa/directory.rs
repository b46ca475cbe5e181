//! The calls behind the account directory. Answers are not looked at: some hold raw keys, and only
//! the decoders of `accounts` may see those.

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;

use super::management::{Api, HttpFailure, Management, served};

/// Entries that one call to a paged list asks for.
const PAGE_SIZE: u32 = 500;

impl Management {
    /// The list of credentials. v8 has pages, counted from 1; v0 has everything in its first.
    pub(crate) async fn credentials(
        &mut self,
        api: Api,
        key: &SecretString,
        page: u32,
    ) -> Result<Bytes, HttpFailure> {
        let path = match api {
            Api::V0 => api.accounts().to_owned(),
            Api::V8 => format!("{}?page={page}&page_size={PAGE_SIZE}", api.accounts()),
        };
        let answer = self.call(Method::GET, &path, key, None).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            status => Err(HttpFailure::Status(status)),
        }
    }

    /// A list of configured keys, raw keys in it. `None` when this release has no such list.
    ///
    /// Always of v0: only there an entry tells its index.
    pub(crate) async fn key_list(
        &mut self,
        list: &str,
        key: &SecretString,
    ) -> Result<Option<Bytes>, HttpFailure> {
        let path = format!("v0/management/{list}");
        served(self.call(Method::GET, &path, key, None).await)
    }

    /// What the configured keys have served, by raw key. `None` when this release does not tell.
    pub(crate) async fn key_usage(
        &mut self,
        api: Api,
        key: &SecretString,
    ) -> Result<Option<Bytes>, HttpFailure> {
        served(self.call(Method::GET, api.key_usage(), key, None).await)
    }
}
