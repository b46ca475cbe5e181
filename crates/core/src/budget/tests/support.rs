use std::sync::Arc;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::super::*;
use crate::model::{DimId, Dimension, Limit, Route, Tokens, UnixNanos};

pub(super) const SECOND: i64 = 1_000_000_000;
pub(super) const HOUR: i64 = 3600 * SECOND;
pub(super) const DAY: i64 = 24 * HOUR;

/// `2026-02-04T10:00:00+08:00`.
pub(super) fn at(text: &str) -> UnixNanos {
    let at: jiff::Timestamp = text.parse().unwrap();
    UnixNanos::new(i64::try_from(at.as_nanosecond()).unwrap())
}

pub(super) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

pub(super) fn calendar(every: Every, clock: &str, zone_name: &str) -> Calendar {
    let clock: Time = clock.parse().unwrap();
    Calendar::new(every, clock, zone(zone_name))
}

/// A successful request with this many tokens.
pub(super) fn request(at: UnixNanos, tokens: u64) -> Entry {
    Entry {
        at: at.get(),
        latency_ms: 1000,
        tokens: Tokens {
            input: tokens,
            ..Tokens::default()
        },
        failed: false,
        generate: true,
        cost: 0,
        value: 0,
    }
}

pub(super) fn paid(at: UnixNanos, nanos: u64) -> Entry {
    Entry {
        cost: nanos,
        value: nanos,
        ..request(at, 1000)
    }
}

pub(super) fn quota(name: &str, measure: Measure, period: Period, limit: Option<u64>) -> QuotaRule {
    QuotaRule {
        name: Limit::new(name).unwrap(),
        selector: Selector::default(),
        measure,
        period,
        split: Split::Account,
        limit,
    }
}

pub(super) fn budget(name: &str, calendar: Calendar, usd: u64) -> BudgetRule {
    BudgetRule {
        name: name.to_owned(),
        period: String::new(),
        scope: String::new(),
        selector: Selector::default(),
        calendar,
        list_value: false,
        limit: usd * 1_000_000_000,
        thresholds: vec![0.5, 0.8, 1.0],
    }
}

pub(super) fn usage(rules: Rules, now: UnixNanos) -> UsageCounters {
    let mut usage = UsageCounters::new(Arc::new(rules), now);
    let names: [(Dimension, u32, &[&str]); 8] = [
        (Dimension::Provider, 1, &["glm"]),
        (Dimension::Provider, 2, &["codex"]),
        (Dimension::Account, 1, &["aaaa1111", "glm-aaaa11", "work"]),
        (Dimension::Account, 2, &["bbbb2222", "codex-bbbb22"]),
        (Dimension::Client, 1, &["sk-...9f3x-7c21", "alice"]),
        (Dimension::Client, 2, &["sk-...0000-1111"]),
        (Dimension::Model, 1, &["glm-4.7"]),
        (Dimension::Model, 2, &["gpt-5.5"]),
    ];
    for (dimension, id, texts) in names {
        usage.name(dimension, DimId(id), texts);
    }
    usage
}

/// A route from the ids of provider, account, client and model.
pub(super) fn route(parts: [u32; 4]) -> Route {
    let [provider, account, client, model] = parts.map(DimId);
    Route {
        provider,
        model,
        account,
        client,
        ..Route::default()
    }
}

pub(super) fn glm() -> Route {
    route([1, 1, 1, 1])
}

/// The usage of the first quota rule for the first account.
pub(super) fn used(usage: &mut UsageCounters, now: UnixNanos) -> u64 {
    usage.quotas(now).next().map_or(0, |state| state.count.used)
}
