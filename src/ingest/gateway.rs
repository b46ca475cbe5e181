//! Rows of a gateway's log: counted in the transaction that moves the position in the log.

use cpa_exporter_gateway::{Class, Entry, StreamEnd, TailChange};

use super::accounting::Accounting;
use crate::metrics::{GatewayItem, GatewayOutcome, GatewayRow, GatewayStreamEnd};
use crate::model::{DimId, Dimension, NANOS_PER_USD, UnixNanos};
use crate::store::{Ingest, Store, StoreError};

/// Longest model name and error class in bytes. The gateway's own columns have 191.
const MAX_NAME: usize = 191;

/// New rows, and the position behind them.
#[derive(Clone, Debug)]
pub struct GatewayBatch {
    /// Names the log, without user and password.
    pub location: String,
    pub entries: Vec<Entry>,
    /// Channels and models of the gateway's routes, whose attempts are exposed from 0 on.
    pub routes: Vec<(i64, String)>,
    /// The gateway's units per US dollar.
    pub quota_per_unit: f64,
    pub change: Option<TailChange>,
}

/// Counts and stores the batch in one transaction. After an error nothing is stored.
pub(super) fn commit_gateway(
    store: &mut Store,
    accounting: &mut Accounting,
    batch: &GatewayBatch,
    now: UnixNanos,
) -> Result<(), StoreError> {
    let committed = commit(store, accounting, batch, now);
    if committed.is_err() {
        accounting.rollback();
    }
    committed
}

fn commit(
    store: &mut Store,
    accounting: &mut Accounting,
    batch: &GatewayBatch,
    now: UnixNanos,
) -> Result<(), StoreError> {
    let mark = store.spool_mark();
    let mut open = store.begin()?;
    for (channel, model) in &batch.routes {
        let item = GatewayItem {
            channel: channel_id(&mut open, *channel),
            model: intern(&mut open, Dimension::GatewayModel, model),
            ..GatewayItem::default()
        };
        accounting.gateway(&mut open, &item);
    }
    for entry in &batch.entries {
        let item = item(&mut open, entry, batch.quota_per_unit, now);
        accounting.gateway(&mut open, &item);
    }
    if let Some(change) = &batch.change {
        open.gateway_tail(&batch.location, change)?;
    }
    accounting.commit(open, mark, now)?;
    Ok(())
}

fn item(open: &mut Ingest<'_>, entry: &Entry, quota_per_unit: f64, now: UnixNanos) -> GatewayItem {
    let row = Some(row(entry, quota_per_unit, now));
    if let Class::Foreign(kind) = entry.class {
        let log_type = intern(open, Dimension::GatewayLogType, &kind.to_string());
        return GatewayItem {
            log_type,
            row,
            ..GatewayItem::default()
        };
    }
    let mut item = GatewayItem {
        channel: channel_id(open, entry.channel_id),
        model: intern(open, Dimension::GatewayModel, &entry.model),
        row,
        ..GatewayItem::default()
    };
    if entry.class == Class::Error {
        let status = entry.status_code.map(|code| code.to_string());
        let status = status.unwrap_or_default();
        item.status = intern(open, Dimension::GatewayStatus, &status);
        item.error_type = intern(open, Dimension::GatewayErrorType, &entry.error_type);
    }
    item
}

fn row(entry: &Entry, quota_per_unit: f64, now: UnixNanos) -> GatewayRow {
    let quota = Some(entry.quota);
    let charged = GatewayRow {
        quota,
        cost_nano: Some(nano_usd(entry.quota, quota_per_unit)),
        ..GatewayRow::default()
    };
    let tokens = &entry.tokens;
    match entry.class {
        Class::Success => GatewayRow {
            outcome: Some(GatewayOutcome::Success),
            tokens: Some([
                tokens.prompt,
                tokens.completion,
                tokens.cache_read,
                tokens.cache_write,
                0,
                0,
            ]),
            input: Some([
                tokens.uncached,
                tokens.cache_read,
                tokens.cache_write,
                0,
                0,
                0,
            ]),
            duration_ms: entry.duration_ms,
            first_response_ms: entry.first_response_ms,
            stream_end: entry.stream_end.map(stream_end),
            time: Some(nanos(entry.at, now)),
            ..charged
        },
        Class::Charge => charged,
        Class::Error => GatewayRow {
            outcome: Some(GatewayOutcome::Error),
            ..GatewayRow::default()
        },
        Class::Test => GatewayRow {
            outcome: Some(GatewayOutcome::Test),
            test_quota: quota,
            ..GatewayRow::default()
        },
        Class::Refund => GatewayRow {
            refund_quota: quota,
            ..GatewayRow::default()
        },
        Class::Foreign(_) => GatewayRow::default(),
    }
}

const fn stream_end(end: StreamEnd) -> GatewayStreamEnd {
    match end {
        StreamEnd::Ok => GatewayStreamEnd::Ok,
        StreamEnd::ClientGone => GatewayStreamEnd::ClientGone,
        StreamEnd::Timeout => GatewayStreamEnd::Timeout,
        StreamEnd::ScannerError => GatewayStreamEnd::ScannerError,
        StreamEnd::PingFail => GatewayStreamEnd::PingFail,
        StreamEnd::Other => GatewayStreamEnd::Other,
    }
}

/// Never ahead of this machine's clock, which would hide all later requests.
fn nanos(seconds: i64, now: UnixNanos) -> u64 {
    let nanos = seconds.saturating_mul(1_000_000_000).min(now.get());
    u64::try_from(nanos).unwrap_or_default()
}

/// Rounded to the nano-dollar, exactly where the units per dollar are whole.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "a float becomes an integer by saturation"
)]
fn nano_usd(quota: u64, quota_per_unit: f64) -> u64 {
    let whole = quota_per_unit as u64;
    if whole > 0 && whole as f64 == quota_per_unit {
        let nanos = u128::from(quota) * u128::from(NANOS_PER_USD) + u128::from(whole / 2);
        return u64::try_from(nanos / u128::from(whole)).unwrap_or(u64::MAX);
    }
    (quota as f64 * NANOS_PER_USD as f64 / quota_per_unit).round() as u64
}

fn channel_id(open: &mut Ingest<'_>, id: i64) -> DimId {
    open.intern_configured(Dimension::GatewayChannel, &id.to_string())
}

fn intern(open: &mut Ingest<'_>, dimension: Dimension, text: &str) -> DimId {
    let end = text.floor_char_boundary(MAX_NAME);
    open.intern_configured(dimension, text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_is_converted_exactly() {
        for (quota, per_unit, nanos) in [
            (500_000, 500_000.0, 1_000_000_000),
            (1, 500_000.0, 2000),
            (1, 3.0, 333_333_333),
            (2, 3.0, 666_666_667),
            (u64::MAX, 1.0, u64::MAX),
            (1, 0.5, 2_000_000_000),
        ] {
            assert_eq!(nano_usd(quota, per_unit), nanos, "{quota} by {per_unit}");
        }
    }
}
