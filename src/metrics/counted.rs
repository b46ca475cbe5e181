//! The items that counters count, and the labels that these have.

#![expect(
    clippy::indexing_slicing,
    reason = "an array has a place for each kind of label"
)]

use std::time::Duration;

use super::counter::{Amount, MAX_VALUES};
use super::labels::LabelKind;
use crate::model::{Control, DimId, Event, Money, RejectReason, Route, UnixNanos};

/// A new event with its route and price.
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
    pub(super) record: &'a RecordItem<'a>,
}

/// A received payload of any kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    pub(super) bytes: u64,
}

/// Result of decoding a payload.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome<'a> {
    /// A new event.
    Event(&'a RecordItem<'a>),
    Duplicate,
    Reject(RejectReason),
    Control(Control),
}

/// The commit of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commit {
    /// Time from the end of the request.
    pub(super) lag: Duration,
}

/// Reads what an item adds to a counter.
pub(super) type RecordAmount = for<'a> fn(&'a RecordItem<'_>) -> Amount<'a>;
pub(super) type ReferenceAmount = for<'a> fn(&'a OfReference) -> Amount<'a>;
pub(super) type ComboAmount = for<'a> fn(&'a OfCombo<'_>) -> Amount<'a>;
pub(super) type PayloadAmount = for<'a> fn(&'a Payload) -> Amount<'a>;
pub(super) type OutcomeAmount = for<'a> fn(&'a Outcome<'_>) -> Amount<'a>;
pub(super) type CommitAmount = for<'a> fn(&'a Commit) -> Amount<'a>;

/// A record with values that several counters use.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordItem<'a> {
    pub(super) event: &'a Event<'a>,
    pub(super) route: &'a Route,
    pub(super) money: Option<&'a Money>,
    /// Start of the request. A clock that is ahead counts as the time of receipt: otherwise its
    /// time would hide all later ones until the clocks agree.
    pub(super) time: UnixNanos,
    /// In the order of `TokenKind::ALL`.
    pub(super) tokens: [u64; MAX_VALUES],
    /// List value in nano-dollars, in the order of `TokenKind::ALL`.
    pub(super) values: Option<[u64; MAX_VALUES]>,
}

impl<'a> From<&Record<'a>> for RecordItem<'a> {
    fn from(record: &Record<'a>) -> Self {
        let value = record.money.and_then(|money| money.value);
        Self {
            event: record.event,
            route: record.route,
            money: record.money,
            time: record.event.timestamp.min(record.received),
            tokens: record.event.tokens.by_kind(),
            values: value.map(|value| value.by_kind()),
        }
    }
}

impl RecordItem<'_> {
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
pub(super) struct LabelIds([u32; LabelKind::PLACES]);

impl LabelIds {
    #[inline]
    pub(super) fn with(mut self, kind: LabelKind, id: DimId) -> Self {
        self.0[kind.place()] = id.0;
        self
    }

    pub(super) fn get(&self, kind: LabelKind) -> u32 {
        self.0[kind.place()]
    }
}
