//! CPA's lists over HTTP. The responses stay unparsed: some contain raw keys, and only
//! the decoders of [`lists`](super::lists) may read those.

use bytes::Bytes;
use reqwest::{Method, StatusCode};

use super::client::{Client, HttpFailure, MAX_LIST};
use super::generation::Api;

/// Entries per page of a paged list.
const PAGE_SIZE: u32 = 500;

impl Client {
    /// The list of credentials. v8 has pages, counted from 1; v0 returns all in the first.
    pub(crate) async fn credentials(&self, page: u32) -> Result<(Api, Bytes), HttpFailure> {
        let session = self.session().await?;
        let path = session.api.accounts();
        let path = match session.api {
            Api::V0 => path.to_owned(),
            Api::V8 => format!("{path}?page={page}&page_size={PAGE_SIZE}"),
        };
        let answer = session.required(Method::GET, &path, None).await?;
        match answer.status {
            StatusCode::OK => Ok((session.api, answer.body)),
            status => Err(HttpFailure::Status(status)),
        }
    }

    /// A list of configured keys, with the raw keys. `None` when this release has no such list.
    ///
    /// Always from v0: only there an entry has its index.
    pub(crate) async fn key_list(&self, list: &str) -> Result<Option<Bytes>, HttpFailure> {
        let path = format!("v0/management/{list}");
        self.optional_list(&path).await
    }

    /// Request counts of the configured keys, by raw key. `None` when this release has none.
    pub(crate) async fn key_usage(&self) -> Result<Option<Bytes>, HttpFailure> {
        let path = self.server().await?.api.key_usage();
        self.optional_list(path).await
    }

    async fn optional_list(&self, path: &str) -> Result<Option<Bytes>, HttpFailure> {
        let session = self.session().await?;
        session.optional(MAX_LIST, Method::GET, path, None).await
    }
}
