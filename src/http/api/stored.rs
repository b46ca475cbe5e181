//! Resources of stored records: `breakdown`, `summary`, `series`, `values`, `events`, exports.

use std::convert::Infallible;
use std::fmt;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use futures_util::{StreamExt as _, future::BoxFuture, stream::BoxStream};
use url::form_urlencoded;

use super::{ApiFailure, ApiParts};
use crate::{api, version};

/// A question about stored records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    Breakdown,
    Summary,
    Series,
    Events,
    /// The event with this id.
    Event(String),
    /// The values of this group.
    Values(String),
}

/// Format of exported events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Csv,
    JsonLines,
}

/// A response in JSON.
#[derive(Clone, Debug)]
pub struct Answer {
    pub json: Vec<u8>,
    /// Equal answers have equal tags. The bounds of the range do not matter, which follow the clock.
    pub tag: u64,
}

/// Names and values of a query string, in order.
pub type Pairs = Vec<(String, String)>;

/// Parts of a response.
pub type Parts = BoxStream<'static, Bytes>;

/// The stored records behind the API; `app` implements it with readers of the database.
pub trait StoredRecords: fmt::Debug + Send + Sync {
    fn answer(
        &self,
        resource: Resource,
        pairs: Pairs,
    ) -> BoxFuture<'static, Result<Answer, ApiFailure>>;

    /// All selected events. The stream ends early if the database fails meanwhile.
    fn export(
        &self,
        format: ExportFormat,
        pairs: Pairs,
    ) -> BoxFuture<'static, Result<Parts, ApiFailure>>;
}

/// `GET` of a resource.
pub(super) fn resource(resource: Resource) -> MethodRouter<ApiParts> {
    get(
        async move |State(parts): State<ApiParts>, RawQuery(query), headers: HeaderMap| {
            answer(&parts, resource, query, &headers).await
        },
    )
}

/// `GET` of a resource with a name in its path.
pub(super) fn named(resource: fn(String) -> Resource) -> MethodRouter<ApiParts> {
    get(
        async move |State(parts): State<ApiParts>,
                    Path(name): Path<String>,
                    RawQuery(query),
                    headers: HeaderMap| {
            answer(&parts, resource(name), query, &headers).await
        },
    )
}

async fn answer(
    parts: &ApiParts,
    resource: Resource,
    query: Option<String>,
    headers: &HeaderMap,
) -> Response {
    let answer = match parts.stored.answer(resource, pairs(query)).await {
        Ok(answer) => answer,
        Err(failure) => return failure.into_response(),
    };
    let tag = format!("W/\"{:016x}\"", answer.tag);
    let known = headers.get(header::IF_NONE_MATCH);
    let known = known.and_then(|known| known.to_str().ok()).unwrap_or("");
    let is_known = known
        .split(',')
        .any(|it| it.trim() == tag || it.trim() == "*");
    let caching = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, CACHE.to_owned()),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content = [(header::CONTENT_TYPE, "application/json")];
    (caching, content, answer.json).into_response()
}

/// Clients ask each time whether their copy is current.
const CACHE: &str = "private, no-cache";

/// `GET` of all selected events.
pub(super) fn export(format: ExportFormat) -> MethodRouter<ApiParts> {
    get(
        async move |State(parts): State<ApiParts>, RawQuery(query)| match parts
            .stored
            .export(format, pairs(query))
            .await
        {
            Err(failure) => failure.into_response(),
            Ok(stream) => {
                let (content, name) = match format {
                    ExportFormat::Csv => ("text/csv; charset=utf-8", "events.csv"),
                    ExportFormat::JsonLines => ("application/jsonl", "events.jsonl"),
                };
                let headers = [
                    (header::CONTENT_TYPE, content.to_owned()),
                    (
                        header::CONTENT_DISPOSITION,
                        format!("attachment; filename=\"{name}\""),
                    ),
                ];
                let body = Body::from_stream(stream.map(Ok::<_, Infallible>));
                (headers, body).into_response()
            }
        },
    )
}

fn pairs(query: Option<String>) -> Pairs {
    let query = query.unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// `GET /api/v1/version`.
pub(super) async fn version() -> Json<api::Version> {
    Json(api::Version {
        version: version::VERSION.to_owned(),
        revision: version::REVISION.to_owned(),
        rustc: version::RUSTC.to_owned(),
    })
}
