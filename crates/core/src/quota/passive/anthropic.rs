//! `Anthropic-Ratelimit-Unified-*`: ratios from 0 to 1, unlike the usage endpoint.

use std::collections::BTreeSet;

use super::Headers;
use crate::json::{number, time};
use crate::model::{Limit, QuotaAnswer, Reading, Scope, UnixNanos, Window};
use crate::quota::providers::limit_of_claim;

const PREFIX: &str = "anthropic-ratelimit-unified-";

pub(super) fn read(headers: &Headers<'_>, observed: UnixNanos) -> QuotaAnswer {
    let claims: BTreeSet<&str> = headers.names().filter_map(claim).collect();
    let rows = claims
        .into_iter()
        .filter_map(|claim| row(headers, claim, observed));
    let mut readings: Vec<Reading> = rows.collect();
    readings.extend(overage(headers));
    QuotaAnswer {
        readings,
        ..QuotaAnswer::default()
    }
}

/// `…-7d_oi-status` → `7d_oi`.
fn claim(header: &str) -> Option<&str> {
    let rest = header.strip_prefix(PREFIX)?;
    let (claim, _) = rest
        .split_once("-utilization")
        .or_else(|| rest.split_once("-status"))?;
    claim
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(claim)
}

fn row(headers: &Headers<'_>, claim: &str, observed: UnixNanos) -> Option<Reading> {
    let get = |what: &str| headers.get(&[PREFIX, claim, "-", what]);
    let (limit, window, scope) = limit_of_claim(claim)?;
    let reset = get("reset").and_then(time);
    if reset.is_some_and(|reset| reset <= observed) {
        // A window that has ended says nothing about the next one.
        return None;
    }
    let row = Reading::new(limit, window, scope)
        .with_ratio(get("utilization").and_then(number))
        .with_reset(reset)
        .with_exhausted(get("status").and_then(rejected));
    Some(row)
}

fn rejected(status: &str) -> Option<bool> {
    match status {
        "rejected" => Some(true),
        "allowed" | "allowed_warning" => Some(false),
        _ => None,
    }
}

/// The status is `rejected` even if no overage was bought, so only the ratio is used.
fn overage(headers: &Headers<'_>) -> Option<Reading> {
    let share = headers.get(&[PREFIX, "overage-utilization"]);
    let share = share.and_then(number)?;
    let row = Reading::new(Limit::new("extra_usage")?, Window::MONTH, Scope::Spend);
    Some(row.with_ratio(Some(share)))
}
