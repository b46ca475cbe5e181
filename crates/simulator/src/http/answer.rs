//! Responses framed like those of Go's server.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::generator::json::bytes;

/// Longer bodies are chunked, as in Go's server if a handler sets no length.
const BUFFERED: usize = 2048;

#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    content_type: Option<&'static str>,
    body: Bytes,
    /// Whether to truncate the body.
    cut: bool,
    pub(crate) hold: Hold,
    headers: Vec<(&'static str, String)>,
}

/// How long a response is delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    No,
    For(Duration),
    Forever,
}

impl Hold {
    pub(crate) async fn wait(self) {
        match self {
            Self::No => {}
            Self::For(span) => tokio::time::sleep(span).await,
            Self::Forever => std::future::pending().await,
        }
    }
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            body: Bytes::new(),
            cut: false,
            hold: Hold::No,
            headers: Vec::new(),
        }
    }

    /// Already serialized JSON.
    pub(crate) fn raw_json(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            content_type: Some("application/json; charset=utf-8"),
            body: body.into(),
            ..Self::empty(status)
        }
    }

    pub(crate) fn text(status: u16, content_type: &'static str, body: String) -> Self {
        Self {
            content_type: Some(content_type),
            body: body.into(),
            ..Self::empty(status)
        }
    }

    pub(crate) fn json(status: u16, value: &impl Serialize) -> Self {
        Self::raw_json(status, bytes(value))
    }

    pub(crate) fn error(status: u16, text: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": text }))
    }

    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn after(mut self, span: Duration) -> Self {
        self.hold = Hold::For(span);
        self
    }

    pub(crate) fn never(mut self) -> Self {
        self.hold = Hold::Forever;
        self
    }

    /// Closes the connection after half of the body, before its last chunk.
    pub(crate) fn cut(mut self) -> Self {
        self.cut = true;
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(body(self.body, self.cut));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        for (name, value) in self.headers {
            let name = HeaderName::try_from(name);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        response
    }
}

pub(crate) type Body = UnsyncBoxBody<Bytes, Cut>;

/// The body of a response that a fault truncated.
#[derive(Debug, thiserror::Error)]
#[error("cut by a fault")]
pub(crate) struct Cut;

/// One buffer, either with a length or in chunks.
fn body(data: Bytes, cut: bool) -> Body {
    if !cut && data.len() <= BUFFERED {
        return Full::new(data)
            .map_err(|never| match never {})
            .boxed_unsync();
    }
    let length = if cut { data.len() / 2 } else { data.len() };
    let data = stream::iter([Ok(Frame::data(data.slice(..length)))]);
    // A pause lets hyper send its buffer before it receives the error.
    let end = stream::iter(cut.then_some(())).then(|()| async {
        tokio::task::yield_now().await;
        Err(Cut)
    });
    StreamBody::new(data.chain(end)).boxed_unsync()
}
