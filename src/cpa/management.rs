//! CPA's management API over HTTP: detection of its generation, switches, counters, and the queue
//! for servers whose RESP is unavailable.
//!
//! Each call costs a CPA with a hashed secret about 62 ms of CPU, so calls are few.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap};
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::refusal::Refusal;
use crate::clock::Clock;
use crate::http_client;
use crate::model::{MAX_REPLY, UnixNanos};

/// Maximum size of a list; one with many accounts has a few MiB.
const MAX_LIST: usize = 64 * 1024 * 1024;
/// Maximum size of a page that identifies CPA.
const MAX_PAGE: usize = 64 * 1024;
/// CPA's default retention.
const DEFAULT_RETENTION: Duration = Duration::from_mins(1);

/// Generation of the management API. Detected by the served paths, not by a version number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    V0,
    V8,
}

impl Api {
    /// The value of the label `api`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V0 => "v0",
            Self::V8 => "v8",
        }
    }

    const fn queue(self) -> &'static str {
        match self {
            Self::V0 => "v0/management/usage-queue",
            Self::V8 => "v8/management/observability/usage/queue",
        }
    }

    pub(super) const fn accounts(self) -> &'static str {
        match self {
            Self::V0 => "v0/management/auth-files",
            Self::V8 => "v8/management/credentials",
        }
    }

    pub(super) const fn key_usage(self) -> &'static str {
        match self {
            Self::V0 => "v0/management/api-key-usage",
            Self::V8 => "v8/management/observability/usage/api-keys",
        }
    }

    const fn statistics(self) -> &'static str {
        match self {
            Self::V0 => "v0/management/usage-statistics-enabled",
            Self::V8 => "v8/management/config/observability/usage/usage-statistics-enabled",
        }
    }

    const fn retention(self) -> &'static str {
        match self {
            Self::V0 => "v0/management/config",
            Self::V8 => {
                "v8/management/config/observability/usage/redis-usage-queue-retention-seconds"
            }
        }
    }
}

/// Result of the detection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) api: Api,
    /// Version that the server states, without a leading `v`; custom builds state `dev`.
    pub(crate) version: String,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpFailure {
    #[error("refused: {}", .0.as_str())]
    Refused(Refusal),
    #[error("request failed")]
    Unreachable(#[source] reqwest::Error),
    #[error("status {0}")]
    Status(StatusCode),
    /// The response has no mark of CPA's management API.
    #[error("status {0}, but not from CPA's management API")]
    NotCpa(StatusCode),
    #[error("status 400: plain HTTP was sent to a port that speaks TLS")]
    TlsExpected,
    #[error("the response has more than {0} bytes")]
    TooLarge(usize),
    #[error("the response is not valid for this API")]
    Content,
}

/// A response with status 200 or 404.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    version: Option<String>,
}

/// Client of one server. Each call takes the key, so that no key outlives a refusal.
#[derive(Debug)]
pub(crate) struct Management {
    client: Client,
    base: Url,
    clock: Clock,
    /// Server's clock minus ours, from the latest response; accurate to half a second.
    skew: Option<f64>,
}

impl Management {
    pub(crate) fn new(client: Client, base: Url, clock: Clock) -> Self {
        Self {
            client,
            base,
            clock,
            skew: None,
        }
    }

    /// Server's clock minus ours in seconds, from the latest response.
    pub(crate) fn clock_skew(&self) -> Option<f64> {
        self.skew
    }

    /// Detects the generation. Never requests the queue, which would pop records.
    ///
    /// A v7 answers anything outside `/v0` with a bare 404 before it checks the key, so the first
    /// call costs no failed login there.
    pub(crate) async fn detect(&mut self, key: &SecretString) -> Result<Server, HttpFailure> {
        let path = "v8/management/credentials?page=1&page_size=1";
        let probe = self.call(Method::GET, path, key, None).await;
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
    async fn find_v0(&mut self, key: &SecretString) -> Result<Option<String>, HttpFailure> {
        #[derive(Deserialize)]
        struct Debug {
            #[serde(rename = "debug")]
            _debug: bool,
        }
        let path = "v0/management/debug";
        match self.call(Method::GET, path, key, None).await {
            // A proxy may have removed the version header.
            Ok(answer)
                if answer.status == StatusCode::OK
                    && (answer.version.is_some() || parse::<Debug>(&answer.body).is_ok()) =>
            {
                Ok(answer.version)
            }
            Ok(answer) => Err(HttpFailure::NotCpa(answer.status)),
            Err(HttpFailure::Refused(Refusal::ManagementOff))
                if self.base.path() != "/" && !self.is_cpa().await? =>
            {
                Err(HttpFailure::NotCpa(StatusCode::NOT_FOUND))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Whether the base URL leads to a CPA, by its public pages.
    async fn is_cpa(&self) -> Result<bool, HttpFailure> {
        for (path, mark) in [("", "CLI Proxy API"), ("healthz", r#""status":"ok""#)] {
            let url = format!("{}{path}", self.base);
            let response = self.client.get(url).send().await.map_err(unreachable)?;
            if response.status() == StatusCode::OK
                && let Ok(body) = http_client::read_bounded(response, MAX_PAGE).await
                && String::from_utf8_lossy(&body).contains(mark)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether CPA produces usage records. `None` when this release has no such switch.
    pub(crate) async fn statistics_enabled(
        &mut self,
        api: Api,
        key: &SecretString,
    ) -> Result<Option<bool>, HttpFailure> {
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(rename = "usage-statistics-enabled")]
            enabled: bool,
        }
        let answer = self.call(Method::GET, api.statistics(), key, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            // v8 returns 404 for a switch with its default value, which is off.
            return Ok((api == Api::V8).then_some(false));
        }
        let enabled = match api {
            Api::V0 => parse::<Envelope>(&answer.body)?.enabled,
            Api::V8 => parse::<bool>(&answer.body)?,
        };
        Ok(Some(enabled))
    }

    pub(crate) async fn enable_statistics(
        &mut self,
        api: Api,
        key: &SecretString,
    ) -> Result<(), HttpFailure> {
        let body = match api {
            Api::V0 => r#"{"value":true}"#,
            Api::V8 => "true",
        };
        let answer = self
            .call(Method::PUT, api.statistics(), key, Some(body.to_owned()))
            .await?;
        match answer.status {
            StatusCode::OK => Ok(()),
            status => Err(HttpFailure::Status(status)),
        }
    }

    /// How long CPA keeps a record in the queue.
    pub(crate) async fn retention(
        &mut self,
        api: Api,
        key: &SecretString,
    ) -> Result<Duration, HttpFailure> {
        // The v0 response is the whole configuration with raw keys; only this field is parsed.
        #[derive(Deserialize)]
        struct Config {
            #[serde(rename = "redis-usage-queue-retention-seconds", default)]
            retention: u64,
        }
        let answer = self.call(Method::GET, api.retention(), key, None).await?;
        let seconds = match (answer.status, api) {
            (StatusCode::NOT_FOUND, _) => 0,
            (_, Api::V0) => parse::<Config>(&answer.body)?.retention,
            (_, Api::V8) => parse::<u64>(&answer.body)?,
        };
        Ok(match seconds {
            0 => DEFAULT_RETENTION,
            seconds => Duration::from_secs(seconds.min(3600)),
        })
    }

    /// Successful requests of CPA's credentials since CPA's start.
    pub(crate) async fn successes(
        &mut self,
        api: Api,
        key: &SecretString,
    ) -> Result<u64, HttpFailure> {
        #[derive(Deserialize)]
        struct Counts {
            #[serde(default)]
            success: u64,
        }
        #[derive(Deserialize)]
        struct Files {
            #[serde(default)]
            files: Vec<Counts>,
        }
        let answer = self.call(Method::GET, api.accounts(), key, None).await?;
        let files = parse::<Files>(&answer.body)?;
        let of_files = files.files.iter().map(|file| file.success);
        // Keys from the configuration are not among the files. The map's keys are raw upstream
        // keys; they are dropped with the response.
        let keys = match self.key_usage(api, key).await? {
            Some(body) => parse::<HashMap<String, HashMap<String, Counts>>>(&body)?,
            None => HashMap::new(),
        };
        let of_keys = keys.values().flat_map(HashMap::values).map(|c| c.success);
        Ok(of_files.chain(of_keys).fold(0, u64::saturating_add))
    }

    /// Pops up to `count` records as an unparsed JSON array. Must not be cancelled.
    ///
    /// `None` when this release serves no queue over HTTP.
    pub(crate) async fn pop(
        &mut self,
        api: Api,
        key: &SecretString,
        count: u64,
    ) -> Result<Option<Bytes>, HttpFailure> {
        let path = format!("{}?count={count}", api.queue());
        served(
            self.call_within(MAX_REPLY, Method::GET, &path, key, None)
                .await,
        )
    }

    pub(super) async fn call(
        &mut self,
        method: Method,
        path: &str,
        key: &SecretString,
        body: Option<String>,
    ) -> Result<Answer, HttpFailure> {
        self.call_within(MAX_LIST, method, path, key, body).await
    }

    /// A call with a response of up to `limit` bytes.
    pub(super) async fn call_within(
        &mut self,
        limit: usize,
        method: Method,
        path: &str,
        key: &SecretString,
        body: Option<String>,
    ) -> Result<Answer, HttpFailure> {
        let url = format!("{}{path}", self.base);
        let mut request = self
            .client
            .request(method, url)
            .bearer_auth(key.expose_secret());
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let sent = self.clock.now();
        let mut response = request.send().await.map_err(unreachable)?;
        self.skew = skew(response.headers(), sent, self.clock.now()).or(self.skew);
        let status = response.status();
        let version = response
            .headers()
            .get("x-cpa-version")
            .and_then(|v| Some(v.to_str().ok()?.to_owned()));
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if chunk.len() > limit.saturating_sub(bytes.len()) {
                return Err(HttpFailure::TooLarge(limit));
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(bytes.get(..512).unwrap_or(&bytes));
        if let Some(refusal) = Refusal::from_http(status.as_u16(), &text, version.is_some()) {
            return Err(HttpFailure::Refused(refusal));
        }
        match status {
            // The texts of nginx, Go and Caddy.
            StatusCode::BAD_REQUEST
                if text.contains("to an HTTPS server") || text.contains("to HTTPS port") =>
            {
                Err(HttpFailure::TlsExpected)
            }
            StatusCode::OK | StatusCode::NOT_FOUND => Ok(Answer {
                status,
                body: bytes.into(),
                version,
            }),
            status => Err(HttpFailure::Status(status)),
        }
    }
}

/// A bare 404 means that the path is not served, once another path has shown that management is on.
pub(super) fn served(answer: Result<Answer, HttpFailure>) -> Result<Option<Bytes>, HttpFailure> {
    match answer {
        Ok(answer) => Ok((answer.status == StatusCode::OK).then_some(answer.body)),
        Err(HttpFailure::Refused(Refusal::ManagementOff)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Drops the URL: the log has it, and its query is of no use.
fn unreachable(error: reqwest::Error) -> HttpFailure {
    HttpFailure::Unreachable(error.without_url())
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, HttpFailure> {
    // The error's text could quote the body.
    serde_json::from_slice(body).map_err(|_quotes_the_body| HttpFailure::Content)
}

/// Server's clock minus ours. The header is truncated to whole seconds, hence the half.
fn skew(headers: &HeaderMap, sent: UnixNanos, received: UnixNanos) -> Option<f64> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let theirs = DateTimeParser::new().parse_timestamp(text).ok()?;
    let ours = sent.as_millis().midpoint(received.as_millis());
    let millis = theirs
        .as_millisecond()
        .checked_add(500)?
        .checked_sub(ours)?;
    // Far below 2^52: exact.
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of a plausible skew are exact"
    )]
    let seconds = millis as f64 / 1000.0;
    Some(seconds)
}
