use std::fmt;
use std::time::Duration;

use jiff::fmt::rfc2822;
use serde_json::Value;

use super::json::Node;
use super::{Failure, ParseError, Request};
use crate::model::UnixNanos;

/// Maximum size of a parsed response; real responses have a few kilobytes.
const MAX_BODY: usize = 2 * 1024 * 1024;
/// Upper bound of a provider's `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// The provider's response, without CPA's envelope.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Time of arrival; relative times count from here.
    pub at: UnixNanos,
}

/// Omits the content, which contains names and addresses.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer {} ({} bytes)", self.status, self.body.len())
    }
}

/// Result of one request; a request without a response has a failure.
pub type Attempt = Result<Answer, Failure>;

/// Reason why a conversation is suspended.
#[derive(Debug)]
pub enum Pause {
    Call(Request),
    Fail(Failure),
}

impl From<Failure> for Pause {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}

impl From<ParseError> for Pause {
    fn from(error: ParseError) -> Self {
        Self::Fail(Failure::Parse(error))
    }
}

/// The responses so far, in order.
#[derive(Debug)]
pub struct Flow<'a> {
    attempts: std::slice::Iter<'a, Attempt>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(attempts: &'a [Attempt]) -> Self {
        Self {
            attempts: attempts.iter(),
        }
    }

    /// Outer error: this request must be sent first. Inner error: the request failed.
    pub(super) fn call(&mut self, request: Request) -> Result<Result<Page, Failure>, Pause> {
        match self.attempts.next() {
            None => Err(Pause::Call(request)),
            Some(attempt) => Ok(attempt.as_ref().map_err(|f| *f).and_then(Page::read)),
        }
    }

    /// Sends requests in turn until a response can be parsed or the other requests would fail
    /// likewise. Returns the most specific failure; `None` if there was no request.
    pub(super) fn first<T>(
        &mut self,
        requests: impl IntoIterator<Item = Request>,
        read: impl Fn(&Page) -> Result<T, Failure>,
        is_final: impl Fn(Failure) -> bool,
    ) -> Result<Result<T, Option<Failure>>, Pause> {
        let mut failure = None;
        for request in requests {
            match self.call(request)?.and_then(|page| read(&page)) {
                Ok(found) => return Ok(Ok(found)),
                Err(error) if is_final(error) => return Ok(Err(Some(error))),
                Err(error) => failure = Some(Failure::more_specific(failure, error)),
            }
        }
        Ok(Err(failure))
    }
}

/// A successful response.
#[derive(Debug)]
pub(super) struct Page {
    json: Value,
    pub(super) at: UnixNanos,
}

impl Page {
    fn read(answer: &Answer) -> Result<Self, Failure> {
        if let Some(failure) = Failure::from_status(answer.status, retry_after(answer)) {
            return Err(failure);
        }
        if answer.body.len() > MAX_BODY {
            return Err(ParseError::Size.into());
        }
        // The parser limits the nesting.
        match serde_json::from_slice::<Value>(&answer.body) {
            Ok(json) if json.is_object() => Ok(Self {
                json,
                at: answer.at,
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
fn retry_after(answer: &Answer) -> Option<Duration> {
    let mut headers = answer.headers.iter();
    let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let value = value.trim();
    let wait = if let Ok(seconds) = value.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = rfc2822::parse(value).ok()?.timestamp();
        let nanos = i64::try_from(date.as_nanosecond()).ok()?;
        UnixNanos::new(nanos).since(answer.at)
    };
    (!wait.is_zero()).then(|| wait.min(MAX_RETRY_AFTER))
}
