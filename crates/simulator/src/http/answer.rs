//! Answers as Go's server frames them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::generator::json::bytes;

/// Longer bodies go out chunked, as Go's server does when a handler sets no length.
const BUFFERED: usize = 2048;

#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    content_type: Option<&'static str>,
    body: Bytes,
    /// Break the body off in the middle.
    cut: bool,
    pub(crate) hold: Hold,
    headers: Vec<(&'static str, String)>,
}

/// How long an answer is held back.
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

    /// JSON text that is already written.
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

    /// The connection ends after half of the body, before the chunk that would end it.
    pub(crate) fn cut(mut self) -> Self {
        self.cut = true;
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let (data, broken) = if self.cut {
            (self.body.slice(..self.body.len() / 2), Broken::AfterPause)
        } else {
            (self.body, Broken::No)
        };
        let mut response = Response::new(Body {
            chunked: self.cut || data.len() > BUFFERED,
            data: Some(data).filter(|data| !data.is_empty()),
            broken,
        });
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

/// One buffer, with or without a length told beforehand.
#[derive(Debug)]
pub(crate) struct Body {
    data: Option<Bytes>,
    chunked: bool,
    broken: Broken,
}

/// Whether and when the body fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    No,
    AfterPause,
    Now,
}

/// The body of a reply that a fault cut.
#[derive(Debug, thiserror::Error)]
#[error("cut by a fault")]
pub(crate) struct Cut;

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.broken {
            Broken::No => Poll::Ready(None),
            // A pause lets hyper send what it has before it hears of the error.
            Broken::AfterPause => {
                self.broken = Broken::Now;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Broken::Now => Poll::Ready(Some(Err(Cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.broken == Broken::No
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked {
            return SizeHint::new();
        }
        let length = self.data.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(length as u64)
    }
}
