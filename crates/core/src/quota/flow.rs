use std::fmt;
use std::time::Duration;

use jiff::fmt::rfc2822;
use serde_json::Value;

use super::json::Node;
use super::{Failure, ParseError, Request};
use crate::model::UnixNanos;

/// Longest answer that is read; real ones have a few kilobytes.
const MAX_BODY: usize = 2 * 1024 * 1024;
/// No provider can send us away for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// What the provider itself answered, already taken out of CPA's envelope.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// When it arrived; relative times count from here.
    pub at: UnixNanos,
}

/// Nothing of the content: it holds names and addresses.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer {} ({} bytes)", self.status, self.body.len())
    }
}

/// One call and what came of it; a call that did not get through brings its failure.
pub type Attempt = Result<Answer, Failure>;

/// Why a conversation stops.
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

/// The answers so far, handed out in order.
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

    /// Outer error: ask this first. Inner error: it was asked, in vain.
    pub(super) fn call(&mut self, request: Request) -> Result<Result<Page, Failure>, Pause> {
        match self.attempts.next() {
            None => Err(Pause::Call(request)),
            Some(attempt) => Ok(attempt.as_ref().map_err(|f| *f).and_then(Page::read)),
        }
    }

    /// Asks in turn until an answer can be read, or a failure is one that the others would repeat.
    /// Of several failures it gives the most telling; none where there was nothing to ask.
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
                Err(error) => failure = Some(Failure::telling(failure, error)),
            }
        }
        Ok(Err(failure))
    }
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Page {
    json: Value,
    pub(super) at: UnixNanos,
}

impl Page {
    fn read(answer: &Answer) -> Result<Self, Failure> {
        if let Some(failure) = Failure::of_status(answer.status, retry_after(answer)) {
            return Err(failure);
        }
        if answer.body.len() > MAX_BODY {
            return Err(ParseError::Size.into());
        }
        // Nesting is bounded by the parser itself.
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

/// Seconds or a date. 0 is no advice: Claude sends it with refusals that last.
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
