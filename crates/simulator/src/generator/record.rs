//! A usage record, with its keys in CPA's order.

use std::cell::RefCell;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::failure::Fault;
use super::headers::Answer;
use super::json::rfc3339_in;
use super::kinds::HeaderSet;
use super::prng::Prng;
use super::usage::{Flat, Usage};
use super::world::{Account, Client, Model};
use crate::quota::Quota;
use crate::version::CpaVersion;
use cpa_exporter_core::model::{TokenQuality, Tokens, UnixNanos};

/// All fields of a record. Serialized as the object that CPA queues.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) account: &'a Account,
    pub(crate) model: &'a Model,
    pub(crate) client: &'a Client,
    pub(crate) quota: &'a Quota,
    pub(crate) usage: Usage,
    pub(crate) fault: Option<Fault>,
    /// Reset time of the quota that refuses the request; otherwise unused.
    pub(crate) reset: UnixNanos,
    pub(crate) started: UnixNanos,
    pub(crate) latency_ms: u64,
    pub(crate) ttft_ms: u64,
    pub(crate) stream: bool,
    pub(crate) endpoint: &'static str,
    pub(crate) effort: &'static str,
    pub(crate) tier: &'static str,
    pub(crate) request: RequestId,
    pub(crate) style: Style,
    pub(crate) prng: &'a RefCell<&'a mut Prng>,
}

/// Shared by the attempts of one client request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId {
    pub(crate) started_ms: u64,
    pub(crate) random: u64,
}

/// Format of records: version, zone and size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) version: CpaVersion,
    pub(crate) offset_minutes: i16,
    /// Minimum size of a record in bytes, reached by padding; 0 for none.
    pub(crate) size: usize,
}

/// Approximate size of a record without headers and error body.
const BARE: usize = 1_050;

/// Writes the keys that a version has.
struct Keys<M> {
    map: M,
    version: CpaVersion,
}

impl<M: SerializeMap> Keys<M> {
    fn put<T>(&mut self, name: &'static str, value: &T) -> Result<(), M::Error>
    where
        T: Serialize + ?Sized,
    {
        self.map.serialize_entry(name, value)
    }

    fn since<T>(
        &mut self,
        (major, minor, patch): (u16, u16, u16),
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error>
    where
        T: Serialize + ?Sized,
    {
        if self.version.has(major, minor, patch) {
            self.put(name, value)?;
        }
        Ok(())
    }
}

const V8: (u16, u16, u16) = (8, 0, 0);

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (style, kind, version) = (self.style, self.account.kind, self.style.version);
        let map = serializer.serialize_map(None)?;
        let mut keys = Keys { map, version };
        let started = rfc3339_in(self.started, style.offset_minutes);
        keys.put("timestamp", &started)?;
        keys.put("latency_ms", &self.latency_ms)?;
        keys.since((7, 1, 24), "ttft_ms", &self.ttft_ms)?;
        let source = self.account.source().unwrap_or(&self.client.key);
        keys.put("source", source)?;
        keys.put("auth_index", &self.account.auth_index)?;
        if let Some(sha) = &self.account.token_sha256 {
            keys.since((7, 2, 116), "access_token_sha256", sha)?;
        }
        keys.since((7, 2, 104), "client_ip", "127.0.0.1")?;
        keys.since(V8, "resolved_client_ip", "127.0.0.1")?;
        keys.since((7, 2, 104), "x_forwarded_for", "")?;
        keys.since((7, 2, 104), "user_agent", self.client.agent)?;
        keys.put("tokens", &FlatOf(&self.usage.flat, version))?;
        keys.put("failed", &self.fault.is_some())?;
        keys.since((7, 2, 78), "generate", &true)?;
        keys.since(V8, "stream", &self.stream)?;
        keys.since((7, 0, 0), "fail", &self.fail())?;
        if self.fault.is_none_or(Fault::has_headers) {
            keys.since((7, 1, 13), "response_headers", &self.answer())?;
        }
        keys.since((7, 2, 97), "accounting_version", &2)?;
        keys.since((7, 2, 97), "token_breakdown", &Breakdown::of(&self.usage))?;
        keys.put("provider", kind.provider)?;
        keys.since((7, 1, 38), "executor_type", kind.executor)?;
        keys.put("model", &self.model.name)?;
        keys.since((6, 10, 7), "alias", &self.model.alias)?;
        keys.put("endpoint", self.endpoint)?;
        keys.put("auth_type", kind.login.auth_type())?;
        keys.put("api_key", &self.client.key)?;
        let request = self.request.text(version);
        keys.put("request_id", &request)?;
        if version.has(8, 0, 0) {
            let prng = &mut **self.prng.borrow_mut();
            keys.put("execution_id", &uuid(prng.next_u64(), prng.next_u64(), 4))?;
            keys.put("trace_id", &request)?;
        }
        keys.since((7, 1, 18), "reasoning_effort", self.effort)?;
        keys.since((7, 1, 27), "service_tier", "auto")?;
        if !self.tier.is_empty() {
            keys.since((7, 2, 65), "response_service_tier", self.tier)?;
        }
        if self.fault.is_none() {
            keys.since(V8, "response_model", &self.model.name)?;
        }
        keys.map.end()
    }
}

#[derive(Serialize)]
struct Fail {
    status_code: u64,
    body: String,
}

impl<'a> Record<'a> {
    fn fail(&self) -> Fail {
        let body = |fault: Fault| fault.body(self.account, self.reset, self.started);
        Fail {
            status_code: self.fault.map_or(200, Fault::status),
            body: self.fault.map(body).unwrap_or_default(),
        }
    }

    fn answer(&self) -> Answer<'a> {
        let html = self.fault == Some(Fault::BadGateway);
        let set = if html {
            HeaderSet::Plain
        } else {
            self.account.kind.headers
        };
        let headers = match set {
            HeaderSet::Codex => 1_000,
            HeaderSet::Claude => 950,
            HeaderSet::Google | HeaderSet::Plain | HeaderSet::RateLimit | HeaderSet::Xai => 250,
        };
        let retry_after = match self.fault {
            Some(Fault::UsageLimit) => Some(self.reset.since(self.started).as_secs()),
            Some(Fault::RateLimit) => Some(37),
            _ => None,
        };
        Answer {
            set,
            stream: self.stream,
            html,
            retry_after,
            plan: self.account.plan.name,
            quota: self.quota,
            model: &self.model.name,
            now: self.started,
            padding: self.style.size.saturating_sub(BARE + headers),
            prng: self.prng,
        }
    }
}

impl RequestId {
    fn text(self, version: CpaVersion) -> String {
        if version.has(8, 0, 10) {
            // UUIDv7: 48 bits of time, then random bits.
            let high = self.started_ms << 16 | self.random >> 48;
            uuid(high, self.random, 7)
        } else {
            format!("{:08x}", self.random & 0xffff_ffff)
        }
    }
}

fn uuid(high: u64, low: u64, version: u64) -> String {
    let (time, middle) = (high >> 32, high >> 16 & 0xffff);
    let (variant, node) = (0x8000 | low >> 48 & 0x3fff, low & 0xffff_ffff_ffff);
    let version = version << 12 | high & 0xfff;
    format!("{time:08x}-{middle:04x}-{version:04x}-{variant:04x}-{node:012x}")
}

/// The flat counts with the keys of a version.
struct FlatOf<'a>(&'a Flat, CpaVersion);

impl Serialize for FlatOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (flat, version) = (self.0, self.1);
        let map = serializer.serialize_map(None)?;
        let mut keys = Keys { map, version };
        keys.put("input_tokens", &flat.input)?;
        keys.put("output_tokens", &flat.output)?;
        keys.put("reasoning_tokens", &flat.reasoning)?;
        keys.put("cached_tokens", &flat.cached)?;
        keys.since((7, 0, 3), "cache_read_tokens", &flat.cache_read)?;
        keys.since((7, 2, 74), "cache_read_tokens_present", &true)?;
        keys.since((7, 0, 3), "cache_creation_tokens", &flat.cache_creation)?;
        keys.put("total_tokens", &flat.total)?;
        keys.map.end()
    }
}

#[derive(Serialize)]
struct Breakdown {
    schema_version: u8,
    quality: &'static str,
    total_tokens: u64,
    input: Input,
    output: Output,
    unclassified_tokens: u64,
}

#[expect(clippy::struct_field_names, reason = "the names of CPA's keys")]
#[derive(Serialize)]
struct Input {
    total_tokens: u64,
    uncached_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
}

#[expect(clippy::struct_field_names, reason = "the names of CPA's keys")]
#[derive(Serialize)]
struct Output {
    total_tokens: u64,
    non_reasoning_tokens: u64,
    reasoning_tokens: u64,
}

impl Breakdown {
    fn of(usage: &Usage) -> Self {
        let all = usage.tokens;
        // For contradictory counts, CPA leaves its buckets empty and reports the total as
        // unclassified.
        let kinds = if usage.quality == TokenQuality::Inconsistent {
            Tokens {
                unclassified: all.total(),
                ..Tokens::default()
            }
        } else {
            all
        };
        Self {
            schema_version: 2,
            quality: usage.quality.as_str(),
            total_tokens: all.total(),
            input: Input {
                total_tokens: kinds.input + kinds.cache_read + kinds.cache_write,
                uncached_tokens: kinds.input,
                cache_read_tokens: kinds.cache_read,
                cache_write_tokens: kinds.cache_write,
            },
            output: Output {
                total_tokens: kinds.generated(),
                non_reasoning_tokens: kinds.output,
                reasoning_tokens: kinds.reasoning,
            },
            unclassified_tokens: kinds.unclassified,
        }
    }
}
