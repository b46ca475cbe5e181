//! What CPA tells subscribers of `errors` about a failed attempt.

use super::failure::Fault;
use super::json::{Civil, boolean, number, string, text};
use super::kinds::Kind;
use super::quota::Quota;
use super::world::{Account, Model};
use crate::model::UnixNanos;

#[derive(Debug)]
pub(crate) struct ErrorEvent<'a> {
    pub(crate) account: &'a Account,
    pub(crate) model: &'a Model,
    pub(crate) quota: &'a Quota,
    pub(crate) fault: Fault,
    pub(crate) now: UnixNanos,
    pub(crate) offset_minutes: i16,
}

impl ErrorEvent<'_> {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        let kind = self.account.kind;
        text(&mut out, "{\"timestamp\":\"");
        self.time(&mut out, self.now);
        text(&mut out, "\",\"provider\":");
        string(&mut out, kind.provider);
        // The name the client used, unlike in the record.
        text(&mut out, ",\"model\":");
        string(&mut out, &self.model.alias);
        text(&mut out, ",\"auth_id\":");
        string(&mut out, &self.auth_id(kind));
        text(&mut out, ",\"auth_index\":");
        string(&mut out, &self.account.auth_index);
        text(&mut out, ",\"status_code\":");
        // A stream that broke after its 200 is no success for the credential.
        number(&mut out, self.fault.status().max(400));
        text(&mut out, ",\"body\":\"");
        self.body(&mut out);
        text(&mut out, "\",\"auth_status\":{");
        self.status(&mut out);
        text(&mut out, ",\"disabled\":false,\"unavailable\":");
        boolean(&mut out, self.rests());
        self.retry(&mut out);
        text(&mut out, ",\"model\":{\"name\":");
        string(&mut out, &self.model.alias);
        out.push(b',');
        self.status(&mut out);
        text(&mut out, ",\"unavailable\":");
        boolean(&mut out, self.rests());
        self.retry(&mut out);
        if self.fault.status() == 429 {
            text(&mut out, ",\"quota\":{\"exceeded\":");
            boolean(&mut out, self.rests());
            text(&mut out, ",\"reason\":\"quota\"}");
        }
        text(&mut out, "}}}");
        out
    }

    fn rests(&self) -> bool {
        self.fault == Fault::UsageLimit
    }

    fn status(&self, out: &mut Vec<u8>) {
        text(out, "\"status\":\"error\",\"status_message\":\"");
        self.body(out);
        out.push(b'"');
    }

    fn body(&self, out: &mut Vec<u8>) {
        let kind = self.account.kind;
        self.fault.body(out, kind, self.quota, self.now);
    }

    fn retry(&self, out: &mut Vec<u8>) {
        if self.rests() {
            text(out, ",\"next_retry_after\":\"");
            self.time(out, self.quota.primary.reset);
            out.push(b'"');
        }
    }

    fn time(&self, out: &mut Vec<u8>, time: UnixNanos) {
        Civil::of(time, self.offset_minutes).rfc3339_nano(out, self.offset_minutes);
    }

    /// File name of an auth file, kind and a piece of a hash for a config key.
    fn auth_id(&self, kind: &Kind) -> String {
        let index = &self.account.auth_index;
        let hash = index.get(..12).unwrap_or(index);
        if kind.is_file() {
            self.account.file.clone()
        } else if kind.list == "openai-compatibility" {
            format!("{}:{}:{hash}", kind.list, kind.short_name())
        } else {
            format!("{}:apikey:{hash}", kind.provider)
        }
    }
}
