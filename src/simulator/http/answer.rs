//! Answers as Go's server frames them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// Longer bodies go out chunked, as Go's server does when a handler sets no length.
const BUFFERED: usize = 2048;

#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    json: bool,
    body: Bytes,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            json: false,
            body: Bytes::new(),
            headers: Vec::new(),
        }
    }

    /// JSON text that is already written.
    pub(crate) fn raw_json(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            json: true,
            body: body.into(),
            ..Self::empty(status)
        }
    }

    pub(crate) fn json(status: u16, value: &impl Serialize) -> Self {
        // Values here are plain data, which serde_json can always write.
        Self::raw_json(status, serde_json::to_vec(value).unwrap_or_default())
    }

    pub(crate) fn error(status: u16, text: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": text }))
    }

    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body {
            chunked: self.body.len() > BUFFERED,
            data: Some(self.body).filter(|body| !body.is_empty()),
        });
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if self.json {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            headers.insert(CONTENT_TYPE, json);
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// One buffer, with or without a length told beforehand.
#[derive(Debug)]
pub(crate) struct Body {
    data: Option<Bytes>,
    chunked: bool,
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked {
            return SizeHint::new();
        }
        let length = self.data.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(length as u64)
    }
}
