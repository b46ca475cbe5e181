//! What counters count of a gateway: rows of its log, and its routes.

use super::counted::LabelIds;
use super::counter::{Amount, MAX_VALUES};
use super::labels::LabelKind;
use crate::model::{DimId, LabelValue as _, label_enum};

label_enum! {
    /// Result of an attempt on a channel.
    pub enum GatewayOutcome {
        Success = "success",
        Error = "error",
        /// The gateway's own test of a channel.
        Test = "test",
    }
}

label_enum! {
    /// Tokens as a gateway stores them.
    pub enum GatewayTokens {
        Prompt = "prompt",
        Completion = "completion",
        CacheRead = "cache_read",
        CacheWrite = "cache_write",
    }
}

label_enum! {
    /// Disjoint parts of the input.
    pub enum GatewayInput {
        None = "none",
        Read = "read",
        Write = "write",
    }
}

label_enum! {
    /// End of a stream.
    pub enum GatewayStreamEnd {
        Ok = "ok",
        ClientGone = "client_gone",
        Timeout = "timeout",
        ScannerError = "scanner_error",
        PingFail = "ping_fail",
        Other = "other",
    }
}

/// Reads what an item adds to a counter.
pub(super) type GatewayAmount = for<'a> fn(&'a GatewayItem) -> Amount<'a>;

/// An item of a gateway, with the numbers of its labels.
#[derive(Clone, Debug, Default)]
pub struct GatewayItem {
    pub channel: DimId,
    pub model: DimId,
    /// Of an error.
    pub status: DimId,
    pub error_type: DimId,
    /// Of a row that is not read.
    pub log_type: DimId,
    /// `None` for a route: its attempts exist, and are 0.
    pub row: Option<GatewayRow>,
}

/// What a row of the log counts.
#[derive(Clone, Debug, Default)]
pub struct GatewayRow {
    pub outcome: Option<GatewayOutcome>,
    /// In the order of [`GatewayTokens`].
    pub tokens: Option<[u64; MAX_VALUES]>,
    /// In the order of [`GatewayInput`].
    pub input: Option<[u64; MAX_VALUES]>,
    /// In the gateway's units.
    pub quota: Option<u64>,
    pub refund_quota: Option<u64>,
    pub test_quota: Option<u64>,
    pub cost_nano: Option<u64>,
    pub duration_ms: Option<u64>,
    pub first_response_ms: Option<u64>,
    pub stream_end: Option<GatewayStreamEnd>,
    /// Unix nanoseconds of a request.
    pub time: Option<u64>,
}

const NOTHING: [u64; MAX_VALUES] = [0; MAX_VALUES];

impl GatewayItem {
    pub(super) fn labels(&self) -> LabelIds {
        LabelIds::default()
            .with(LabelKind::GatewayChannel, self.channel)
            .with(LabelKind::GatewayModel, self.model)
            .with(LabelKind::GatewayStatus, self.status)
            .with(LabelKind::GatewayErrorType, self.error_type)
            .with(LabelKind::GatewayLogType, self.log_type)
    }

    pub(super) fn attempt(&self) -> Amount<'_> {
        match &self.row {
            None => Amount::Each(&NOTHING),
            Some(row) => row
                .outcome
                .map_or(Amount::Nothing, |outcome| Amount::OneAt(outcome.index())),
        }
    }

    pub(super) fn error(&self) -> Amount<'_> {
        let outcome = self.row.as_ref().and_then(|row| row.outcome);
        Amount::one_if(outcome == Some(GatewayOutcome::Error))
    }

    pub(super) fn stream_end(&self) -> Amount<'_> {
        let end = self.row.as_ref().and_then(|row| row.stream_end);
        end.map_or(Amount::Nothing, |end| Amount::OneAt(end.index()))
    }

    pub(super) fn foreign(&self) -> Amount<'_> {
        Amount::one_if(self.log_type != DimId::NONE)
    }

    pub(super) fn each(
        &self,
        read: impl Fn(&GatewayRow) -> Option<&[u64; MAX_VALUES]>,
    ) -> Amount<'_> {
        self.row
            .as_ref()
            .and_then(read)
            .map_or(Amount::Nothing, Amount::Each)
    }

    pub(super) fn of(&self, read: impl Fn(&GatewayRow) -> Option<u64>) -> Amount<'static> {
        self.row.as_ref().and_then(read).into()
    }
}
