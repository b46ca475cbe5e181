//! API client of a running exporter.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

use crate::api::{
    AccountFilter, AccountQuota, ImportSummary, Problem, QuotaList, RefreshOutcome, RepriceRequest,
    RepriceStep,
};
use crate::app::local_api::LocalApi;
use crate::config::{Secret, SecretError, Web};
use crate::http_client::{self, ClientError, Proxy, Timeouts};

/// Time-outs. A read returns at once; for a refresh, the exporter waits up to two minutes.
const LIMITS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    total: Some(Duration::from_secs(150)),
    idle: None,
};
/// Time-outs of imports and reprices, which wait while live records do.
const JOB_LIMITS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    total: Some(Duration::from_mins(10)),
    idle: None,
};
/// Enough for thousands of accounts.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// Maximum length of an error text, in characters.
const MAX_TEXT: usize = 300;

pub(super) struct Exporter {
    client: Client,
    base: Url,
    token: Option<SecretString>,
}

/// Reason why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryFailure {
    #[error("no exporter runs there")]
    NobodyThere,
    #[error("the exporter does not answer")]
    Unreachable(#[source] reqwest::Error),
    #[error(
        "the exporter requires a token; set web.api_token_file or web.read_token_file to the file that it uses"
    )]
    NoToken,
    #[error(
        "the exporter does not accept the token in the file of web.api_token_file or web.read_token_file"
    )]
    WrongToken,
    #[error("the exporter answers {status}: {text}")]
    Refused { status: StatusCode, text: String },
    #[error("cannot read the response")]
    Answer(#[source] ClientError),
    #[error("the server there is not an exporter, or has another version")]
    Content,
    #[error("cannot use the file of web.api_token_file or web.read_token_file")]
    Token(#[source] SecretError),
    #[error("cannot build a URL from web.listen_address")]
    Address,
    #[error("cannot build the HTTP client")]
    Client(#[source] ClientError),
}

impl Exporter {
    /// The exporter at this address, or at the configured one.
    pub(super) fn new(web: &Web, url: Option<&Url>) -> Result<Self, QueryFailure> {
        let root = match url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None if web.listen_address.unix_path().is_some() => {
                return Err(QueryFailure::NobodyThere);
            }
            None => format!("http://{}", web.listen_address.reach_at()),
        };
        let token = web.api_token.as_ref().or(web.read_token.as_ref());
        let token = token.map(Secret::read);
        let token = token.transpose().map_err(QueryFailure::Token)?;
        Self::at(&root, token, http_client::build(LIMITS, Proxy::Never, None))
    }

    /// The exporter that uses a storage directory on this machine.
    pub(super) fn local(api: &LocalApi) -> Result<Self, QueryFailure> {
        let client = match &api.socket {
            Some(socket) => http_client::build_local(JOB_LIMITS, socket),
            None => http_client::build(JOB_LIMITS, Proxy::Never, None),
        };
        Self::at(&api.url, Some(api.token()), client)
    }

    fn at(
        root: &str,
        token: Option<SecretString>,
        client: Result<Client, ClientError>,
    ) -> Result<Self, QueryFailure> {
        let base = format!("{root}/api/v1/");
        Ok(Self {
            client: client.map_err(QueryFailure::Client)?,
            base: base.parse().map_err(|_no_url| QueryFailure::Address)?,
            token,
        })
    }

    /// Imports records as history.
    pub(super) async fn import(&self, records: &[Bytes]) -> Result<ImportSummary, QueryFailure> {
        let request = self.request(Method::POST, "import")?;
        let response = self.send(request.body(records.join(&b'\n'))).await?;
        self.read(response).await
    }

    /// Reprices the next part of a range.
    pub(super) async fn reprice(
        &self,
        request: &RepriceRequest,
    ) -> Result<RepriceStep, QueryFailure> {
        let response = self.request(Method::POST, "reprice")?.json(request);
        let response = self.send(response).await?;
        self.read(response).await
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, QueryFailure> {
        Ok(self.client.request(method, self.url(path)?))
    }

    fn url(&self, path: &str) -> Result<Url, QueryFailure> {
        self.base
            .join(path)
            .map_err(|_no_url| QueryFailure::Address)
    }

    /// Quotas in the exporter's state.
    pub(super) async fn quotas(
        &self,
        wanted: &AccountFilter,
    ) -> Result<Vec<AccountQuota>, QueryFailure> {
        let mut url = self.url("quota")?;
        let fields = [("provider", &wanted.provider), ("account", &wanted.account)];
        for (name, value) in fields {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let response = self.send(self.client.request(Method::GET, url)).await?;
        let answer: QuotaList = self.read(response).await?;
        Ok(answer.accounts)
    }

    /// Polls all selected accounts, unless that was done shortly before. `None` when the poll takes
    /// longer than the exporter waits.
    pub(super) async fn refresh(
        &self,
        wanted: &AccountFilter,
    ) -> Result<Option<RefreshOutcome>, QueryFailure> {
        let request = self.request(Method::POST, "quota/refresh")?.json(wanted);
        let response = self.send(request).await?;
        if response.status() == StatusCode::ACCEPTED {
            return Ok(None);
        }
        self.read(response).await.map(Some)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, QueryFailure> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        };
        request.send().await.map_err(|error| {
            if is_refused(&error) {
                QueryFailure::NobodyThere
            } else {
                QueryFailure::Unreachable(error)
            }
        })
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, QueryFailure> {
        let status = response.status();
        let body = http_client::read_bounded(response, MAX_BODY).await;
        let body = body.map_err(QueryFailure::Answer)?;
        match status {
            // The response during the cool-down has the same body.
            StatusCode::OK | StatusCode::TOO_MANY_REQUESTS => {}
            StatusCode::UNAUTHORIZED if self.token.is_none() => return Err(QueryFailure::NoToken),
            StatusCode::UNAUTHORIZED => return Err(QueryFailure::WrongToken),
            status => {
                let problem = serde_json::from_slice::<Problem>(&body);
                let text = problem.map_err(|_no_json| QueryFailure::Content)?.detail;
                // The response must not send escape sequences to the terminal.
                let text = text.chars().filter(|c| !c.is_control()).take(MAX_TEXT);
                return Err(QueryFailure::Refused {
                    status,
                    text: text.collect(),
                });
            }
        }
        serde_json::from_slice(&body).map_err(|_no_json| QueryFailure::Content)
    }
}

/// Nothing listens there; distinct from a listener that does not answer.
fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        // A Unix socket is missing, or left by an earlier run.
        let absent = [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound];
        if io.is_some_and(|io| absent.contains(&io.kind())) {
            return true;
        }
        cause = error.source();
    }
    false
}
