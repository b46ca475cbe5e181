//! The client of one CPA: its address, the access to it, its generation and its clock.
//!
//! Each HTTP call costs a CPA with a hashed secret about 62 ms of CPU, so calls are few.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::fmt::rfc2822::DateTimeParser;
use parking_lot::{Mutex, MutexGuard};
use reqwest::header::{DATE, HeaderMap};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::access::{Access, AccessReporter, KeyReader};
use super::generation::{Api, Server};
use super::refusal::Refusal;
use super::resp::Endpoint;
use crate::clock::Clock;
use crate::model::{LabelValue as _, UnixNanos};

/// Maximum size of a list; one with many accounts has a few MiB.
pub(super) const MAX_LIST: usize = 16 * 1024 * 1024;
/// Bytes read of a response that is no success: enough for its text.
const MAX_ERROR: usize = 16 * 1024;
/// Time-out of a call with a bounded response.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a detected generation is used without another look: a server may be replaced by one
/// that answers the same paths.
const DETECTION_AGE: Duration = Duration::from_mins(10);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpFailure {
    /// CPA has not accepted a key yet, or not since its last refusal.
    #[error("CPA has not accepted the management key")]
    NoAccess,
    #[error("refused: {}", .0.kind().as_label())]
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
    /// The array of records has no end.
    #[error("the response ends early")]
    Incomplete,
    #[error("the response is not valid for this API")]
    Content,
}

/// A response with status 200, or 404 with an empty body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) version: Option<String>,
}

/// Address of a CPA and the ways to it.
pub struct ClientParts {
    pub url: Url,
    pub http: reqwest::Client,
    /// For `https` URLs.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    pub clock: Clock,
    pub read_key: KeyReader,
    pub report: AccessReporter,
}

/// Client of one CPA, shared by all that talk to it. Cheap to clone.
///
/// Each call takes the key from [`Access`], reports a refusal there, and forgets the generation when
/// another server may be running. Only [`Self::connect`] and [`Self::detect`] may try a key that CPA
/// has not accepted yet; other calls fail with [`HttpFailure::NoAccess`] then, because five failed
/// logins ban the address.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    url: Url,
    http: reqwest::Client,
    endpoint: Endpoint,
    access: Access,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    server: Option<(Server, Instant)>,
    /// CPA's clock minus ours, from the latest response; accurate to half a second.
    skew: Option<f64>,
}

impl Client {
    pub fn new(parts: ClientParts) -> Self {
        Self(Arc::new(Inner {
            endpoint: Endpoint::new(&parts.url, parts.tls),
            url: parts.url,
            http: parts.http,
            access: Access::new(parts.read_key, parts.report),
            clock: parts.clock,
            state: Mutex::default(),
        }))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0.url
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    /// The key and the pauses after its refusals.
    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }

    /// The operator has changed something: read the key again, and try it at once.
    pub fn reload(&self) {
        self.0.access.reload();
    }

    /// CPA's clock minus ours in seconds, from the latest response.
    pub(crate) fn clock_skew(&self) -> Option<f64> {
        self.state().skew
    }

    /// Detects the generation, with a key that CPA need not have accepted yet: the one that
    /// [`Access`] released last.
    pub(crate) async fn detect(&self) -> Result<Server, HttpFailure> {
        let key = self.0.access.released_key().ok_or(HttpFailure::NoAccess)?;
        let found = self.find_server(&key).await;
        match &found {
            Ok(server) => {
                self.0.access.accepted(&key);
                self.state().server = Some((server.clone(), Instant::now()));
            }
            Err(failure) => self.note_failure(failure),
        }
        found
    }

    /// The generation, detected within [`DETECTION_AGE`].
    pub(crate) async fn server(&self) -> Result<Server, HttpFailure> {
        if self.0.access.accepted_key_now().is_none() {
            return Err(HttpFailure::NoAccess);
        }
        let known = self.state().server.clone();
        match known {
            Some((server, at)) if at.elapsed() < DETECTION_AGE => Ok(server),
            _ => self.detect().await,
        }
    }

    /// Another server may be running by now.
    pub(crate) fn forget_server(&self) {
        self.state().server = None;
    }

    #[cfg(test)]
    pub(crate) fn knows_server(&self) -> bool {
        self.state().server.is_some()
    }

    /// An accepted key and the generation, for one or more calls.
    pub(super) async fn session(&self) -> Result<Session<'_>, HttpFailure> {
        let api = self.server().await?.api;
        let key = self.0.access.accepted_key_now();
        Ok(Session {
            client: self,
            key: key.ok_or(HttpFailure::NoAccess)?,
            api,
        })
    }

    fn note_failure(&self, failure: &HttpFailure) {
        match failure {
            HttpFailure::Refused(refusal) => {
                // The call has reported a refused key.
                if !refusal.concerns_key() {
                    self.0.access.refused(*refusal, None);
                }
                self.forget_server();
            }
            HttpFailure::Unreachable(_)
            | HttpFailure::NotCpa(_)
            | HttpFailure::TlsExpected
            | HttpFailure::Status(StatusCode::FORBIDDEN) => {
                self.forget_server();
            }
            HttpFailure::NoAccess
            | HttpFailure::Status(_)
            | HttpFailure::TooLarge(_)
            | HttpFailure::Incomplete
            | HttpFailure::Content => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    /// One call with a response of up to `limit` bytes. Reports a refused key, nothing else.
    pub(super) async fn call(
        &self,
        limit: usize,
        method: Method,
        path: &str,
        key: &SecretString,
        body: Option<String>,
    ) -> Result<Answer, HttpFailure> {
        let mut request = self.request(method, path, key).timeout(CALL_TIMEOUT);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let mut response = self.send(request, key).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if chunk.len() > limit.saturating_sub(bytes.len()) {
                return Err(HttpFailure::TooLarge(limit));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            version: version(&response),
            body: bytes.into(),
        })
    }

    pub(super) fn request(&self, method: Method, path: &str, key: &SecretString) -> RequestBuilder {
        let url = format!("{}{path}", self.0.url);
        let request = self.0.http.request(method, url);
        request.bearer_auth(key.expose_secret())
    }

    /// Sends a request in its turn. The body of a response with status 200 is unread.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        key: &SecretString,
    ) -> Result<Response, HttpFailure> {
        let access = &self.0.access;
        let mut turn = access.turn(key).await.ok_or(HttpFailure::NoAccess)?;
        let sent = self.0.clock.now();
        let mut response = turn.hold(request.send()).await.map_err(unreachable)?;
        if let Some(skew) = skew(response.headers(), sent, self.0.clock.now()) {
            self.state().skew = Some(skew);
        }
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let mut bytes = Vec::new();
        while bytes.len() < MAX_ERROR
            && let Some(chunk) = response.chunk().await.map_err(unreachable)?
        {
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(bytes.get(..512).unwrap_or(&bytes));
        let from_cpa = version(&response).is_some();
        if let Some(refusal) = Refusal::from_http(status.as_u16(), &text, from_cpa) {
            if refusal.concerns_key() {
                access.refused(refusal, Some(key));
            }
            return Err(HttpFailure::Refused(refusal));
        }
        match status {
            // The texts of nginx, Go and Caddy.
            StatusCode::BAD_REQUEST
                if text.contains("to an HTTPS server") || text.contains("to HTTPS port") =>
            {
                Err(HttpFailure::TlsExpected)
            }
            StatusCode::NOT_FOUND => Ok(response),
            status => Err(HttpFailure::Status(status)),
        }
    }
}

fn version(response: &Response) -> Option<String> {
    let version = response.headers().get("x-cpa-version")?;
    version.to_str().ok().map(str::to_owned)
}

/// An accepted key and the server's generation.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) client: &'a Client,
    pub(super) key: SecretString,
    pub(super) api: Api,
}

impl Session<'_> {
    /// A call to a path that every server of this generation serves.
    pub(super) async fn required(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Answer, HttpFailure> {
        let called = self.client.call(MAX_LIST, method, path, &self.key, body);
        self.noted(called.await)
    }

    /// A call to a path that some releases do not serve: `None` then.
    pub(super) async fn optional(
        &self,
        limit: usize,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Option<Bytes>, HttpFailure> {
        let called = self.client.call(limit, method, path, &self.key, body).await;
        match called {
            // A bare 404: the path is not served, because management was on for another path.
            Err(HttpFailure::Refused(Refusal::ManagementOff)) => Ok(None),
            called => {
                let answer = self.noted(called)?;
                Ok((answer.status == StatusCode::OK).then_some(answer.body))
            }
        }
    }

    pub(super) fn noted<T>(&self, called: Result<T, HttpFailure>) -> Result<T, HttpFailure> {
        called.inspect_err(|failure| self.client.note_failure(failure))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientParts").finish_non_exhaustive()
    }
}

/// Drops the URL: the log has it, and its query is of no use.
pub(super) fn unreachable(error: reqwest::Error) -> HttpFailure {
    HttpFailure::Unreachable(error.without_url())
}

pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, HttpFailure> {
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
