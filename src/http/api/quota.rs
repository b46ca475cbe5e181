//! `/api/v1/quota`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::future::BoxFuture;

use super::{ApiParts, problem};
use crate::api::{AccountFilter, AccountQuota, QuotaList, RefreshOutcome};

/// Longest wait for a refresh. A refresh may take longer than a client waits.
const PATIENCE: Duration = Duration::from_mins(2);

/// The quotas behind the API; `app` implements it with the poller's handles.
pub trait QuotaService: fmt::Debug + Send + Sync {
    /// All known accounts, sorted by provider and account.
    fn accounts(&self) -> Arc<Vec<AccountQuota>>;

    /// Polls the selected accounts now and waits for the result, which is `None` if the exporter
    /// stops before. No future: polling is off.
    fn refresh(&self, filter: AccountFilter) -> Option<BoxFuture<'static, Option<RefreshOutcome>>>;
}

/// `GET /api/v1/quota`, with an optional query `provider=…&account=…`.
pub(super) async fn list(
    State(parts): State<ApiParts>,
    filter: Result<Query<AccountFilter>, QueryRejection>,
) -> Response {
    let Ok(Query(filter)) = filter else {
        return problem(
            StatusCode::BAD_REQUEST,
            "the query has provider and account, both optional and at most once",
        );
    };
    let all = parts.quotas.accounts();
    if let Some(refusal) = check_provider(&filter, &all) {
        return refusal;
    }
    let selected = all
        .iter()
        .filter(|quota| filter.matches(&quota.provider, &quota.account));
    let accounts = selected.collect::<Vec<_>>();
    Json(QuotaList { accounts }).into_response()
}

/// `POST /api/v1/quota/refresh`, with an optional body `{"provider": …, "account": …}`.
pub(super) async fn refresh(State(parts): State<ApiParts>, body: Bytes) -> Response {
    let filter = if body.is_empty() {
        Ok(AccountFilter::default())
    } else {
        serde_json::from_slice(&body)
    };
    let Ok(filter) = filter else {
        return problem(
            StatusCode::BAD_REQUEST,
            "the body is JSON with provider and account, both optional",
        );
    };
    if let Some(refusal) = check_provider(&filter, &parts.quotas.accounts()) {
        return refusal;
    }
    let Some(polls) = parts.quotas.refresh(filter) else {
        return problem(StatusCode::NOT_FOUND, "quota.enabled is false");
    };
    match tokio::time::timeout(PATIENCE, polls).await {
        Ok(Some(done @ RefreshOutcome::Done(_))) => Json(done).into_response(),
        Ok(Some(RefreshOutcome::CoolingDown {
            retry_after_seconds,
        })) => {
            let body = Json(RefreshOutcome::CoolingDown {
                retry_after_seconds,
            });
            let retry = [(header::RETRY_AFTER, retry_after_seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, retry, body).into_response()
        }
        Ok(None) => problem(StatusCode::SERVICE_UNAVAILABLE, "the exporter is stopping"),
        Err(_elapsed) => problem(
            StatusCode::ACCEPTED,
            "the refresh is still running; GET /api/v1/quota shows its result",
        ),
    }
}

/// The error for an unknown provider, which is a client error and not an empty result.
fn check_provider(filter: &AccountFilter, accounts: &[AccountQuota]) -> Option<Response> {
    let existing = accounts.iter().map(|quota| quota.provider.as_str());
    let checked = filter.check_provider(&existing.collect::<Vec<_>>());
    let unknown = checked.err()?;
    Some(problem(StatusCode::BAD_REQUEST, unknown.to_string()))
}
