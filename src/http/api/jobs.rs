//! `/api/v1/import` and `/api/v1/reprice`.

use std::fmt;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use serde::Serialize;

use super::{ApiParts, problem};
use crate::api::{ImportSummary, RepriceRequest, RepriceStep};

/// Maximum size of an import's body: some thousand records.
pub(super) const MAX_IMPORT: usize = 16 * 1024 * 1024;

/// Reason why a request to the rest of the program failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiFailure {
    /// The exporter is stopping.
    Unavailable(String),
    Invalid(String),
    NotFound(String),
    Failed(String),
}

/// The jobs behind the API; `app` implements it with the ingest thread's handle.
pub trait JobService: fmt::Debug + Send + Sync {
    /// Stores records as history, which no counter counts.
    fn import(&self, records: Vec<Bytes>) -> BoxFuture<'static, Result<ImportSummary, ApiFailure>>;

    /// Recomputes the cost of the next stored events of a range.
    fn reprice(
        &self,
        request: RepriceRequest,
    ) -> BoxFuture<'static, Result<RepriceStep, ApiFailure>>;
}

/// `POST /api/v1/import`, with one record per line.
pub(super) async fn import(State(parts): State<ApiParts>, body: Bytes) -> Response {
    answer(parts.jobs.import(records(&body)).await)
}

/// `POST /api/v1/reprice`, with a [`RepriceRequest`].
pub(super) async fn reprice(State(parts): State<ApiParts>, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(request) => answer(parts.jobs.reprice(request).await),
        Err(error) => problem(
            StatusCode::BAD_REQUEST,
            format!(
                "the body is JSON with from, to, and optionally model, dry_run and after: {error}"
            ),
        ),
    }
}

fn answer(result: Result<impl Serialize, ApiFailure>) -> Response {
    match result {
        Ok(result) => Json(result).into_response(),
        Err(failure) => failure.into_response(),
    }
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Unavailable(text) => (StatusCode::SERVICE_UNAVAILABLE, text),
            Self::Invalid(text) => (StatusCode::BAD_REQUEST, text),
            Self::NotFound(text) => (StatusCode::NOT_FOUND, text),
            Self::Failed(text) => (StatusCode::INTERNAL_SERVER_ERROR, text),
        };
        problem(status, text)
    }
}

/// The lines that are not empty.
fn records(body: &Bytes) -> Vec<Bytes> {
    let lines = body.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.iter().all(u8::is_ascii_whitespace));
    lines.map(|line| body.slice_ref(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_the_lines_that_are_not_empty() {
        let body = Bytes::from_static(b"\n{\"a\":1}\r\n  \n{}\n");
        assert_eq!(records(&body), [&b"{\"a\":1}\r"[..], &b"{}"[..]]);
        assert!(records(&Bytes::new()).is_empty());
    }
}
