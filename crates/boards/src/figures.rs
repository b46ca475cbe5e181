//! The values of the made-up history.

use crate::catalogue::Family;
use crate::seed::One;
use crate::world::{Account, Quota};

/// The same figures in every run.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit")]
    pub(crate) fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }

    /// Around the mean, mostly nothing where the mean is small.
    pub(crate) fn count(&mut self, mean: f64) -> f64 {
        (mean + self.roll()).floor()
    }
}

/// Quiet nights, busy afternoons.
#[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
pub(crate) fn activity(at: i64) -> f64 {
    let hour = (at.rem_euclid(86_400)) as f64 / 3600.0;
    0.08 + (1.0 + ((hour - 15.0) / 24.0 * std::f64::consts::TAU).cos()).powi(2) / 4.0
}

/// Growth per minute at full activity.
pub(crate) fn growth(family: &Family, one: &One) -> f64 {
    let label = |name: &str| one.labels.iter().find(|(l, _)| *l == name).map(|(_, v)| *v);
    let weight = match label("kind") {
        Some("cache_read") => 40_000.0,
        Some("input") => 4_000.0,
        Some("cache_write") => 1_200.0,
        Some("unclassified") => 3.0,
        Some(_) => 800.0,
        None if family.name.contains("tokens") => 46_800.0,
        None => 0.25,
    };
    let rare = match family.name {
        "cpa_request_failures_total"
        | "cpa_client_request_failures_total"
        | "cpa_account_errors_total" => 0.008,
        "cpa_ingest_records_total" => 12.0,
        "cpa_ingest_bytes_total" => 24_000.0,
        "process_cpu_seconds_total" => 2.0,
        name if name.contains("rejects") || name.contains("failures") => 0.2,
        name if name.contains("duplicates") || name.contains("reconnects") => 0.5,
        name if name.contains("overflows") || name.contains("dropped") => 0.5,
        name if name.contains("gap") || name.contains("cuts") || name.contains("full") => 0.2,
        _ => 1.0,
    };
    weight * rare
}

/// The last reset at or before `at`, the running window at the end being `elapsed` old.
pub(crate) fn reset_before(quota: &Quota, end: i64, at: i64) -> i64 {
    let last = end - quota.elapsed;
    last + (at - last).div_euclid(quota.seconds) * quota.seconds
}

#[expect(clippy::cast_precision_loss, reason = "seconds")]
pub(crate) fn of_quota(name: &str, quota: &Quota, end: i64, at: i64) -> Option<f64> {
    let since = reset_before(quota, end, at);
    let elapsed = (at - since) as f64 / quota.seconds as f64;
    let used = (elapsed * quota.pace).min(1.0);
    let total = 1_000_000.0;
    match name {
        "cpa_quota_used_ratio" => Some(used),
        "cpa_quota_used" | "cpa_quota_window_tokens" => Some(used * total),
        "cpa_quota_limit" => Some(total),
        "cpa_quota_remaining" => Some(total * (1.0 - used)),
        "cpa_quota_reset_timestamp_seconds" => Some((since + quota.seconds) as f64),
        "cpa_quota_window_list_value_usd" => Some(used * 20.0),
        "cpa_quota_window_seconds" => Some(quota.seconds as f64),
        "cpa_quota_exhausted" => Some(f64::from(u8::from(used >= 1.0))),
        "cpa_quota_exhaustion_timestamp_seconds" => {
            (quota.pace > 1.0 && elapsed > 0.1 && used < 1.0)
                .then(|| since as f64 + quota.seconds as f64 / quota.pace)
        }
        "cpa_quota_observed_timestamp_seconds" => Some((at - at.rem_euclid(240)) as f64),
        _ => Some(1.0),
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds")]
pub(crate) fn of_account(
    name: &str,
    one: &One,
    account: &Account,
    end: i64,
    at: i64,
) -> Option<f64> {
    // It stopped serving two hours before the end.
    let state = if at > end - 7200 { account.state } else { 0 };
    let status = one.labels.iter().find(|(label, _)| *label == "status");
    let names = [
        "active", "unknown", "pending", "disabled", "cooling", "error",
    ];
    match name {
        "cpa_account_up" => Some(f64::from(u8::from(state == 0))),
        "cpa_account_state" => Some(f64::from(state)),
        "cpa_accounts" | "cpa_account_status" => Some(f64::from(u8::from(
            status.is_some_and(|(_, s)| *s == names[usize::from(state)]),
        ))),
        "cpa_account_cooldown_until_timestamp_seconds" => {
            (state == 4).then_some((end + 2700) as f64)
        }
        "cpa_account_next_retry_timestamp_seconds" => (state == 5).then_some((end + 600) as f64),
        "cpa_account_subscription_end_timestamp_seconds" => {
            Some((end + 86_400 * i64::from(account.state + 2)) as f64)
        }
        name if name.ends_with("_timestamp_seconds") => Some((at - 300) as f64),
        "cpa_credits_balance" => Some(1200.0 - (at.rem_euclid(86_400)) as f64 / 200.0),
        _ => Some(1.0),
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds")]
pub(crate) fn of_exporter(name: &str, one: &One, at: i64) -> f64 {
    let label = one.labels.last().map_or("", |(_, value)| *value);
    match name {
        "cpa_ingest_mode" => f64::from(u8::from(label == "subscribe")),
        "cpa_access_refused" | "cpa_ingest_starved" => 0.0,
        "scrape_duration_seconds" => 0.018 + activity(at) / 100.0,
        "cpa_exporter_render_seconds" => 0.004,
        "cpa_exporter_series" => 1460.0,
        "cpa_clock_skew_seconds" => 0.12,
        "cpa_store_events" => 182_340.0,
        "cpa_store_rejects" => 3.0,
        "process_open_fds" | "process_threads" => 14.0,
        "process_start_time_seconds" => 1_700_000_000.0,
        "cpa_store_oldest_event_timestamp_seconds" => (at - 86_400 * 60) as f64,
        name if name.ends_with("_timestamp_seconds") => (at - 40) as f64,
        name if name.contains("pending") => 20_000.0,
        name if name.ends_with("_bytes") => 64e6 + (at.rem_euclid(864_000)) as f64 * 10.0,
        _ => 1.0,
    }
}
