//! Routes and authorization of `/api/v1`, the JSON API of dashboards, scripts and the command line. The
//! handlers of a resource are in its own file, its types in [`crate::api`].

mod jobs;
mod quota;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::page;
use crate::api::Problem;
use crate::config::Secret;

/// Maximum size of a request body, except of an import.
const MAX_BODY: usize = 64 * 1024;

pub use jobs::{JobFailure, JobService};
pub use quota::QuotaService;

/// Dependencies of the API.
#[derive(Clone, Debug)]
pub struct ApiParts {
    pub quotas: Arc<dyn QuotaService>,
    pub jobs: Arc<dyn JobService>,
    /// Bearer token for writes. Without one, only commands on this machine may write.
    pub token: Option<Secret>,
    /// Bearer token of commands on this machine, valid for this run of the exporter.
    pub local_token: SecretString,
}

pub(super) fn router(parts: ApiParts) -> Router {
    Router::new()
        .route("/quota", get(quota::list))
        .route("/quota/refresh", post(quota::refresh))
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
        .with_state(parts)
}

fn problem(status: StatusCode, error: impl Into<String>) -> Response {
    let error = error.into();
    (status, Json(Problem { error })).into_response()
}

async fn authorize(State(parts): State<ApiParts>, request: Request, next: Next) -> Response {
    if has_token(request.headers(), parts.local_token.expose_secret()) {
        return next.run(request).await;
    }
    let reads = request.method().is_safe();
    match &parts.token {
        None if reads => next.run(request).await,
        None => problem(
            StatusCode::FORBIDDEN,
            "web.api_token_file is not set, so the API is read-only",
        ),
        Some(token) => match token.read() {
            Ok(token) if has_token(request.headers(), token.expose_secret()) => {
                next.run(request).await
            }
            Ok(_) => {
                let mut response = problem(StatusCode::UNAUTHORIZED, "a bearer token is required");
                let ask = header::HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
                response
            }
            Err(_unreadable) => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "cannot read the file of web.api_token_file",
            ),
        },
    }
}

/// Compares in constant time, so that the duration reveals nothing about the token.
fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().split_at_checked(b"Bearer ".len()))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
        .map_or(&[][..], |(_, shown)| shown);
    let differences = shown
        .iter()
        .zip(token.as_bytes())
        .fold(0, |all, (a, b)| all | (a ^ b));
    differences == 0 && shown.len() == token.len()
}
