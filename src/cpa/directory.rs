//! The calls of the account directory. The responses stay unparsed: some contain raw keys, and only
//! the decoders of `accounts` may read those.

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;

use super::management::{Api, HttpFailure, Management, served};

/// Entries per page of a paged list.
const PAGE_SIZE: u32 = 500;

impl Management {
    /// The list of credentials. v8 has pages, counted from 1; v0 returns all in the first.
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

    /// A list of configured keys, with the raw keys. `None` when this release has no such list.
    ///
    /// Always from v0: only there an entry has its index.
    pub(crate) async fn key_list(
        &mut self,
        list: &str,
        key: &SecretString,
    ) -> Result<Option<Bytes>, HttpFailure> {
        let path = format!("v0/management/{list}");
        served(self.call(Method::GET, &path, key, None).await)
    }

    /// Request counts of the configured keys, by raw key. `None` when this release has none.
    pub(crate) async fn key_usage(
        &mut self,
        api: Api,
        key: &SecretString,
    ) -> Result<Option<Bytes>, HttpFailure> {
        served(self.call(Method::GET, api.key_usage(), key, None).await)
    }
}
