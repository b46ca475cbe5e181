//! `/api/v1`: what dashboards, scripts and our own command line ask for. JSON in, JSON out.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::page;
use crate::config::Secret;
use crate::poller::{AccountFilter, AccountQuota, Quotas, RefreshHandle, Refreshed};

/// A round of polls may take longer than anybody wants to wait for an answer.
const PATIENCE: Duration = Duration::from_mins(2);
/// Longest body of a request.
const MAX_BODY: usize = 64 * 1024;

/// What the API answers from.
#[derive(Clone, Debug)]
pub struct ApiParts {
    pub quotas: Quotas,
    /// `None` when nobody is polled.
    pub refresh: Option<RefreshHandle>,
    /// What callers must show. Without one, questions are answered and nothing is changed.
    pub token: Option<Secret>,
}

pub(super) fn router(parts: ApiParts) -> Router {
    Router::new()
        .route("/quota", get(quota))
        .route("/quota/refresh", post(refresh))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(parts.clone(), authorize))
        .layer(middleware::map_response(async |response: Response| {
            page::guarded(response)
        }))
        .with_state(parts)
}

/// What a failed call answers.
#[derive(Serialize)]
struct Problem {
    error: &'static str,
}

fn problem(status: StatusCode, error: &'static str) -> Response {
    (status, Json(Problem { error })).into_response()
}

async fn authorize(State(parts): State<ApiParts>, request: Request, next: Next) -> Response {
    let reads = request.method().is_safe();
    match &parts.token {
        None if reads => next.run(request).await,
        None => problem(
            StatusCode::FORBIDDEN,
            "web.api_token_file is not set, so nothing can be changed here",
        ),
        Some(token) => match token.read() {
            Ok(token) if shows(request.headers(), token.expose_secret()) => next.run(request).await,
            Ok(_) => {
                let mut response = problem(StatusCode::UNAUTHORIZED, "a bearer token is needed");
                let ask = header::HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
                response
            }
            Err(_unreadable) => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "the file of web.api_token_file cannot be read",
            ),
        },
    }
}

/// Compares all of it, so that the time tells nothing about the token.
fn shows(headers: &HeaderMap, token: &str) -> bool {
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

#[derive(Deserialize)]
struct Filter {
    provider: Option<String>,
    account: Option<String>,
}

impl Filter {
    fn admits(&self, quota: &AccountQuota) -> bool {
        let wanted = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        wanted(&self.provider, &quota.provider) && wanted(&self.account, &quota.account)
    }
}

/// `GET /api/v1/quota`.
async fn quota(State(parts): State<ApiParts>, Query(filter): Query<Filter>) -> Response {
    #[derive(Serialize)]
    struct Answer<'a> {
        accounts: Vec<&'a AccountQuota>,
    }
    let all = parts.quotas.get();
    let accounts = all.iter().filter(|quota| filter.admits(quota)).collect();
    Json(Answer { accounts }).into_response()
}

/// `POST /api/v1/quota/refresh`, with an optional body `{"provider": …, "account": …}`.
async fn refresh(State(parts): State<ApiParts>, body: Bytes) -> Response {
    let Some(handle) = parts.refresh else {
        return problem(StatusCode::NOT_FOUND, "quota.enabled is false");
    };
    let wanted = if body.is_empty() {
        Ok(Filter {
            provider: None,
            account: None,
        })
    } else {
        serde_json::from_slice::<Filter>(&body)
    };
    let Ok(Filter { provider, account }) = wanted else {
        return problem(
            StatusCode::BAD_REQUEST,
            "the body is JSON with provider and account, both optional",
        );
    };
    let asking = handle.refresh(AccountFilter { provider, account });
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Some(done @ Refreshed::Done(_))) => Json(done).into_response(),
        Ok(Some(Refreshed::CoolingDown {
            retry_after_seconds,
        })) => {
            let body = Json(Refreshed::CoolingDown {
                retry_after_seconds,
            });
            let retry = [(header::RETRY_AFTER, retry_after_seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, retry, body).into_response()
        }
        Ok(None) => problem(StatusCode::SERVICE_UNAVAILABLE, "the exporter is stopping"),
        Err(_elapsed) => problem(
            StatusCode::ACCEPTED,
            "the round goes on; GET /api/v1/quota shows what it brings",
        ),
    }
}
