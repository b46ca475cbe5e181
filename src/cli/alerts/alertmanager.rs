//! The part of Alertmanager's API v2 that a test alert needs.

use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use super::notifications::Notifications;
use crate::http_client::{self, ClientError};

/// Maximum response size; a metrics page or a list of one alert is far smaller.
const MAX_ANSWER: usize = 8 << 20;
/// Maximum length of an error text, in characters.
const MAX_ERROR_TEXT: usize = 300;

/// Failure of a test alert; the texts advise the user.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error(
        "{url} does not answer; is Alertmanager running there? Set its URL with --alertmanager.url"
    )]
    NoAnswer {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url} requires a login (user:password@ in --alertmanager.url)")]
    Login { url: String },
    #[error("{url} answers {status}: {text}")]
    Refused {
        url: String,
        status: StatusCode,
        text: String,
    },
    #[error("{url} is not Alertmanager's API v2")]
    NoAlertmanager { url: String },
    #[error("cannot read the response of {url}")]
    Unreadable {
        url: String,
        #[source]
        source: ClientError,
    },
}

/// Client of one Alertmanager.
#[derive(Debug)]
pub(super) struct Alertmanager {
    client: Client,
    /// Ends with a slash, so that paths are joined to it.
    base: Url,
}

#[derive(Debug)]
pub(super) struct NewAlert<'a> {
    pub(super) labels: &'a [(&'static str, &'a str)],
    pub(super) annotations: &'a [(&'static str, &'a str)],
    pub(super) ends_at: String,
}

/// An alert in Alertmanager's list.
#[derive(Debug, Deserialize)]
pub(super) struct Held {
    pub(super) receivers: Vec<Receiver>,
    pub(super) status: Status,
}

#[derive(Debug, Deserialize)]
pub(super) struct Receiver {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) silenced_by: Vec<String>,
    pub(super) inhibited_by: Vec<String>,
}

impl Alertmanager {
    pub(super) fn new(client: Client, mut base: Url) -> Self {
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Self { client, base }
    }

    /// Alertmanager's version.
    pub(super) async fn version(&self) -> Result<String, ApiError> {
        let url = self.url("api/v2/status");
        let status: Value = self.json(&url).await?;
        let version = status.pointer("/versionInfo/version");
        match version.and_then(Value::as_str) {
            Some(version) => Ok(version.to_owned()),
            None => Err(ApiError::NoAlertmanager { url: shown(&url) }),
        }
    }

    pub(super) async fn push(&self, alert: &NewAlert<'_>) -> Result<(), ApiError> {
        let url = self.url("api/v2/alerts");
        let map = |pairs: &[(&'static str, &str)]| -> serde_json::Map<String, Value> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
                .collect()
        };
        let body = serde_json::json!([{
            "labels": map(alert.labels),
            "annotations": map(alert.annotations),
            "endsAt": alert.ends_at,
        }]);
        self.send(self.client.post(url.clone()).json(&body), &url)
            .await?;
        Ok(())
    }

    /// The alert whose label `name` is `value`, once Alertmanager lists it.
    pub(super) async fn held(&self, name: &str, value: &str) -> Result<Option<Held>, ApiError> {
        let mut url = self.url("api/v2/alerts");
        url.query_pairs_mut()
            .append_pair("filter", &format!("{name}=\"{value}\""));
        let held: Vec<Held> = self.json(&url).await?;
        Ok(held.into_iter().next())
    }

    /// Notifications of each channel since Alertmanager started.
    pub(super) async fn notifications(&self) -> Result<Notifications, ApiError> {
        let url = self.url("metrics");
        let answer = self.send(self.client.get(url.clone()), &url).await?;
        let page = read(answer, &url).await?;
        Ok(Notifications::parse(&String::from_utf8_lossy(&page)))
    }

    fn url(&self, path: &str) -> Url {
        // A relative path without a scheme always joins.
        self.base.join(path).unwrap_or_else(|_| self.base.clone())
    }

    async fn json<T: for<'de> Deserialize<'de>>(&self, url: &Url) -> Result<T, ApiError> {
        let answer = self.send(self.client.get(url.clone()), url).await?;
        let body = read(answer, url).await?;
        serde_json::from_slice(&body)
            .map_err(|_not_ours| ApiError::NoAlertmanager { url: shown(url) })
    }

    async fn send(&self, request: RequestBuilder, url: &Url) -> Result<Response, ApiError> {
        let answer = request.send().await.map_err(|source| ApiError::NoAnswer {
            url: shown(url),
            // The text has the URL without its password.
            source: source.without_url(),
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let url_shown = shown(url);
        if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
            return Err(ApiError::Login { url: url_shown });
        }
        let body = read(answer, url).await?;
        let text = String::from_utf8_lossy(&body);
        let text = text.chars().filter(|c| !c.is_control());
        Err(ApiError::Refused {
            url: url_shown,
            status,
            text: text.take(MAX_ERROR_TEXT).collect(),
        })
    }
}

async fn read(answer: Response, url: &Url) -> Result<bytes::Bytes, ApiError> {
    http_client::read_bounded(answer, MAX_ANSWER)
        .await
        .map_err(|source| ApiError::Unreadable {
            url: shown(url),
            source,
        })
}

/// The URL without login and query.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot contain a login.
    url.set_username("").ok();
    url.set_password(None).ok();
    url.set_query(None);
    url.to_string()
}
