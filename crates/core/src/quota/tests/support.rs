//! Drives a provider with canned responses and formats readings on one line each.

use std::fs;
use std::path::Path;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

use crate::model::{AuthType, Name, QuotaAnswer, Reading, UnixNanos};
use crate::quota::{AccountRef, BoxFuture, Failure, Hidden, Http, Provider, Request, Response};

/// 2026-05-09T08:00:00Z.
pub(super) const AT: UnixNanos = UnixNanos::from_millis(1_778_313_600_000);
/// More requests than this for one account are a loop.
const MOST_CALLS: usize = 8;

pub(super) fn account(provider: &str) -> AccountRef {
    AccountRef::new(provider, AuthType::Oauth, "37e10dbedbcae9c4")
}

pub(super) fn key_at(base_url: &str) -> AccountRef {
    AccountRef {
        base_url: Some(base_url.to_owned()),
        ..AccountRef::new("openai-compatibility", AuthType::ApiKey, "231536fa11433566")
    }
}

pub(super) fn with_project(provider: &str) -> AccountRef {
    AccountRef {
        project_id: Hidden::new("proj-fix-1"),
        ..account(provider)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a call that got through is")]
pub(super) fn answer(status: u16, body: &str) -> Result<Response, Failure> {
    Ok(Response {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        at: AT,
    })
}

pub(super) struct PollResult {
    pub(super) result: Result<QuotaAnswer, Failure>,
    pub(super) requests: Vec<Request>,
}

impl PollResult {
    pub(super) fn urls(&self) -> Vec<&str> {
        self.requests.iter().map(|r| r.url.as_str()).collect()
    }

    pub(super) fn rows(&self) -> Vec<String> {
        rows(&self.result.as_ref().unwrap().readings)
    }

    pub(super) fn plan(&self) -> Option<&str> {
        self.result
            .as_ref()
            .unwrap()
            .facts
            .plan
            .as_ref()
            .map(Name::as_str)
    }
}

/// Responses of a provider that never makes a poll wait.
struct Script<F> {
    respond: Mutex<F>,
    requests: Mutex<Vec<Request>>,
}

impl<F: FnMut(&Request) -> Result<Response, Failure> + Send> Http for Script<F> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        let mut requests = self.requests.lock().unwrap();
        assert!(requests.len() < MOST_CALLS, "{requests:?}");
        let response = (*self.respond.lock().unwrap())(&request);
        requests.push(request);
        Box::pin(std::future::ready(response))
    }
}

/// Polls an account; `respond` returns each response.
pub(super) fn drive(
    provider: &Provider,
    account: &AccountRef,
    with_plan: bool,
    respond: impl FnMut(&Request) -> Result<Response, Failure> + Send,
) -> PollResult {
    let script = Script {
        respond: Mutex::new(respond),
        requests: Mutex::default(),
    };
    let mut polled = pin!(provider.fetch(account, with_plan, &script));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(result) = polled.as_mut().poll(&mut context) else {
        panic!("{provider:?} waits for something else than a response")
    };
    let requests = script.requests.lock().unwrap().clone();
    PollResult { result, requests }
}

pub(super) fn provider_of(account: &AccountRef) -> Option<Provider> {
    Provider::find(account, &[])
}

/// Polls the account's own provider with one response per body.
pub(super) fn poll(account: &AccountRef, bodies: &[&str]) -> PollResult {
    let mut bodies = bodies.iter();
    let provider = provider_of(account).unwrap();
    let with_plan = bodies.len() > 1;
    drive(&provider, account, with_plan, |_| {
        answer(200, bodies.next().unwrap())
    })
}

pub(super) fn failed(account: &AccountRef, body: &str) -> Failure {
    let provider = provider_of(account).unwrap();
    drive(&provider, account, false, |_| answer(200, body))
        .result
        .unwrap_err()
}

/// `main 5h 0.64 3/10/7 credits @1778509871 exhausted`; unknown values are omitted.
pub(super) fn rows(readings: &[Reading]) -> Vec<String> {
    readings.iter().map(row).collect()
}

fn row(reading: &Reading) -> String {
    let mut parts = vec![
        reading.limit().to_string(),
        reading.window().label().into_owned(),
    ];
    if let Some(ratio) = reading.used_ratio() {
        parts.push(format!("{}", (ratio * 1e6).round() / 1e6));
    }
    if let Some(amounts) = reading.amounts() {
        let show = |number: Option<f64>| number.map_or("-".to_owned(), |n| n.to_string());
        let numbers = [amounts.used(), amounts.limit(), amounts.remaining()].map(show);
        parts.push(format!("{} {}", numbers.join("/"), amounts.unit().as_str()));
    }
    if let Some(reset) = reading.reset_at() {
        parts.push(format!("@{}", reset.as_millis().div_euclid(1000)));
    }
    if reading.exhausted() == Some(true) {
        parts.push("exhausted".to_owned());
    }
    if reading.unlimited() {
        parts.push("unlimited".to_owned());
    }
    parts.join(" ")
}

/// The upstream's response in a captured `api-call`.
pub(super) fn captured(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/http");
    let text = fs::read_to_string(root.join(format!("api_call_{name}.json"))).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    json.pointer("/response/body/body")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

pub(super) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let mut headers = request.headers.iter();
    let found = headers.find(|(has, _)| has.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}
