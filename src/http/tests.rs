#[path = "tests/connections.rs"]
mod connections;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
    routing::get,
};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;

use super::super::listener::Peer;
use super::{super::*, *};
use crate::api::{
    AccountFilter, AccountQuota, ImportSummary, Problem, RefreshOutcome, RefreshSummary,
    RepriceRequest, RepriceStep,
};
use crate::config::{Env, Flags, load_web};

/// Accounts that do not change, all of which answer a poll.
#[derive(Debug)]
struct Fixed(Vec<AccountQuota>);

impl QuotaService for Fixed {
    fn accounts(&self) -> Arc<Vec<AccountQuota>> {
        Arc::new(self.0.clone())
    }

    fn refresh(&self, filter: AccountFilter) -> Option<BoxFuture<'static, Option<RefreshOutcome>>> {
        let all = self.0.iter();
        let asked = all.filter(|quota| filter.matches(&quota.provider, &quota.account));
        let asked = asked.count();
        let summary = RefreshSummary {
            asked,
            answered: asked,
            ..RefreshSummary::default()
        };
        Some(Box::pin(async { Some(RefreshOutcome::Done(summary)) }))
    }
}

const LOCAL_TOKEN: &str = "local-token";

/// Counts records and refuses to reprice.
#[derive(Debug)]
struct NoJobs;

impl JobService for NoJobs {
    fn import(&self, records: Vec<Bytes>) -> BoxFuture<'static, Result<ImportSummary, ApiFailure>> {
        let stored = records.len() as u64;
        Box::pin(async move {
            Ok(ImportSummary {
                stored,
                ..ImportSummary::default()
            })
        })
    }

    fn reprice(
        &self,
        request: RepriceRequest,
    ) -> BoxFuture<'static, Result<RepriceStep, ApiFailure>> {
        Box::pin(async move { Err(ApiFailure::Invalid(request.from)) })
    }
}

/// Gives the same answer to every question.
#[derive(Debug)]
struct OneAnswer;

impl StoredRecords for OneAnswer {
    fn answer(&self, _: Resource, _: Pairs) -> BoxFuture<'static, Result<Answer, ApiFailure>> {
        Box::pin(async {
            Ok(Answer {
                json: b"{}".to_vec(),
                tag: 7,
            })
        })
    }

    fn export(
        &self,
        _: ExportFormat,
        _: Pairs,
    ) -> BoxFuture<'static, Result<ResponseParts, ApiFailure>> {
        Box::pin(async { Err(ApiFailure::Unavailable("busy".to_owned())) })
    }
}

fn account(provider: &str) -> AccountQuota {
    let json = format!(
        r#"{{"provider":"{provider}","account":"{provider}-1","state":"active","limits":[]}}"#
    );
    serde_json::from_str(&json).unwrap()
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

fn parts(path: &str) -> Parts {
    let mut flags = Flags::default();
    flags.set("web.telemetry_path", path);
    let web = load_web(&flags, &Env::default()).unwrap().value;
    Parts {
        api: ApiParts {
            quotas: Arc::new(Fixed(Vec::new())),
            jobs: Arc::new(NoJobs),
            stored: Arc::new(OneAnswer),
            tokens: Tokens {
                admin: None,
                read: None,
                local: LOCAL_TOKEN.into(),
            },
        },
        telemetry: Router::new().route("/", get(async || "up 1\n")),
        telemetry_path: web.telemetry_path,
        readiness: Readiness::waiting_for("counters are being restored"),
        reload: None,
    }
}

async fn ask(router: &Router, method: Method, path: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .extension(Peer::Address(([127, 0, 0, 1], 4000).into()))
        .body(Body::empty())
        .unwrap();
    let service = TowerToHyperService::new(router.clone());
    let response = service.call(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

async fn get_text(router: &Router, path: &str) -> (u16, String) {
    let answer = ask(router, Method::GET, path).await;
    (answer.status.as_u16(), answer.body)
}

#[tokio::test]
async fn the_landing_page_links_all_endpoints() {
    let router = router(parts("/deep/metrics"));
    let answer = ask(&router, Method::GET, "/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "text/html; charset=utf-8"
    );
    let policy = answer.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let page = answer.body.replace(crate::version::REVISION, "REVISION");
    let page = page.replace(crate::version::VERSION, "VERSION");
    insta::assert_snapshot!("landing", page);
}

#[tokio::test]
async fn quota_of_a_provider_that_does_not_exist_is_refused() {
    let mut parts = parts("/metrics");
    parts.api.quotas = Arc::new(Fixed(vec![account("mine")]));
    let router = router(parts);
    let mine =
        r#"{"accounts":[{"provider":"mine","account":"mine-1","state":"active","limits":[]}]}"#;
    let none = r#"{"accounts":[]}"#;
    for (query, expected) in [
        ("", mine),
        ("?provider=mine", mine),
        ("?provider=mine&account=mine-1", mine),
        ("?account=other", none),
        // Built in, but without account.
        ("?provider=codex", none),
    ] {
        let answer = get_text(&router, &format!("/api/v1/quota{query}")).await;
        assert_eq!(answer, (200, expected.to_owned()), "{query}");
    }
    let (status, body) = get_text(&router, "/api/v1/quota?provider=codx").await;
    let body: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 400);
    let start = "there is no provider \"codx\"; known: ";
    assert!(body.detail.starts_with(start), "{}", body.detail);
    assert!(body.detail.contains("claude, codex"), "{}", body.detail);
    assert!(body.detail.contains("mine"), "{}", body.detail);
    let (status, body) = get_text(&router, "/api/v1/quota?account=a&account=b").await;
    let body: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 400, "{}", body.detail);
}

#[tokio::test]
async fn telemetry_is_served_on_its_path_only() {
    let router = router(parts("/deep/metrics"));
    assert_eq!(
        get_text(&router, "/deep/metrics").await,
        (200, "up 1\n".to_owned())
    );
    assert_eq!(get_text(&router, "/deep/metrics?name=a").await.0, 200);
    let head = ask(&router, Method::HEAD, "/deep/metrics").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    for absent in ["/metrics", "/deep", "/deep/metrics/more"] {
        assert_eq!(
            get_text(&router, absent).await,
            (404, "not found\n".to_owned()),
            "{absent}"
        );
    }
}

#[tokio::test]
async fn health_does_not_depend_on_readiness() {
    let parts = parts("/metrics");
    let readiness = parts.readiness.clone();
    let router = router(parts);
    assert_eq!(
        get_text(&router, "/-/healthy").await,
        (200, "healthy\n".to_owned())
    );
    let waiting = (503, "not ready: counters are being restored\n".to_owned());
    assert_eq!(get_text(&router, "/-/ready").await, waiting);
    readiness.set_ready();
    assert_eq!(
        get_text(&router, "/-/ready").await,
        (200, "ready\n".to_owned())
    );
    readiness.set_waiting_for("stopping");
    assert_eq!(get_text(&router, "/-/ready").await.0, 503);
}

#[tokio::test]
async fn a_wrong_method_returns_405_with_allow() {
    let router = router(parts("/metrics"));
    for (method, path, allowed) in [
        (Method::GET, "/-/reload", "POST"),
        (Method::POST, "/metrics", "GET,HEAD"),
        (Method::DELETE, "/-/healthy", "GET,HEAD"),
        (Method::PUT, "/", "GET,HEAD"),
    ] {
        let answer = ask(&router, method, path).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.headers[header::ALLOW], allowed, "{path}");
    }
}

#[tokio::test]
async fn reload_is_disabled_by_default() {
    let answer = ask(&router(parts("/metrics")), Method::POST, "/-/reload").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer.body.contains("--web.enable-lifecycle"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn reload_responds_with_its_outcome() {
    let (handle, mut requests) = reload_channel();
    let mut parts = parts("/metrics");
    parts.reload = Some(handle);
    let router = router(parts);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        requests
            .next()
            .await
            .unwrap()
            .finish(Ok(Reloaded::default()));
        let waiting = Reloaded {
            needs_restart: vec!["cpa", "web"],
        };
        requests.next().await.unwrap().finish(Ok(waiting));
        let problem = Err("config.toml:1:1: colour: unknown key".to_owned());
        requests.next().await.unwrap().finish(problem);
    });
    let first = ask(&router, Method::POST, "/-/reload").await;
    assert_eq!(
        (first.status.as_u16(), first.body.as_str()),
        (200, "reloaded\n")
    );
    let waiting = ask(&router, Method::POST, "/-/reload").await;
    let expected = "reloaded; changes in these sections need a restart: cpa, web\n";
    assert_eq!(
        (waiting.status.as_u16(), waiting.body.as_str()),
        (200, expected)
    );
    let second = ask(&router, Method::POST, "/-/reload").await;
    let expected = "not reloaded; the old configuration stays in force:\n\
                    config.toml:1:1: colour: unknown key\n";
    assert_eq!(
        (second.status.as_u16(), second.body.as_str()),
        (500, expected)
    );
    tasks.join_next().await;
    let stopping = ask(&router, Method::POST, "/-/reload").await;
    assert_eq!(stopping.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_foreign_page_cannot_change_state() {
    let mut parts = parts("/metrics");
    let (reload, _requests) = reload_channel();
    parts.reload = Some(reload);
    let router = router(parts);
    for path in ["/-/reload", "/api/v1/quota/refresh"] {
        let request = Request::post(path)
            .header(header::HOST, "127.0.0.1:10317")
            .header(header::ORIGIN, "https://evil.example")
            .body(Body::empty())
            .unwrap();
        let service = TowerToHyperService::new(router.clone());
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"requests that change state"), "{path}");
    }
}

/// Sends a POST with a body and returns status and body.
async fn post(router: &Router, path: &str, token: Option<&str>, body: Vec<u8>) -> (u16, String) {
    let mut request = Request::post(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let service = TowerToHyperService::new(router.clone());
    let request = request.body(Body::from(body)).unwrap();
    let (head, body) = service.call(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (head.status.as_u16(), text)
}

#[tokio::test]
async fn jobs_require_the_token_of_this_run() {
    let router = router(parts("/metrics"));
    let lines = b"{}\n\n{}\n".to_vec();
    let import = "/api/v1/import";
    for token in [None, Some("other"), Some("")] {
        let (status, _) = post(&router, import, token, lines.clone()).await;
        assert_eq!(status, 403, "{token:?}");
    }
    let (status, text) = post(&router, import, Some(LOCAL_TOKEN), lines).await;
    let summary: ImportSummary = serde_json::from_str(&text).unwrap();
    assert_eq!((status, summary.stored), (200, 2));
    let reprice = "/api/v1/reprice";
    let body = br#"{"from":"soon","to":"2026-11-22"}"#.to_vec();
    let (status, text) = post(&router, reprice, Some(LOCAL_TOKEN), body).await;
    assert_eq!((status, text.contains("soon")), (400, true), "{text}");
    let body = br#"{"from":"2026-11-22"}"#.to_vec();
    let (status, text) = post(&router, reprice, Some(LOCAL_TOKEN), body).await;
    assert_eq!(
        (status, text.contains("missing field `to`")),
        (400, true),
        "{text}"
    );
}

#[tokio::test]
async fn only_an_import_may_have_a_large_body() {
    let router = router(parts("/metrics"));
    let large = |length: usize| vec![b'x'; length];
    let token = Some(LOCAL_TOKEN);
    let (status, _) = post(&router, "/api/v1/import", token, large(1 << 20)).await;
    assert_eq!(status, 200);
    let (status, _) = post(&router, "/api/v1/import", token, large((16 << 20) + 1)).await;
    assert_eq!(status, 413);
    let (status, _) = post(&router, "/api/v1/reprice", token, large(1 << 20)).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_known_answer_is_not_sent_again() {
    let router = router(parts("/metrics"));
    let answer = ask(&router, Method::GET, "/api/v1/summary").await;
    assert_eq!(answer.headers[header::CACHE_CONTROL], "private, no-cache");
    let tag = answer.headers[header::ETAG].clone();
    for (known, status) in [("W/\"0\"", 200), (tag.to_str().unwrap(), 304), ("*", 304)] {
        let request = Request::get("/api/v1/summary")
            .extension(Peer::Address(([127, 0, 0, 1], 4000).into()))
            .header(header::IF_NONE_MATCH, known)
            .body(Body::empty())
            .unwrap();
        let service = TowerToHyperService::new(router.clone());
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status(), status, "{known}");
        assert_eq!(response.headers()[header::ETAG], tag);
    }
}
