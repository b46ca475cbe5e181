//! A poll of one account: the provider's requests go through [`Http`], one after another.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use jiff::fmt::rfc2822;
use serde_json::Value;

use super::{AccountRef, Failure, ParseError, Request};
use crate::json::Node;
use crate::model::UnixNanos;

/// Maximum size of a parsed response; real responses have a few kilobytes.
const MAX_BODY: usize = 2 * 1024 * 1024;
/// Upper bound of a provider's `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);
/// Maximum number of requests of a poll; a provider that needs more has a bug.
const MAX_CALLS: usize = 8;

/// A boxed future; needs no particular runtime.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends a provider's requests: through CPA, or directly.
pub trait Http: Sync {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>>;
}

/// The provider's response, without CPA's envelope.
#[derive(Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Time of arrival; relative times count from here.
    pub at: UnixNanos,
}

/// Omits the content, which contains names and addresses.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response {} ({} bytes)", self.status, self.body.len())
    }
}

/// A poll in progress.
pub(super) struct Session<'a> {
    pub(super) account: &'a AccountRef,
    /// Whether to request data that seldom changes and needs a separate request, such as the plan.
    pub(super) with_plan: bool,
    http: &'a dyn Http,
    calls: usize,
    /// CPA is unavailable, so that no further request can succeed.
    has_lost_contact: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(account: &'a AccountRef, with_plan: bool, http: &'a dyn Http) -> Self {
        Self {
            account,
            with_plan,
            http,
            calls: 0,
            has_lost_contact: false,
        }
    }

    pub(super) fn has_lost_contact(&self) -> bool {
        self.has_lost_contact
    }

    pub(super) async fn call(&mut self, request: Request) -> Result<Page, Failure> {
        if self.has_lost_contact {
            return Err(Failure::NoContact);
        }
        if self.calls >= MAX_CALLS {
            return Err(ParseError::Shape.into());
        }
        self.calls += 1;
        let response = self.http.send(request).await;
        self.has_lost_contact = matches!(response, Err(Failure::NoContact));
        Page::read(&response?)
    }

    /// Sends requests in turn until a response can be parsed or the other requests would fail
    /// likewise. Returns the most specific failure; `None` if there was no request.
    pub(super) async fn first<T>(
        &mut self,
        requests: impl IntoIterator<Item = Request, IntoIter: Send> + Send,
        read: impl Fn(&Page) -> Result<T, Failure> + Send,
        is_final: impl Fn(Failure) -> bool + Send,
    ) -> Result<T, Option<Failure>> {
        let mut failure = None;
        for request in requests {
            match self.call(request).await.and_then(|page| read(&page)) {
                Ok(found) => return Ok(found),
                Err(error) if is_final(error) => return Err(Some(error)),
                Err(error) => failure = Some(Failure::more_specific(failure, error)),
            }
        }
        Err(failure)
    }
}

/// A successful response.
#[derive(Debug)]
pub(super) struct Page {
    json: Value,
    pub(super) at: UnixNanos,
}

impl Page {
    fn read(response: &Response) -> Result<Self, Failure> {
        if let Some(failure) = Failure::from_status(response.status, retry_after(response)) {
            return Err(failure);
        }
        if response.body.len() > MAX_BODY {
            return Err(ParseError::Size.into());
        }
        // The parser limits the nesting.
        match serde_json::from_slice::<Value>(&response.body) {
            Ok(json) if json.is_object() => Ok(Self {
                json,
                at: response.at,
            }),
            Ok(_) => Err(ParseError::Shape.into()),
            Err(_) => Err(ParseError::Json.into()),
        }
    }

    pub(super) fn root(&self) -> Node<'_> {
        Node::of(&self.json, self.at)
    }
}

/// Seconds or a date. 0 is ignored: Claude sends it with lasting refusals.
fn retry_after(response: &Response) -> Option<Duration> {
    let mut headers = response.headers.iter();
    let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let value = value.trim();
    let wait = if let Ok(seconds) = value.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = rfc2822::parse(value).ok()?.timestamp();
        let nanos = i64::try_from(date.as_nanosecond()).ok()?;
        UnixNanos::new(nanos).since(response.at)
    };
    (!wait.is_zero()).then(|| wait.min(MAX_RETRY_AFTER))
}
