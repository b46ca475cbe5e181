//! CPA asks a provider for us and puts the account's token in, so that it never comes here.

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::management::{Api, HttpFailure, Management};
use super::refusal::Refusal;

/// What CPA shall send, and with whose credential. `$TOKEN$` in a header becomes its token.
#[derive(Debug, Serialize)]
pub(crate) struct ApiCall<'a> {
    pub(crate) auth_index: &'a str,
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    #[serde(serialize_with = "as_map")]
    pub(crate) header: &'a [(String, String)],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<&'a str>,
}

/// What the provider answered, whatever its status.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

#[derive(Deserialize)]
struct Envelope {
    status_code: u16,
    #[serde(default)]
    header: std::collections::BTreeMap<String, Vec<String>>,
    #[serde(default)]
    body: String,
}

impl Management {
    /// `None` when CPA could not get an answer, or does not know the account any more.
    pub(crate) async fn api_call(
        &mut self,
        api: Api,
        key: &SecretString,
        call: &ApiCall<'_>,
    ) -> Result<Option<Upstream>, HttpFailure> {
        let path = match api {
            Api::V0 => "v0/management/api-call",
            Api::V8 => "v8/management/requests/api-call",
        };
        let body = serde_json::to_string(call).map_err(|_unlikely| HttpFailure::Content)?;
        match self.call(Method::POST, path, key, Some(body)).await {
            Ok(answer) if answer.status == StatusCode::OK => {
                let envelope: Envelope = serde_json::from_slice(&answer.body)
                    .map_err(|_quotes_the_body| HttpFailure::Content)?;
                let headers = envelope.header.into_iter();
                Ok(Some(Upstream {
                    status: envelope.status_code,
                    headers: headers
                        .flat_map(|(name, values)| {
                            values.into_iter().map(move |value| (name.clone(), value))
                        })
                        .collect(),
                    body: envelope.body.into(),
                }))
            }
            // 400: no token, 502: no answer from upstream.
            Ok(_) | Err(HttpFailure::Status(StatusCode::BAD_REQUEST | StatusCode::BAD_GATEWAY)) => {
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

impl Management {
    /// What a plugin of CPA reads of an account's quota. `None` when this server has no such
    /// thing, or none for this account.
    pub(crate) async fn quota_fetch(
        &mut self,
        api: Api,
        key: &SecretString,
        auth_index: &str,
    ) -> Result<Option<Bytes>, HttpFailure> {
        // The v8 path was there for some releases only; the v0 one has outlived it.
        let paths: &[&str] = match api {
            Api::V0 => &["v0/management/quota/fetch"],
            Api::V8 => &[
                "v8/management/credentials/quota/fetch",
                "v0/management/quota/fetch",
            ],
        };
        for path in paths {
            let body = serde_json::json!({ "auth_index": auth_index }).to_string();
            match self.call(Method::POST, path, key, Some(body)).await {
                Ok(answer) if answer.status == StatusCode::OK => return Ok(Some(answer.body)),
                Ok(_) | Err(HttpFailure::Refused(Refusal::ManagementOff)) => {}
                Err(HttpFailure::Status(StatusCode::NOT_IMPLEMENTED)) => return Ok(None),
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }
}

fn as_map<S: serde::Serializer>(
    headers: &&[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
}
