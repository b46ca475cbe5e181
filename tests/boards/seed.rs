//! The household's figures as OpenMetrics with timestamps, which promtool makes into blocks: a
//! Prometheus with history and without waiting. What a family looks like comes from the catalogue.

use std::fmt::Write as _;

use crate::catalogue::{self, Family, Shape};
use crate::world::{ACCOUNTS, Account, FAILURES, Quota, reasons, values};

/// Seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
}

type Labels = Vec<(&'static str, &'static str)>;

/// One series: its labels, and whom it is about.
#[derive(Debug)]
struct One {
    labels: Labels,
    account: Option<&'static Account>,
    quota: Option<&'static Quota>,
}

pub(crate) fn openmetrics(span: Span) -> String {
    let mut out = String::new();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for family in catalogue::all() {
        let shape = match family.shape {
            Shape::Counter => "counter",
            Shape::Gauge => "gauge",
            Shape::Histogram => "histogram",
            Shape::Summary => "summary",
        };
        let name = family.name.strip_suffix("_total").unwrap_or(family.name);
        writeln!(out, "# TYPE {name} {shape}").unwrap();
        for one in series(family) {
            match family.shape {
                Shape::Counter => counter(&mut out, span, family, &one, &mut dice),
                Shape::Gauge => gauge(&mut out, span, family, &one),
                Shape::Histogram | Shape::Summary => {
                    observations(&mut out, span, family, &one, &mut dice);
                }
            }
        }
    }
    out + "# EOF\n"
}

/// All label sets of a family.
fn series(family: &Family) -> Vec<One> {
    if family.name == "ALERTS" {
        return vec![firing("CPAQuotaUsageHigh", "critical", 0), firing("CPAAccountDown", "warning", 3)];
    }
    let has = |label: &str| family.labels.contains(&label);
    let mut all = vec![One {
        labels: vec![("job", "cpa"), ("instance", "exporter:9318")],
        account: None,
        quota: None,
    }];
    if has("account") || has("provider") || has("model") {
        all = each(all, |one| of_accounts(family, one));
    }
    if has("limit") {
        all = each(all, |one| of_quotas(family, one));
    }
    for label in family.labels {
        let done = ["provider", "model", "account", "plan", "auth_type", "limit", "window", "code"];
        if done.contains(label) || (has("limit") && *label == "scope") {
            continue;
        }
        let domain = match *label {
            "reason" if has("code") => continue,
            "reason" => reasons(family.name),
            label => values(label),
        };
        all = each(all, |one| domain.iter().map(|v| with(&one, label, v)).collect());
    }
    if has("code") {
        all = each(all, |one| {
            let failures = FAILURES.iter();
            failures
                .map(|(code, reason)| {
                    let one = with(&one, "code", code);
                    if has("reason") { with(&one, "reason", reason) } else { one }
                })
                .collect()
        });
    }
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    all.dedup_by(|a, b| a.labels == b.labels);
    all
}

fn firing(alert: &'static str, severity: &'static str, account: usize) -> One {
    let account = &ACCOUNTS[account];
    let labels = vec![
        ("job", "cpa"),
        ("instance", "exporter:9318"),
        ("alertname", alert),
        ("alertstate", "firing"),
        ("severity", severity),
        ("account", account.name),
        ("window", account.quotas[0].window),
    ];
    One {
        labels,
        account: None,
        quota: None,
    }
}

fn each(all: Vec<One>, change: impl Fn(One) -> Vec<One>) -> Vec<One> {
    all.into_iter().flat_map(change).collect()
}

fn with(one: &One, label: &'static str, value: &'static str) -> One {
    let mut labels = one.labels.clone();
    if !value.is_empty() {
        labels.push((label, value));
    }
    One { labels, ..*one }
}

fn of_accounts(family: &Family, one: One) -> Vec<One> {
    let has = |label: &str| family.labels.contains(&label);
    let mut all = Vec::new();
    for account in ACCOUNTS {
        let mut one = One {
            account: Some(account),
            labels: one.labels.clone(),
            quota: None,
        };
        let of_account = [
            ("provider", account.provider),
            ("account", account.name),
            ("plan", account.plan),
            ("auth_type", account.auth_type),
        ];
        for (label, value) in of_account {
            if has(label) {
                one = with(&one, label, value);
            }
        }
        if has("model") {
            all.extend(account.models.iter().map(|model| with(&one, "model", model)));
        } else {
            all.push(one);
        }
    }
    all
}

fn of_quotas(family: &Family, one: One) -> Vec<One> {
    let quotas = one.account.expect("an account").quotas.iter();
    let with_quota = quotas.map(|quota| {
        let mut one = with(&one, "limit", quota.limit);
        if family.labels.contains(&"window") {
            one = with(&one, "window", quota.window);
        }
        if family.labels.contains(&"scope") {
            one = with(&one, "scope", quota.scope);
        }
        One {
            quota: Some(quota),
            ..one
        }
    });
    with_quota.collect()
}

fn line(out: &mut String, name: &str, labels: &Labels, more: Option<(&str, &str)>, value: f64, at: i64) {
    let labels = labels.iter().copied().chain(more);
    let labels: Vec<String> = labels.map(|(name, text)| format!("{name}=\"{text}\"")).collect();
    writeln!(out, "{name}{{{}}} {value} {at}", labels.join(",")).unwrap();
}

/// The same figures in every run.
struct Dice(u64);

impl Dice {
    /// 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit")]
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }

    /// Around the mean, mostly nothing where the mean is small.
    fn count(&mut self, mean: f64) -> f64 {
        (mean + self.roll()).floor()
    }
}

/// Quiet nights, busy afternoons.
#[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
fn activity(at: i64) -> f64 {
    let hour = (at.rem_euclid(86_400)) as f64 / 3600.0;
    0.08 + (1.0 + ((hour - 15.0) / 24.0 * std::f64::consts::TAU).cos()).powi(2) / 4.0
}

/// Growth per minute at full activity.
fn growth(family: &Family, one: &One) -> f64 {
    let label = |name: &str| one.labels.iter().find(|(l, _)| *l == name).map(|(_, v)| *v);
    let weight = match label("kind") {
        Some("cache_read") => 40_000.0,
        Some("input") => 4_000.0,
        Some("cache_write") => 1_200.0,
        Some("unclassified") => 3.0,
        Some(_) => 800.0,
        None => 0.25,
    };
    let rare = match family.name {
        "cpa_request_failures_total" | "cpa_client_request_failures_total" => 0.04,
        "cpa_account_errors_total" => 0.008,
        "cpa_ingest_records_total" => 12.0,
        "cpa_ingest_bytes_total" => 24_000.0,
        "process_cpu_seconds_total" => 2.0,
        name if name.contains("rejects") || name.contains("failures") => 0.02,
        name if name.contains("duplicates") || name.contains("reconnects") => 0.05,
        name if name.contains("overflows") || name.contains("dropped") => 0.02,
        name if name.contains("gap") || name.contains("cuts") || name.contains("full") => 0.2,
        _ => 1.0,
    };
    weight * rare
}

#[expect(clippy::cast_precision_loss, reason = "minutes")]
fn counter(out: &mut String, span: Span, family: &Family, one: &One, dice: &mut Dice) {
    if family.name == "cpa_quota_resets_total" {
        let quota = one.quota.expect("a quota");
        return samples(out, span, family.name, one, |at| {
            let resets = (at - reset_before(quota, span.end, span.start)) / quota.seconds;
            Some(resets as f64)
        });
    }
    let per_step = growth(family, one) * span.step as f64 / 60.0;
    let mut value = 0.0;
    samples(out, span, family.name, one, |at| {
        let now = value;
        value += dice.count(per_step * activity(at));
        Some(now)
    });
}

fn samples(
    out: &mut String,
    span: Span,
    name: &str,
    one: &One,
    mut value: impl FnMut(i64) -> Option<f64>,
) {
    let mut at = span.start;
    while at <= span.end {
        if let Some(value) = value(at) {
            line(out, name, &one.labels, None, value, at);
        }
        at += span.step;
    }
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn observations(out: &mut String, span: Span, family: &Family, one: &One, dice: &mut Dice) {
    let median = match family.name {
        "cpa_request_time_per_output_token_seconds" => 0.014,
        "cpa_store_commit_seconds" => 0.004,
        "cpa_request_time_to_first_token_seconds" => 1.8,
        "cpa_request_duration_seconds" | "cpa_account_request_duration_seconds" => 14.0,
        _ => 0.4,
    };
    let mut buckets: Vec<Vec<f64>> = vec![vec![]; family.bounds.len()];
    let (mut counts, mut sums) = (vec![], vec![]);
    let mut tally = vec![0.0; family.bounds.len()];
    let (mut count, mut sum) = (0.0, 0.0);
    let times: Vec<i64> = (0..).map(|n| span.start + n * span.step).take_while(|t| *t <= span.end).collect();
    for at in &times {
        for (bucket, value) in buckets.iter_mut().zip(&tally) {
            bucket.push(*value);
        }
        counts.push(count);
        sums.push(sum);
        let new = dice.count(0.5 * span.step as f64 / 60.0 * activity(*at)) as u32;
        for _ in 0..new {
            let value = median * (4.0 * (dice.roll() + dice.roll() + dice.roll() - 1.5)).exp2();
            count += 1.0;
            sum += value;
            for (bound, tally) in family.bounds.iter().zip(&mut tally) {
                *tally += f64::from(u8::from(value <= *bound));
            }
        }
    }
    let name = family.name;
    let mut write = |suffix: &str, le: Option<&str>, values: &[f64]| {
        for (at, value) in times.iter().zip(values) {
            let more = le.map(|le| ("le", le));
            line(out, &format!("{name}{suffix}"), &one.labels, more, *value, *at);
        }
    };
    if family.shape == Shape::Histogram {
        for (bound, values) in family.bounds.iter().zip(&buckets) {
            write("_bucket", Some(&bound.to_string()), values);
        }
        write("_bucket", Some("+Inf"), &counts);
    }
    write("_sum", None, &sums);
    write("_count", None, &counts);
}

/// The last reset at or before `at`, the running window at the end being `elapsed` old.
fn reset_before(quota: &Quota, end: i64, at: i64) -> i64 {
    let last = end - quota.elapsed;
    last + (at - last).div_euclid(quota.seconds) * quota.seconds
}

fn gauge(out: &mut String, span: Span, family: &Family, one: &One) {
    let name = family.name;
    samples(out, span, name, one, |at| match (one.quota, one.account) {
        (Some(quota), _) => of_quota(name, quota, span.end, at),
        (None, Some(account)) => of_account(name, one, account, span.end, at),
        (None, None) => of_exporter(name, one, at),
    });
}

#[expect(clippy::cast_precision_loss, reason = "seconds")]
fn of_quota(name: &str, quota: &Quota, end: i64, at: i64) -> Option<f64> {
    let since = reset_before(quota, end, at);
    let elapsed = (at - since) as f64 / quota.seconds as f64;
    let used = (elapsed * quota.pace).min(1.0);
    let total = 1_000_000.0;
    match name {
        "cpa_quota_used_ratio" => Some(used),
        "cpa_quota_used" => Some(used * total),
        "cpa_quota_limit" => Some(total),
        "cpa_quota_remaining" => Some(total * (1.0 - used)),
        "cpa_quota_reset_timestamp_seconds" => Some((since + quota.seconds) as f64),
        "cpa_quota_window_seconds" => Some(quota.seconds as f64),
        "cpa_quota_exhausted" => Some(f64::from(u8::from(used >= 1.0))),
        "cpa_quota_exhaustion_timestamp_seconds" => (quota.pace > 1.0 && elapsed > 0.1 && used < 1.0)
            .then(|| since as f64 + quota.seconds as f64 / quota.pace),
        "cpa_quota_observed_timestamp_seconds" => Some((at - at.rem_euclid(240)) as f64),
        _ => Some(1.0),
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds")]
fn of_account(name: &str, one: &One, account: &Account, end: i64, at: i64) -> Option<f64> {
    // It stopped serving two hours before the end.
    let state = if at > end - 7200 { account.state } else { 0 };
    let status = one.labels.iter().find(|(label, _)| *label == "status");
    let names = ["active", "unknown", "pending", "disabled", "cooling", "error"];
    match name {
        "cpa_account_up" => Some(f64::from(u8::from(state == 0))),
        "cpa_account_state" => Some(f64::from(state)),
        "cpa_accounts" | "cpa_account_status" => {
            Some(f64::from(u8::from(status.is_some_and(|(_, s)| *s == names[usize::from(state)]))))
        }
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
fn of_exporter(name: &str, one: &One, at: i64) -> Option<f64> {
    let label = one.labels.last().map_or("", |(_, value)| *value);
    Some(match name {
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
    })
}
