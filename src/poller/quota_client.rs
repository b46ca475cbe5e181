//! A poll: requests one account's quota from its provider, through CPA or with a configured token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use url::Url;

use crate::clock::Clock;
use crate::cpa::{Client, HttpFailure, ProviderResponse, ProxiedRequest, ProxyOutcome};
use crate::errors::Chain;
use crate::http_client::{self, ClientError};
use crate::metrics::PollMetrics;
use crate::model::QuotaAnswer;
use crate::quota::{
    AccountRef, Auth, BoxFuture, Failure, Http, ParseError, Provider, Request, Response, TOKEN,
};

/// Maximum response size; real responses have a few kilobytes.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// The provider did not respond, or could not be reached.
const UNREACHABLE: Failure = Failure::Transient { retry_after: None };

/// Reads the token for each request, so that a rotated file takes effect.
pub type TokenReader = Arc<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// The account and provider of a poll.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) provider: Provider,
    pub(super) account: AccountRef,
    /// For providers that CPA does not support.
    pub(super) token: Option<TokenReader>,
    /// Replaces the provider's host, for the same providers.
    pub(super) url: Option<Url>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("provider", &self.provider.id())
            .finish_non_exhaustive()
    }
}

/// Sends the requests of polls. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct QuotaClient {
    pub(super) cpa: Client,
    /// Client for providers that CPA does not support.
    pub(super) direct: reqwest::Client,
    pub(super) clock: Clock,
    pub(super) metrics: PollMetrics,
    /// Time-out of each request.
    pub(super) limit: Duration,
}

/// Sends the requests of one account's poll.
struct TargetHttp<'a> {
    client: &'a QuotaClient,
    target: &'a Target,
}

impl Http for TargetHttp<'_> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        Box::pin(async move {
            let Self { client, target } = self;
            client.metrics.called(target.provider.id());
            let call = async {
                match target.provider.auth() {
                    Auth::Cpa => client.through_cpa(&target.account, &request).await,
                    Auth::OwnToken => client.direct(target, &request).await,
                    Auth::Plugin => client.through_plugin(&target.account).await,
                }
            };
            let response = timeout(client.limit, call).await;
            response.unwrap_or(Err(UNREACHABLE))
        })
    }
}

impl QuotaClient {
    pub(super) async fn poll(
        &self,
        target: &Target,
        with_plan: bool,
    ) -> Result<QuotaAnswer, Failure> {
        let http = TargetHttp {
            client: self,
            target,
        };
        let polled = target.provider.fetch(&target.account, with_plan, &http);
        polled.await
    }

    async fn through_cpa(
        &self,
        account: &AccountRef,
        request: &Request,
    ) -> Result<Response, Failure> {
        let call = ProxiedRequest {
            auth_index: &account.auth_index,
            method: request.method.as_str(),
            url: &request.url,
            header: &request.headers,
            data: request.body.as_deref(),
        };
        match self.cpa.api_call(&call).await {
            Ok(ProxyOutcome::Answered(ProviderResponse {
                status,
                headers,
                body,
            })) => Ok(Response {
                status,
                headers,
                body: body.into(),
                at: self.clock.now(),
            }),
            Ok(ProxyOutcome::NoAnswer | ProxyOutcome::NotServed) => Err(UNREACHABLE),
            Err(failure) => Err(classify(&failure)),
        }
    }

    async fn through_plugin(&self, account: &AccountRef) -> Result<Response, Failure> {
        match self.cpa.quota_fetch(&account.auth_index).await {
            Ok(Some(body)) => Ok(Response {
                status: 200,
                headers: Vec::new(),
                body: body.into(),
                at: self.clock.now(),
            }),
            Ok(None) => Err(Failure::Unsupported),
            Err(failure) => Err(classify(&failure)),
        }
    }

    async fn direct(&self, target: &Target, request: &Request) -> Result<Response, Failure> {
        let token = target.token.as_ref().map(|read| read());
        let Some(Ok(token)) = token else {
            return Err(Failure::Incomplete("token"));
        };
        let method = request.method.as_str().parse();
        let Ok(method) = method else {
            return Err(Failure::Incomplete("method"));
        };
        let Some(url) = address(&request.url, target.url.as_ref()) else {
            return Err(Failure::Incomplete("url"));
        };
        let mut call = self.direct.request(method, url);
        for (name, value) in &request.headers {
            call = call.header(name, value.replace(TOKEN, token.expose_secret()));
        }
        if let Some(body) = &request.body {
            call = call.body(body.clone());
        }
        let response = call.send().await.map_err(|_names_the_url| UNREACHABLE)?;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        let body = match http_client::read_bounded(response, MAX_BODY).await {
            Ok(body) => body.into(),
            Err(ClientError::TooLong(_)) => return Err(ParseError::Size.into()),
            Err(_broken_off) => return Err(UNREACHABLE),
        };
        Ok(Response {
            status,
            headers,
            body,
            at: self.clock.now(),
        })
    }
}

/// Classifies a failed request. If CPA responded, the failure concerns this account only, and
/// the other accounts are still polled.
fn classify(failure: &HttpFailure) -> Failure {
    match failure {
        HttpFailure::TooLarge(_) => ParseError::Size.into(),
        HttpFailure::Content => ParseError::Json.into(),
        HttpFailure::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        | HttpFailure::NotCpa(_)
        | HttpFailure::TlsExpected
        | HttpFailure::NoAccess
        | HttpFailure::Refused(_)
        | HttpFailure::Incomplete
        | HttpFailure::Unreachable(_) => {
            let error = Chain(failure);
            tracing::debug!(%error, "quota poll failed: CPA is unavailable");
            Failure::NoContact
        }
        HttpFailure::Status(_) => UNREACHABLE,
    }
}

/// The URL of a request; `stand_in` replaces scheme and host.
fn address(own: &str, stand_in: Option<&Url>) -> Option<Url> {
    let own = Url::parse(own).ok()?;
    let Some(stand_in) = stand_in else {
        return Some(own);
    };
    let mut url = stand_in.clone();
    let before = stand_in.path().trim_end_matches('/');
    url.set_path(&format!("{before}{}", own.path()));
    url.set_query(own.query());
    Some(url)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::cpa::ClientParts;
    use crate::http_client::{Proxy, Timeouts};
    use crate::model::AuthType;

    /// Sends a quota request through a CPA that returns this response. Also returns whether the key
    /// is still accepted and whether CPA's generation is still known.
    async fn asked(answer: &'static str) -> (Result<Response, Failure>, bool, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let detection = [
                "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 15\r\n\r\n{\"debug\":false}",
            ];
            for response in detection.into_iter().chain([answer]) {
                let (mut stream, _peer) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(response.as_bytes()).await.unwrap();
            }
        });
        let http = http_client::build(Timeouts::default(), Proxy::Never, None).unwrap();
        let cpa = Client::new(ClientParts {
            url: url.parse().unwrap(),
            http: http.clone(),
            tls: None,
            clock: Clock::system(),
            read_key: Box::new(|| Ok("key".into())),
            report: Box::new(|_| ()),
        });
        cpa.access().key(&CancellationToken::new()).await.unwrap();
        cpa.detect().await.unwrap();
        let client = QuotaClient {
            cpa: cpa.clone(),
            direct: http,
            clock: Clock::system(),
            metrics: PollMetrics::default(),
            limit: Duration::from_secs(20),
        };
        let account = AccountRef::new("codex", AuthType::Oauth, "0123456789abcdef");
        let request = Request {
            method: crate::quota::Method::Get,
            url: "https://provider.example/".to_owned(),
            headers: Vec::new(),
            body: None,
        };
        let attempt = client.through_cpa(&account, &request).await;
        let accepted = cpa.access().accepted_key_now().is_some();
        (attempt, accepted, cpa.knows_server())
    }

    #[tokio::test]
    async fn failure_of_one_account_does_not_stop_the_others() {
        let table = [
            // This release does not proxy requests, or another server is running by now.
            (
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
                UNREACHABLE,
                false,
            ),
            (
                "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
                UNREACHABLE,
                true,
            ),
            (
                "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
                UNREACHABLE,
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
                Failure::Parse(ParseError::Json),
                true,
            ),
        ];
        for (answer, expected, stays_known) in table {
            let (attempt, admitted, known) = asked(answer).await;
            assert_eq!(attempt.unwrap_err(), expected, "{answer}");
            assert!(admitted, "{answer}");
            assert_eq!(known, stays_known, "{answer}");
        }
    }

    #[tokio::test]
    async fn refused_key_stops_all_requests() {
        let answer = "HTTP/1.1 401 Unauthorized\r\nx-cpa-version: 7\r\ncontent-length: 34\r\n\r\n\
                      {\"error\":\"invalid management key\"}";
        let (attempt, admitted, _known) = asked(answer).await;
        assert_eq!(attempt.unwrap_err(), Failure::NoContact);
        assert!(!admitted);
    }

    #[test]
    fn stand_in_replaces_the_host_only() {
        let of = |own, stand_in: Option<&str>| {
            let stand_in = stand_in.map(|url| Url::parse(url).unwrap());
            address(own, stand_in.as_ref()).map(String::from)
        };
        let own = "https://api.example/a/b?c=d&e";
        assert_eq!(of(own, None).as_deref(), Some(own));
        for (stand_in, expected) in [
            ("http://proxy:8080", "http://proxy:8080/a/b?c=d&e"),
            ("http://proxy/below/", "http://proxy/below/a/b?c=d&e"),
        ] {
            assert_eq!(of(own, Some(stand_in)).as_deref(), Some(expected));
        }
        let root = of("https://api.example", Some("http://proxy/below"));
        assert_eq!(root.as_deref(), Some("http://proxy/below/"));
        assert_eq!(of("no address", None), None);
    }
}
