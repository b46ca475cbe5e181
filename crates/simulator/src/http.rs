//! The HTTP side of the port: connections, the key check, and routing.

mod accounts;
mod answer;
mod api_call;
mod control;
mod credentials;
mod lists;
mod request;
mod upstreams;
mod v0;
mod v8;

use std::convert::Infallible;
use std::io::{self, Cursor};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::BytesMut;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, join};

use self::answer::{Answer, Body};
use self::request::Call;
use super::core::Core;
use super::gate::{Management, Refusal};
use super::generator::json::http_date;

pub(crate) async fn serve<S>(
    stream: S,
    first: BytesMut,
    peer: IpAddr,
    core: Arc<Core>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // The first bytes have already been read; replay them.
    let (reader, writer) = tokio::io::split(stream);
    let io = join(Cursor::new(first).chain(reader), writer);
    let service = service_fn(move |request| {
        let core = Arc::clone(&core);
        async move { Ok::<_, Infallible>(respond(request, peer, &core).await) }
    });
    hyper::server::conn::http1::Builder::new()
        // Go writes `X-Cpa-Version`; hyper's default is lower case.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(io), service)
        .await
        .map_err(io::Error::other)
}

async fn respond(request: Request<Incoming>, peer: IpAddr, core: &Core) -> Response<Body> {
    let call = Call::read(request).await;
    if let Some(answer) = control::respond(&call, core) {
        return answer.into_response();
    }
    core.faults.stalled().await;
    if core.faults.get(|state| state.http_503) {
        return Answer::empty(503).into_response();
    }
    let answer = route(&call, peer, core).await;
    answer.hold.wait().await;
    let mut response = answer.into_response();
    // The simulator's clock; hyper would use the system's.
    if let Ok(value) = http_date(core.now()).parse() {
        response.headers_mut().insert(hyper::header::DATE, value);
    }
    response
}

async fn route(call: &Call, peer: IpAddr, core: &Core) -> Answer {
    let version = core.config.version;
    match (&call.method, call.path.as_str()) {
        (&Method::GET, "/") => Answer::raw_json(
            200,
            r#"{"endpoints":["POST /v1/chat/completions","POST /v1/completions","GET /v1/models"],"message":"CLI Proxy API Server"}"#,
        ),
        (&Method::GET, "/healthz") => Answer::raw_json(200, r#"{"status":"ok"}"#),
        _ => {
            if let Some(path) = call.path.strip_prefix("/upstream/") {
                return upstreams::respond(call, path, core);
            }
            if let Some(route) = call.path.strip_prefix("/v0/management/") {
                return managed(call, peer, core, |core| v0::route(call, route, core)).await;
            }
            match call.path.strip_prefix("/v8/management/") {
                Some(route) if version.has(8, 0, 0) => {
                    managed(call, peer, core, |core| v8::route(call, route, core)).await
                }
                Some(_) | None => Answer::empty(404),
            }
        }
    }
}

/// Checks the key, then responds; every response from here on has the version header.
async fn managed(
    call: &Call,
    peer: IpAddr,
    core: &Core,
    then: impl FnOnce(&Core) -> Answer,
) -> Answer {
    if matches!(core.management(), Management::Disabled | Management::Home) {
        return Answer::empty(404);
    }
    let client = call.client(peer, core.config.version);
    let key = call.key();
    let checked = core.check(&client, &key);
    // CPA hashes the key only if it compares it.
    if matches!(checked, Ok(()) | Err(Refusal::InvalidKey)) {
        core.hash_key().await;
    }
    let answer = match checked {
        Ok(()) => then(core),
        Err(refusal) => Answer::error(refusal.status(), &core.refusal_text(refusal)),
    };
    with_version(answer, core)
}

fn with_version(answer: Answer, core: &Core) -> Answer {
    let version = core.config.version;
    let text = core.config.version_text.clone();
    let (commit, date) = if text.as_deref() == Some("dev") {
        ("none", "unknown")
    } else {
        ("0123abc", "2026-08-22T00:00:00Z")
    };
    answer
        .with("x-cpa-version", text.unwrap_or_else(|| version.to_string()))
        .with("x-cpa-commit", commit.to_owned())
        .with("x-cpa-build-date", date.to_owned())
        .with("x-cpa-support-plugin", "1".to_owned())
}
