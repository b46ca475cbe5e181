//! One usage record, written key by key in CPA's order.

use super::failure::Fault;
use super::headers::Answer;
use super::json::{Civil, boolean, hex, number, string, text};
use super::kinds::HeaderSet;
use super::prng::Prng;
use super::usage::{Flat, Usage};
use super::world::{Account, Client, Model};
use crate::quota::Quota;
use crate::version::RecordShape;
use cpa_exporter_core::model::{TokenQuality, Tokens, UnixNanos};

/// Everything a record tells, before it is written.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) account: &'a Account,
    pub(crate) model: &'a Model,
    pub(crate) client: &'a Client,
    pub(crate) quota: &'a Quota,
    pub(crate) usage: Usage,
    pub(crate) fault: Option<Fault>,
    /// When the quota resets for which the request is refused; else of no meaning.
    pub(crate) reset: UnixNanos,
    pub(crate) started: UnixNanos,
    pub(crate) latency_ms: u64,
    pub(crate) ttft_ms: u64,
    pub(crate) stream: bool,
    pub(crate) endpoint: &'static str,
    pub(crate) effort: &'static str,
    pub(crate) tier: &'static str,
    pub(crate) request: RequestId,
}

/// Shared by the attempts of one client request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId {
    pub(crate) started_ms: u64,
    pub(crate) random: u64,
}

/// How records are written: by version, zone and wished size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) shape: RecordShape,
    pub(crate) offset_minutes: i16,
    /// Least size of a record in bytes, reached by padding; 0 for none.
    pub(crate) size: usize,
}

/// About the bytes of a record without its headers and error body.
const BARE: usize = 1_050;

impl Record<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>, style: Style, prng: &mut Prng) {
        let shape = style.shape;
        let civil = Civil::of(self.started, style.offset_minutes);
        text(out, "{\"timestamp\":\"");
        civil.rfc3339_nano(out, style.offset_minutes);
        text(out, "\",\"latency_ms\":");
        number(out, self.latency_ms);
        if shape.ttft {
            text(out, ",\"ttft_ms\":");
            number(out, self.ttft_ms);
        }
        text(out, ",\"source\":");
        string(out, self.account.source().unwrap_or(&self.client.key));
        text(out, ",\"auth_index\":\"");
        text(out, &self.account.auth_index);
        out.push(b'"');
        if let (true, Some(sha)) = (shape.token_sha, &self.account.token_sha256) {
            text(out, ",\"access_token_sha256\":\"");
            text(out, sha);
            out.push(b'"');
        }
        if shape.client_meta {
            self.client_meta(out, shape);
        }
        text(out, ",\"tokens\":{");
        write_flat(out, &self.usage.flat, shape);
        text(out, "},\"failed\":");
        boolean(out, self.fault.is_some());
        if shape.generate {
            text(out, ",\"generate\":true");
        }
        if shape.v8 {
            text(out, ",\"stream\":");
            boolean(out, self.stream);
        }
        if shape.fail {
            self.fail(out);
        }
        if shape.response_headers && self.fault.is_none_or(Fault::has_headers) {
            text(out, ",\"response_headers\":");
            self.answer(style).write(out, prng);
        }
        if shape.breakdown {
            text(out, ",\"accounting_version\":2,\"token_breakdown\":{");
            write_breakdown(out, &self.usage);
            out.push(b'}');
        }
        self.identity(out, shape);
        self.ids(out, shape, prng);
        self.tiers(out, shape);
        out.push(b'}');
    }

    fn client_meta(&self, out: &mut Vec<u8>, shape: RecordShape) {
        text(out, ",\"client_ip\":\"127.0.0.1\"");
        if shape.v8 {
            text(out, ",\"resolved_client_ip\":\"127.0.0.1\"");
        }
        text(out, ",\"x_forwarded_for\":\"\",\"user_agent\":");
        string(out, self.client.agent);
    }

    fn fail(&self, out: &mut Vec<u8>) {
        text(out, ",\"fail\":{\"status_code\":");
        number(out, self.fault.map_or(200, Fault::status));
        text(out, ",\"body\":\"");
        if let Some(fault) = self.fault {
            fault.body(out, self.account, self.reset, self.started);
        }
        text(out, "\"}");
    }

    fn answer(&self, style: Style) -> Answer<'_> {
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
        Answer {
            set,
            stream: self.stream,
            html,
            retry_after: self.retry_after(),
            plan: self.account.plan.name,
            quota: self.quota,
            model: &self.model.name,
            now: self.started,
            padding: style.size.saturating_sub(BARE + headers),
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self.fault {
            Some(Fault::UsageLimit) => Some(self.reset.since(self.started).as_secs()),
            Some(Fault::RateLimit) => Some(37),
            None
            | Some(
                Fault::Unauthorized
                | Fault::Server
                | Fault::BadGateway
                | Fault::Overloaded
                | Fault::Canceled
                | Fault::Cut,
            ) => None,
        }
    }

    fn identity(&self, out: &mut Vec<u8>, shape: RecordShape) {
        let kind = self.account.kind;
        let mut field = |name: &str, value: &str| {
            text(out, name);
            string(out, value);
        };
        field(",\"provider\":", kind.provider);
        if shape.executor_type {
            field(",\"executor_type\":", kind.executor);
        }
        field(",\"model\":", &self.model.name);
        if shape.alias {
            field(",\"alias\":", &self.model.alias);
        }
        field(",\"endpoint\":", self.endpoint);
        field(",\"auth_type\":", kind.login.auth_type());
        field(",\"api_key\":", &self.client.key);
    }

    fn ids(&self, out: &mut Vec<u8>, shape: RecordShape, prng: &mut Prng) {
        text(out, ",\"request_id\":\"");
        self.request.write(out, shape);
        out.push(b'"');
        if !shape.v8 {
            return;
        }
        text(out, ",\"execution_id\":\"");
        uuid(out, prng.next_u64(), prng.next_u64(), 4);
        text(out, "\",\"trace_id\":\"");
        self.request.write(out, shape);
        out.push(b'"');
    }

    fn tiers(&self, out: &mut Vec<u8>, shape: RecordShape) {
        let mut field = |name: &str, value: &str| {
            text(out, name);
            string(out, value);
        };
        if shape.reasoning_effort {
            field(",\"reasoning_effort\":", self.effort);
        }
        if shape.service_tier {
            field(",\"service_tier\":", "auto");
        }
        if shape.request_tier {
            field(",\"request_service_tier\":", "auto");
        }
        if shape.response_tier && !self.tier.is_empty() {
            field(",\"response_service_tier\":", self.tier);
        }
        if shape.v8 && self.fault.is_none() {
            field(",\"response_model\":", &self.model.name);
        }
    }
}

impl RequestId {
    fn write(self, out: &mut Vec<u8>, shape: RecordShape) {
        if shape.long_request_id {
            // UUIDv7: 48 bits of time, the rest at random.
            uuid(
                out,
                self.started_ms << 16 | self.random >> 48,
                self.random,
                7,
            );
        } else {
            hex(out, self.random, 8);
        }
    }
}

fn uuid(out: &mut Vec<u8>, high: u64, low: u64, version: u64) {
    hex(out, high >> 32, 8);
    out.push(b'-');
    hex(out, high >> 16, 4);
    out.push(b'-');
    hex(out, version << 12 | high & 0xfff, 4);
    out.push(b'-');
    hex(out, 0x8000 | low >> 48 & 0x3fff, 4);
    out.push(b'-');
    hex(out, low, 12);
}

fn write_flat(out: &mut Vec<u8>, flat: &Flat, shape: RecordShape) {
    count(out, "\"input_tokens\":", flat.input);
    count(out, ",\"output_tokens\":", flat.output);
    count(out, ",\"reasoning_tokens\":", flat.reasoning);
    count(out, ",\"cached_tokens\":", flat.cached);
    if shape.cache_split {
        count(out, ",\"cache_read_tokens\":", flat.cache_read);
    }
    if shape.cache_read_present {
        text(out, ",\"cache_read_tokens_present\":true");
    }
    if shape.cache_split {
        count(out, ",\"cache_creation_tokens\":", flat.cache_creation);
    }
    count(out, ",\"total_tokens\":", flat.total);
}

fn write_breakdown(out: &mut Vec<u8>, usage: &Usage) {
    let all = usage.tokens;
    // Contradicting numbers leave CPA's buckets empty and put the whole total aside.
    let kinds = if usage.quality == TokenQuality::Inconsistent {
        Tokens {
            unclassified: all.total(),
            ..Tokens::default()
        }
    } else {
        all
    };
    count(out, "\"schema_version\":", 2);
    text(out, ",\"quality\":");
    string(out, usage.quality.as_str());
    count(out, ",\"total_tokens\":", all.total());
    let input = kinds.input + kinds.cache_read + kinds.cache_write;
    count(out, ",\"input\":{\"total_tokens\":", input);
    count(out, ",\"uncached_tokens\":", kinds.input);
    count(out, ",\"cache_read_tokens\":", kinds.cache_read);
    count(out, ",\"cache_write_tokens\":", kinds.cache_write);
    count(out, "},\"output\":{\"total_tokens\":", kinds.generated());
    count(out, ",\"non_reasoning_tokens\":", kinds.output);
    count(out, ",\"reasoning_tokens\":", kinds.reasoning);
    count(out, "},\"unclassified_tokens\":", kinds.unclassified);
}

fn count(out: &mut Vec<u8>, name: &str, value: u64) {
    text(out, name);
    number(out, value);
}
