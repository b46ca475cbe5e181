//! The items that counters count, and the labels that these have.

#![expect(
    clippy::indexing_slicing,
    reason = "an array has an entry for each kind of label"
)]

use std::time::Duration;

use super::counter::Amount;
use super::labels::LabelKind;
use crate::model::{Control, DimId, Event, Money, RejectReason, Route, UnixNanos};

/// A new event with everything that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub event: &'a Event<'a>,
    pub route: &'a Route,
    /// `None` if no price list was consulted.
    pub money: Option<&'a Money>,
    /// The configured groups of models that the event belongs to.
    pub combos: &'a [DimId],
    pub received: UnixNanos,
}

/// A record beside a reference price.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfReference {
    pub(super) reference: DimId,
    pub(super) provider: DimId,
    pub(super) nanos: u64,
}

/// A record as part of a group of models.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfCombo<'a> {
    pub(super) combo: DimId,
    pub(super) record: &'a Record<'a>,
}

/// A step of the ingest of payloads.
#[derive(Clone, Copy, Debug)]
pub(super) enum IngestStep<'a> {
    /// Received a payload of this many bytes.
    Payload(usize),
    /// Decoded a new event.
    Event(&'a Record<'a>),
    Duplicate,
    Reject(RejectReason),
    Control(Control),
    /// Committed an event, this long after the end of its request.
    Commit(Duration),
}

/// Reads what an item adds to a counter.
pub(super) type RecordAmount = fn(&Record<'_>) -> Amount;
pub(super) type ReferenceAmount = fn(&OfReference) -> Amount;
pub(super) type ComboAmount = fn(&OfCombo<'_>) -> Amount;
pub(super) type IngestAmount = fn(&IngestStep<'_>) -> Amount;

impl Record<'_> {
    /// Start of the request. A clock that is ahead counts as the time of receipt: otherwise its
    /// time would hide all later ones until the clocks agree.
    pub(super) fn time(&self) -> UnixNanos {
        self.event.timestamp.min(self.received)
    }

    pub(super) fn labels(&self) -> LabelIds {
        let route = self.route;
        let mut labels = LabelIds::default()
            .with(LabelKind::Provider, route.provider)
            .with(LabelKind::Model, route.model)
            .with(LabelKind::Account, route.account)
            .with(LabelKind::Client, route.client)
            .with(LabelKind::Endpoint, route.endpoint)
            .with(LabelKind::Executor, route.executor)
            .with(LabelKind::Tier, route.service_tier)
            .with(LabelKind::Effort, route.reasoning_effort);
        if let Some(failure) = &self.event.failure {
            labels = labels
                .with(LabelKind::Code, DimId(failure.status.into()))
                .with(LabelKind::Reason, DimId(failure.reason.code().into()));
        }
        labels
    }
}

impl OfReference {
    pub(super) fn labels(&self) -> LabelIds {
        LabelIds::default()
            .with(LabelKind::Reference, self.reference)
            .with(LabelKind::Provider, self.provider)
    }
}

impl OfCombo<'_> {
    pub(super) fn labels(&self) -> LabelIds {
        LabelIds::default()
            .with(LabelKind::Combo, self.combo)
            .with(LabelKind::Model, self.record.route.model)
    }
}

/// An id for each kind of label; 0 is the absent value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct LabelIds([u32; LabelKind::ALL.len()]);

impl LabelIds {
    #[inline]
    fn with(mut self, kind: LabelKind, id: DimId) -> Self {
        self.0[kind as usize] = id.0;
        self
    }

    pub(super) fn get(&self, kind: LabelKind) -> u32 {
        self.0[kind as usize]
    }
}
