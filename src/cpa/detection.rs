//! Detection of the generation of the server's management API.

use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;

use super::client::{Answer, Client, HttpFailure, MAX_LIST, parse, unreachable};
use super::generation::{Api, Server};
use super::refusal::Refusal;
use crate::http_client;

/// Maximum size of a page that identifies CPA.
const MAX_PAGE: usize = 64 * 1024;

impl Client {
    /// Detects the generation and reports nothing. Never requests the queue, which would pop records.
    ///
    /// A v7 answers anything outside `/v0` with a bare 404 before it checks the key, so the first
    /// call costs no failed login there.
    pub(super) async fn find_server(&self, key: &SecretString) -> Result<Server, HttpFailure> {
        let path = "v8/management/credentials?page=1&page_size=1";
        let probe = self.call(MAX_LIST, Method::GET, path, key, None).await;
        let (api, version) = match probe {
            Ok(Answer {
                status: StatusCode::OK,
                version: Some(version),
                ..
            }) => (Api::V8, Some(version)),
            Ok(_) | Err(HttpFailure::Refused(Refusal::ManagementOff) | HttpFailure::Content) => {
                (Api::V0, self.find_v0(key).await?)
            }
            Err(failure) => return Err(failure),
        };
        let version = version.unwrap_or_else(|| "unknown".to_owned());
        Ok(Server {
            api,
            version: version.trim_start_matches('v').chars().take(64).collect(),
        })
    }

    /// Version of a server whose v0 API answers at this base URL. Distinguishes a wrong path and
    /// another program from a CPA whose management is off.
    async fn find_v0(&self, key: &SecretString) -> Result<Option<String>, HttpFailure> {
        #[derive(Deserialize)]
        struct Debug {
            #[serde(rename = "debug")]
            _debug: bool,
        }
        let path = "v0/management/debug";
        match self.call(MAX_LIST, Method::GET, path, key, None).await {
            // A proxy may have removed the version header.
            Ok(answer)
                if answer.status == StatusCode::OK
                    && (answer.version.is_some() || parse::<Debug>(&answer.body).is_ok()) =>
            {
                Ok(answer.version)
            }
            Ok(answer) => Err(HttpFailure::NotCpa(answer.status)),
            Err(HttpFailure::Refused(Refusal::ManagementOff))
                if self.url().path() != "/" && !self.is_cpa().await? =>
            {
                Err(HttpFailure::NotCpa(StatusCode::NOT_FOUND))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Whether the base URL leads to a CPA, by its public pages.
    async fn is_cpa(&self) -> Result<bool, HttpFailure> {
        for (path, mark) in [("", "CLI Proxy API"), ("healthz", r#""status":"ok""#)] {
            let url = format!("{}{path}", self.url());
            let response = self.http().get(url).send().await.map_err(unreachable)?;
            if response.status() == StatusCode::OK
                && let Ok(body) = http_client::read_bounded(response, MAX_PAGE).await
                && String::from_utf8_lossy(&body).contains(mark)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
