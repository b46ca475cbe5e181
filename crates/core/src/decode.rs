//! Decodes payloads into events. Pure and total; secrets are masked here.
//!
//! [`Decoder::decode`] decodes one payload into an event, one of the two control messages, or a
//! reject. It does no I/O and reads no clock; no input makes it panic or use memory out of
//! proportion to the input's length.

mod digest;
mod escapes;
mod exhaustion;
mod failure;
mod harmless;
mod headers;
mod json_array;
mod number;
mod record;
mod reject;
mod sanitize;
mod secrets;
mod timestamp;
mod tokens;

use crate::model::{AuthType, Control, Event, EventDigest, Failure, RejectReason};

pub use exhaustion::exhaustion;
pub use failure::failure_reason;
pub use json_array::{ArraySplitter, split_array};
pub use secrets::{HashKey, Secrets};
pub use timestamp::parse as timestamp;

use sanitize::{CleanTexts, Labels};

/// Maximum size of a decoded payload. The largest record seen has 230 KB.
pub const MAX_PAYLOAD: usize = 8 * 1024 * 1024;
/// Maximum stored size of a reject.
const MAX_KEPT: usize = 256 * 1024;

/// Result of decoding a payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded<'a> {
    Event(Box<Event<'a>>),
    Control(Control),
    Reject(Reject),
}

/// A payload that is not a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub reason: RejectReason,
    /// Position and kind of the error; contains nothing of the payload.
    pub detail: String,
    /// The payload with its secrets masked, up to 256 KiB. Decoding it gives the same result as
    /// decoding the original.
    pub payload: Vec<u8>,
}

/// Decodes payloads; holds the key of the secrets' hashes.
#[derive(Clone, Debug)]
pub struct Decoder {
    secrets: Secrets,
    clean: CleanTexts,
}

impl Decoder {
    pub fn new(key: HashKey) -> Self {
        Self {
            secrets: Secrets::new(key),
            clean: CleanTexts::default(),
        }
    }

    pub fn decode<'a>(&self, payload: &'a [u8]) -> Decoded<'a> {
        if let Some(control) = control(payload) {
            return Decoded::Control(control);
        }
        match self.event(payload) {
            Ok(event) => Decoded::Event(Box::new(event)),
            Err((reason, detail)) => Decoded::Reject(Reject {
                reason,
                detail,
                payload: reject::mask_payload(&self.secrets, payload, MAX_KEPT),
            }),
        }
    }

    fn event<'a>(&self, payload: &'a [u8]) -> Result<Event<'a>, (RejectReason, String)> {
        if payload.len() > MAX_PAYLOAD {
            let detail = format!("more than {MAX_PAYLOAD} bytes");
            return Err((RejectReason::Size, detail));
        }
        let record = record::parse(payload)?;
        let timestamp = timestamp::parse(record.timestamp.as_deref())
            .ok_or_else(|| (RejectReason::Time, "at timestamp".to_owned()))?;
        let identity = self.secrets.identity(&record);
        let tokens = tokens::split(&record);
        let mut headers = record.response_headers;
        let clean =
            Labels::new(&self.secrets, &record.api_key, &record.source).with_cache(&self.clean);
        let status = record.fail.status_code;
        let failure = record.failed.then(|| {
            let body = record.fail.body.as_ref();
            Failure {
                status,
                reason: failure_reason(&record.provider, status, body),
                excerpt: clean.excerpt(body, [&record.model, &record.alias]).into(),
            }
        });
        for (_, value) in &mut headers.quota {
            *value = clean.label(std::mem::take(value));
        }
        let execution_id = clean.id(record.execution_id);
        let mut event = Event {
            timestamp,
            latency_ms: record.latency_ms,
            ttft_ms: record.ttft_ms,
            auth_type: auth_type(&record.auth_type),
            auth_index: clean.id(record.auth_index),
            source: identity.source,
            client: identity.client,
            request_id: clean.request_id(record.request_id),
            provider: clean.or_unknown(record.provider),
            executor: clean.or_unknown(record.executor_type),
            model: clean.or_unknown(record.model),
            alias: clean.label(record.alias),
            endpoint: clean.endpoint(record.endpoint),
            reasoning_effort: clean.label(record.reasoning_effort),
            service_tier: clean.label(record.service_tier),
            response_service_tier: clean.label(record.response_service_tier),
            tokens: tokens.counts,
            quality: tokens.quality,
            failure,
            generate: record.generate,
            stream: headers.event_stream.unwrap_or(record.stream),
            quota_headers: headers.quota,
            exhaustion: None,
            digest: EventDigest(0),
        };
        if event.failure.is_some() {
            event.exhaustion = exhaustion(status, &record.fail.body, event.finished());
        }
        event.digest = digest::compute(&event, &record.tokens, status, &execution_id);
        Ok(event)
    }
}

fn auth_type(text: &str) -> AuthType {
    match text {
        "oauth" => AuthType::Oauth,
        "apikey" | "api_key" => AuthType::ApiKey,
        _ => AuthType::Unknown,
    }
}

/// Recognizes the two control messages, with any white space; anything else is a record or damaged.
fn control(payload: &[u8]) -> Option<Control> {
    // The longer message has 24 bytes, and white space can only surround its five tokens; nobody
    // sends much of it.
    if payload.len() > 64 {
        return None;
    }
    let mut text = [0_u8; 64];
    let mut len = 0;
    let mut in_text = false;
    for byte in payload {
        in_text ^= *byte == b'"';
        if in_text || !byte.is_ascii_whitespace() {
            *text.get_mut(len)? = *byte;
            len += 1;
        }
    }
    match text.get(..len)? {
        br#"{"support_refresh":true}"# => Some(Control::SupportRefresh),
        br#"{"refresh":true}"# => Some(Control::Refresh),
        _ => None,
    }
}
