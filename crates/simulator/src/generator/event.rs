//! The event of a failed attempt for subscribers of `errors`.

use serde_json::json;

use super::failure::{Fault, Refusal};
use super::json::{bytes, rfc3339_in, without_nulls};
use super::kinds::Kind;
use super::standing::Standing;
use super::world::{Account, Model};
use cpa_exporter_core::model::UnixNanos;

#[derive(Debug)]
pub(crate) struct ErrorEvent<'a> {
    pub(crate) account: &'a Account,
    pub(crate) model: &'a Model,
    pub(crate) standing: &'a Standing,
    /// End of the model's cool-down, if there is one.
    pub(crate) until: Option<UnixNanos>,
    pub(crate) fault: Fault,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) now: UnixNanos,
    pub(crate) offset_minutes: i16,
}

impl ErrorEvent<'_> {
    pub(crate) fn write(&self) -> Vec<u8> {
        let (kind, standing, now) = (self.account.kind, self.standing, self.now);
        let time = |time| rfc3339_in(time, self.offset_minutes);
        let reset = self.refusal.map_or(now, |refusal| refusal.reset);
        let body = self.fault.body(self.account, reset, now);
        let limited = self.fault.status() == 429;
        // Claude's windows apply to all models of the credential.
        let whole = self.refusal.is_some_and(|refusal| refusal.whole);
        let reason = if whole { "credential_quota" } else { "quota" };
        let recover = self.until.map(time);
        let quota = limited
            .then(|| json!({ "exceeded": true, "reason": reason, "next_recover_at": recover }));
        bytes(&without_nulls(json!({
            "timestamp": time(now), "provider": kind.provider,
            // The requested model, unlike in the record.
            "model": self.model.alias,
            "auth_id": self.auth_id(kind), "auth_index": self.account.auth_index,
            // A stream that was interrupted after status 200 is a failure of the credential.
            "status_code": self.fault.status().max(400), "body": body,
            "code": limited.then_some("rate_limit"), "retryable": limited.then_some(true),
            "auth_status": {
                "status": "error", "status_message": body,
                "disabled": standing.is_disabled(), "unavailable": standing.is_unavailable(now),
                "next_retry_after": standing.retry_after(now).map(time),
                "model": {
                    "name": self.model.alias, "status": "error", "status_message": body,
                    "unavailable": self.until.is_some(), "next_retry_after": recover,
                    "quota": quota,
                },
            },
        })))
    }

    /// File name of an auth file; kind and part of a hash for a config key.
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
