//! Provider requests through CPA, which adds the account's token, so that the exporter never sees
//! it.

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::client::{Client, HttpFailure};
use super::generation::Api;

/// Maximum size of a response; a provider's quota page has a few kilobytes.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// The request for CPA to send, and its credential. CPA replaces `$TOKEN$` in a header by the
/// token.
#[derive(Debug, Serialize)]
pub(crate) struct ProxiedRequest<'a> {
    pub(crate) auth_index: &'a str,
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    #[serde(serialize_with = "as_map")]
    pub(crate) header: &'a [(String, String)],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<&'a str>,
}

/// Outcome of a proxied request.
#[derive(Debug)]
pub(crate) enum ProxyOutcome {
    Answered(ProviderResponse),
    /// CPA got no response, or has no token for the account.
    NoAnswer,
    /// This server does not serve `api-call`.
    NotServed,
}

/// The provider's response, whatever its status.
#[derive(Debug)]
pub(crate) struct ProviderResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

#[derive(Deserialize)]
struct Envelope {
    status_code: u16,
    header: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    body: String,
}

impl Client {
    /// Sends a request to a provider through CPA.
    pub(crate) async fn api_call(
        &self,
        call: &ProxiedRequest<'_>,
    ) -> Result<ProxyOutcome, HttpFailure> {
        let session = self.session().await?;
        let path = match session.api {
            Api::V0 => "v0/management/api-call",
            Api::V8 => "v8/management/requests/api-call",
        };
        let body = serde_json::to_string(call).map_err(|_unlikely| HttpFailure::Content)?;
        let called = session.optional(MAX_BODY, Method::POST, path, Some(body));
        match called.await {
            Ok(Some(body)) => Ok(ProxyOutcome::Answered(ProviderResponse::read(&body)?)),
            Ok(None) => {
                self.forget_server();
                Ok(ProxyOutcome::NotServed)
            }
            // 400: no token, 502: no response from upstream.
            Err(HttpFailure::Status(StatusCode::BAD_REQUEST | StatusCode::BAD_GATEWAY)) => {
                Ok(ProxyOutcome::NoAnswer)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The account's quota as a plugin of CPA reads it. `None` when the server or the account has
    /// no such plugin.
    pub(crate) async fn quota_fetch(&self, auth_index: &str) -> Result<Option<Bytes>, HttpFailure> {
        // Only some releases serve the v8 path; later ones serve the v0 path again.
        let session = self.session().await?;
        let paths: &[&str] = match session.api {
            Api::V0 => &["v0/management/quota/fetch"],
            Api::V8 => &[
                "v8/management/credentials/quota/fetch",
                "v0/management/quota/fetch",
            ],
        };
        for path in paths {
            let body = serde_json::json!({ "auth_index": auth_index }).to_string();
            let called = session.optional(MAX_BODY, Method::POST, path, Some(body));
            match called.await {
                Ok(Some(body)) => return Ok(Some(body)),
                Ok(None) => {}
                Err(HttpFailure::Status(StatusCode::NOT_IMPLEMENTED)) => return Ok(None),
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }
}

impl ProviderResponse {
    fn read(body: &[u8]) -> Result<Self, HttpFailure> {
        let envelope: Envelope =
            serde_json::from_slice(body).map_err(|_quotes_the_body| HttpFailure::Content)?;
        let headers = envelope.header.into_iter().flatten();
        let headers = headers
            .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
        Ok(Self {
            status: envelope.status_code,
            headers: headers.collect(),
            body: envelope.body.into(),
        })
    }
}

fn as_map<S: serde::Serializer>(
    headers: &&[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_status_of_an_envelope_is_required() {
        let read = |text: &str| ProviderResponse::read(text.as_bytes()).ok();
        let full = read(r#"{"status_code":429,"header":{"Retry-After":["5"]},"body":"{}"}"#);
        let full = full.unwrap();
        assert_eq!((full.status, &*full.body), (429, b"{}".as_slice()));
        assert_eq!(full.headers, [("Retry-After".to_owned(), "5".to_owned())]);
        for bare in [
            r#"{"status_code":204,"header":null}"#,
            r#"{"status_code":204}"#,
        ] {
            assert_eq!(read(bare).unwrap().status, 204, "{bare}");
        }
        assert!(read(r#"{"error":"x"}"#).is_none());
    }
}
