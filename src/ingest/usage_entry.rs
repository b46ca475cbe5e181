//! What limits and quota windows count of one event.

use crate::budget::Entry;
use crate::model::{Event, Money, Route};
use crate::store::PastEvent;

/// A route and the usage of one event.
pub(super) type UsageEntry = (Route, Entry);

/// The usage of a stored event.
pub(super) fn stored_entry(event: &PastEvent) -> UsageEntry {
    let entry = Entry {
        at: event.at.get(),
        latency_ms: event.latency_ms,
        tokens: event.tokens,
        failed: event.failed,
        generate: event.generate,
        cost: event.cost,
        value: event.value,
    };
    (event.route, entry)
}

/// The usage of a new event.
pub(super) fn usage_entry(event: &Event<'_>, route: &Route, money: &Money) -> UsageEntry {
    let entry = Entry {
        at: event.timestamp.get(),
        latency_ms: event.latency_ms,
        tokens: event.tokens,
        failed: !event.is_success(),
        generate: event.generate,
        cost: money.cost().unwrap_or_default(),
        value: money.value.map_or(0, |value| value.total()),
    };
    (*route, entry)
}
