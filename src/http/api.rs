//! Routes and authorization of `/api/v1`, the JSON API of dashboards, scripts and the command line. The
//! handlers of a resource are in its own file, its types in [`crate::api`].

mod jobs;
mod quota;
mod stored;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};

use super::access::{Access, Tokens};
use super::page;
use super::web_config::Authenticated;
use crate::api::Problem;

/// Maximum size of a request body, except of an import.
const MAX_BODY: usize = 64 * 1024;

pub use jobs::{ApiFailure, JobService};
pub use quota::QuotaService;
pub use stored::{Answer, ExportFormat, Pairs, Parts as ResponseParts, Resource, StoredRecords};

/// Dependencies of the API.
#[derive(Clone, Debug)]
pub struct ApiParts {
    pub quotas: Arc<dyn QuotaService>,
    pub jobs: Arc<dyn JobService>,
    pub stored: Arc<dyn StoredRecords>,
    pub tokens: Tokens,
}

pub(super) fn router(parts: ApiParts) -> Router {
    Router::new()
        .route("/quota", get(quota::list))
        .route("/quota/refresh", post(quota::refresh))
        .route("/version", get(stored::version))
        .route("/summary", stored::resource(Resource::Summary))
        .route("/breakdown", stored::resource(Resource::Breakdown))
        .route("/series", stored::resource(Resource::Series))
        .route("/events", stored::resource(Resource::Events))
        .route("/events.csv", stored::export(ExportFormat::Csv))
        .route("/events.jsonl", stored::export(ExportFormat::JsonLines))
        .route("/events/{id}", stored::named(Resource::Event))
        .route("/values/{group}", stored::named(Resource::Values))
        .route("/reprice", post(jobs::reprice))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .route(
            "/import",
            post(jobs::import).layer(DefaultBodyLimit::max(jobs::MAX_IMPORT)),
        )
        .layer(middleware::from_fn_with_state(parts.clone(), authorize))
        .layer(middleware::map_response(async |response: Response| {
            page::with_security_headers(response)
        }))
        .fallback(async || problem(StatusCode::NOT_FOUND, "the API has no such resource"))
        .method_not_allowed_fallback(async || {
            let text = "the resource does not have this method";
            problem(StatusCode::METHOD_NOT_ALLOWED, text)
        })
        .with_state(parts)
}

/// A problem of RFC 9457 without a type of its own.
fn problem(status: StatusCode, detail: impl Into<String>) -> Response {
    let problem = Problem::new(status.as_u16(), status.canonical_reason(), detail.into());
    let content = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, content, Json(problem)).into_response()
}

async fn authorize(State(parts): State<ApiParts>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get();
    let reads = request.method().is_safe();
    // One header cannot show a password and a token.
    let is_authenticated = request.extensions().get::<Authenticated>().is_some();
    match parts.tokens.access(request.headers(), peer) {
        Ok(Access::Full) => next.run(request).await,
        Ok(Access::Read) if reads => next.run(request).await,
        Ok(_) if reads && is_authenticated => next.run(request).await,
        Ok(Access::Read) if parts.tokens.admin.is_some() => problem(
            StatusCode::FORBIDDEN,
            "the read token does not allow changes; use the token of web.api_token_file",
        ),
        Ok(Access::Read | Access::Remote) if !reads => problem(
            StatusCode::FORBIDDEN,
            "web.api_token_file is not set, so the API is read-only",
        ),
        Ok(Access::Read | Access::Remote) => problem(
            StatusCode::FORBIDDEN,
            "without a token the API answers only programs on this machine; set web.read_token_file \
             or web.api_token_file",
        ),
        Ok(Access::Unauthorized) => {
            let mut response = problem(StatusCode::UNAUTHORIZED, "a bearer token is required");
            let ask = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
            response
        }
        Err(_unreadable) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "cannot read the file of web.api_token_file or web.read_token_file",
        ),
    }
}
