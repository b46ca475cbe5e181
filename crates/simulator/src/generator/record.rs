//! A usage record, with its keys in CPA's order.

use std::cell::RefCell;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::failure::Fault;
use super::headers::ResponseHeaders;
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
        keys.put("ttft_ms", &self.ttft_ms)?;
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
        keys.put("tokens", &self.usage.flat)?;
        keys.put("failed", &self.fault.is_some())?;
        keys.since((7, 2, 78), "generate", &true)?;
        keys.since(V8, "stream", &self.stream)?;
        keys.put("fail", &self.fail())?;
        if self.fault.is_none_or(Fault::has_headers) {
            keys.put("response_headers", &self.response_headers())?;
        }
        keys.since((7, 2, 97), "accounting_version", &2)?;
        keys.since((7, 2, 97), "token_breakdown", &Breakdown(&self.usage))?;
        keys.put("provider", kind.provider)?;
        keys.put("executor_type", kind.executor)?;
        keys.put("model", &self.model.name)?;
        keys.put("alias", &self.model.alias)?;
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
        keys.put("reasoning_effort", self.effort)?;
        keys.put("service_tier", "auto")?;
        if !self.tier.is_empty() {
            keys.put("response_service_tier", self.tier)?;
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

    fn response_headers(&self) -> ResponseHeaders<'a> {
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
        ResponseHeaders {
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

/// Counts under CPA's names, in its order.
struct Counts<'a>(&'a [(&'static str, u64)]);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl Serialize for Flat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("input_tokens", &self.input)?;
        map.serialize_entry("output_tokens", &self.output)?;
        map.serialize_entry("reasoning_tokens", &self.reasoning)?;
        map.serialize_entry("cached_tokens", &self.cached)?;
        map.serialize_entry("cache_read_tokens", &self.cache_read)?;
        map.serialize_entry("cache_read_tokens_present", &true)?;
        map.serialize_entry("cache_creation_tokens", &self.cache_creation)?;
        map.serialize_entry("total_tokens", &self.total)?;
        map.end()
    }
}

struct Breakdown<'a>(&'a Usage);

impl Serialize for Breakdown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (all, quality) = (self.0.tokens, self.0.quality);
        // For contradictory counts, CPA leaves its buckets empty and reports the total as
        // unclassified.
        let kinds = if quality == TokenQuality::Inconsistent {
            Tokens {
                unclassified: all.total(),
                ..Tokens::default()
            }
        } else {
            all
        };
        let input = [
            (
                "total_tokens",
                kinds.input + kinds.cache_read + kinds.cache_write,
            ),
            ("uncached_tokens", kinds.input),
            ("cache_read_tokens", kinds.cache_read),
            ("cache_write_tokens", kinds.cache_write),
        ];
        let output = [
            ("total_tokens", kinds.generated()),
            ("non_reasoning_tokens", kinds.output),
            ("reasoning_tokens", kinds.reasoning),
        ];
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema_version", &2)?;
        map.serialize_entry("quality", quality.as_str())?;
        map.serialize_entry("total_tokens", &all.total())?;
        map.serialize_entry("input", &Counts(&input))?;
        map.serialize_entry("output", &Counts(&output))?;
        map.serialize_entry("unclassified_tokens", &kinds.unclassified)?;
        map.end()
    }
}
