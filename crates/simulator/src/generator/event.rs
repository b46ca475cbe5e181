//! What CPA tells subscribers of `errors` about a failed attempt.

use super::failure::{Fault, Refusal};
use super::json::{Civil, boolean, number, string, text};
use super::kinds::Kind;
use super::standing::Standing;
use super::world::{Account, Model};
use cpa_exporter_core::model::UnixNanos;

#[derive(Debug)]
pub(crate) struct ErrorEvent<'a> {
    pub(crate) account: &'a Account,
    pub(crate) model: &'a Model,
    pub(crate) standing: &'a Standing,
    /// When the model may be used again, if it rests.
    pub(crate) until: Option<UnixNanos>,
    pub(crate) fault: Fault,
    pub(crate) refusal: Option<Refusal>,
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
        out.push(b'"');
        if self.fault.status() == 429 {
            text(&mut out, ",\"code\":\"rate_limit\",\"retryable\":true");
        }
        text(&mut out, ",\"auth_status\":{");
        self.status(&mut out);
        text(&mut out, ",\"disabled\":");
        boolean(&mut out, self.standing.is_disabled());
        let unavailable = self.standing.is_unavailable(self.now);
        text(&mut out, ",\"unavailable\":");
        boolean(&mut out, unavailable);
        self.retry(&mut out, self.standing.retry_after(self.now));
        text(&mut out, ",\"model\":{\"name\":");
        string(&mut out, &self.model.alias);
        out.push(b',');
        self.status(&mut out);
        text(&mut out, ",\"unavailable\":");
        boolean(&mut out, self.until.is_some());
        self.retry(&mut out, self.until);
        if self.fault.status() == 429 {
            self.quota(&mut out);
        }
        text(&mut out, "}}}");
        out
    }

    fn quota(&self, out: &mut Vec<u8>) {
        text(out, ",\"quota\":{\"exceeded\":true,\"reason\":\"");
        // Claude's windows hold for all models of the credential.
        let whole = self.refusal.is_some_and(|refusal| refusal.whole);
        text(out, if whole { "credential_quota" } else { "quota" });
        out.push(b'"');
        if let Some(until) = self.until {
            text(out, ",\"next_recover_at\":\"");
            self.time(out, until);
            out.push(b'"');
        }
        out.push(b'}');
    }

    fn status(&self, out: &mut Vec<u8>) {
        text(out, "\"status\":\"error\",\"status_message\":\"");
        self.body(out);
        out.push(b'"');
    }

    fn body(&self, out: &mut Vec<u8>) {
        let reset = self.refusal.map_or(self.now, |refusal| refusal.reset);
        self.fault.body(out, self.account, reset, self.now);
    }

    fn retry(&self, out: &mut Vec<u8>, until: Option<UnixNanos>) {
        if let Some(until) = until {
            text(out, ",\"next_retry_after\":\"");
            self.time(out, until);
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
