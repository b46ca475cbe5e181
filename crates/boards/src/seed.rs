//! The household's figures as OpenMetrics with timestamps, which promtool makes into blocks: a
//! Prometheus with history and without waiting. What a family looks like comes from the catalogue.

use std::fmt::Write as _;

use crate::catalogue::{self, Family, Shape};
use crate::figures::{Dice, activity, growth, of_account, of_exporter, of_quota, reset_before};
use crate::money;
use crate::world::{ACCOUNTS, Account, FAILURES, Quota, reasons, values};

/// Seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
    /// After the end: scrapes fail, so that only Prometheus' own `up` goes on, at 0.
    pub(crate) outage: i64,
}

type Labels = Vec<(&'static str, &'static str)>;

/// One series: its labels, and whom it is about.
#[derive(Debug)]
pub(crate) struct One {
    pub(crate) labels: Labels,
    pub(crate) account: Option<&'static Account>,
    quota: Option<&'static Quota>,
}

impl One {
    pub(crate) fn label(&self, name: &str) -> Option<&'static str> {
        let found = self.labels.iter().find(|(label, _)| *label == name);
        found.map(|(_, value)| *value)
    }
}

pub(crate) fn openmetrics(span: Span) -> String {
    let mut out = String::new();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    // A gateway has no board yet.
    for family in catalogue::all().filter(|family| !family.name.starts_with("newapi_")) {
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
    if family.name.starts_with("ALERTS") {
        let state = (family.name == "ALERTS").then_some(("alertstate", "firing"));
        return ALERTS
            .iter()
            .map(|(alert, severity, about)| firing(alert, severity, about, state))
            .collect();
    }
    let has = |label: &str| family.labels.contains(&label);
    let mut all = vec![target("cpa", "exporter:9318")];
    // Prometheus has these of every program; this one is none of ours and down.
    if of_every_program(family.name) {
        all.push(target("printers", STRANGER));
    }
    if has("account") || has("provider") || has("model") {
        all = each(all, |one| of_accounts(family, &one));
    }
    if has("limit") {
        all = each(all, |one| of_quotas(family, &one));
    }
    for label in family.labels {
        let done = [
            "provider",
            "model",
            "account",
            "plan",
            "auth_type",
            "limit",
            "window",
            "code",
        ];
        if done.contains(label) || (has("limit") && *label == "scope") {
            continue;
        }
        let domain = match *label {
            "reason" if has("code") => continue,
            "reason" => reasons(family.name),
            label => money::values(family.name, label).unwrap_or_else(|| values(label)),
        };
        all = each(all, |one| {
            domain.iter().map(|v| with(&one, label, v)).collect()
        });
    }
    if has("code") {
        all = each(all, |one| {
            let failures = FAILURES.iter();
            failures
                .map(|(code, reason)| {
                    let one = with(&one, "code", code);
                    if has("reason") {
                        with(&one, "reason", reason)
                    } else {
                        one
                    }
                })
                .collect()
        });
    }
    all.retain(|one| money::exists(family.name, one));
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    all.dedup_by(|a, b| a.labels == b.labels);
    all
}

/// Name, severity, and labels that say what it is about.
type Firing = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// An account, a budget, and more of one kind than the overview gives rows.
const ALERTS: &[Firing] = &[
    (
        "CPAQuotaUsageHigh",
        "critical",
        &[
            ("provider", "claude"),
            ("account", "claude-max"),
            ("window", "5h"),
        ],
    ),
    (
        "CPAAccountDown",
        "warning",
        &[("provider", "codex"), ("account", "codex-team")],
    ),
    ("CPABudgetSpent", "warning", &[("budget", "ci-weekly")]),
    ("CPAUnpricedModel", "info", &[("model", "kimi-k2.5")]),
    ("CPAUnpricedModel", "info", &[("model", "kimi-k2.6")]),
    ("CPAUnpricedModel", "info", &[("model", "kimi-k2.7")]),
    ("CPAUnpricedModel", "info", &[("model", "kimi-k2.8")]),
    ("CPAUnpricedModel", "info", &[("model", "kimi-k2.9")]),
    ("CPAUnpricedModel", "info", &[("model", "kimi-k3")]),
];

fn firing(
    alert: &'static str,
    severity: &'static str,
    about: &[(&'static str, &'static str)],
    state: Option<(&'static str, &'static str)>,
) -> One {
    let mut one = target("cpa", "exporter:9318");
    one.labels
        .extend([("alertname", alert), ("severity", severity)]);
    one.labels.extend(state);
    one.labels.extend(about);
    one
}

/// A program of another job.
pub(crate) const STRANGER: &str = "printer:9100";

fn target(job: &'static str, instance: &'static str) -> One {
    One {
        labels: vec![("job", job), ("instance", instance)],
        account: None,
        quota: None,
    }
}

/// Prometheus makes it for every target, or every client library does.
pub(crate) fn of_every_program(name: &str) -> bool {
    name == "up" || name.starts_with("process_") || name.starts_with("scrape_")
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

fn of_accounts(family: &Family, one: &One) -> Vec<One> {
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
            all.extend(
                account
                    .models
                    .iter()
                    .map(|model| with(&one, "model", model)),
            );
        } else {
            all.push(one);
        }
    }
    all
}

fn of_quotas(family: &Family, one: &One) -> Vec<One> {
    let quotas = one.account.expect("an account").quotas.iter();
    let with_quota = quotas.map(|quota| {
        let mut one = with(one, "limit", quota.limit);
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

fn line(
    out: &mut String,
    name: &str,
    labels: &Labels,
    more: Option<(&str, &str)>,
    value: f64,
    at: i64,
) {
    let labels = labels.iter().copied().chain(more);
    let labels: Vec<String> = labels
        .map(|(name, text)| format!("{name}=\"{text}\""))
        .collect();
    writeln!(out, "{name}{{{}}} {value} {at}", labels.join(",")).unwrap();
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
    if let Some(per_minute) = money::growth(family.name, one) {
        let per_step = per_minute * span.step as f64 / 60.0;
        let mut value = 0.0;
        return samples(out, span, family.name, one, |at| {
            let now = value;
            value += per_step * activity(at) * 2.0 * dice.roll();
            Some(now)
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
    let steps = (span.end - span.start) / span.step;
    let times: Vec<i64> = (0..=steps).map(|n| span.start + n * span.step).collect();
    for at in &times {
        for (bucket, value) in buckets.iter_mut().zip(&tally) {
            bucket.push(*value);
        }
        counts.push(count);
        sums.push(sum);
        let mut new = dice.count(0.5 * span.step as f64 / 60.0 * activity(*at));
        while new >= 1.0 {
            new -= 1.0;
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
            line(
                out,
                &format!("{name}{suffix}"),
                &one.labels,
                more,
                *value,
                *at,
            );
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

#[expect(clippy::cast_precision_loss, reason = "seconds")]
fn gauge(out: &mut String, span: Span, family: &Family, one: &One) {
    let name = family.name;
    if name == "up" {
        let stranger = one.label("instance") == Some(STRANGER);
        let whole = Span {
            end: span.end + span.outage,
            ..span
        };
        return samples(out, whole, name, one, |at| {
            Some(f64::from(u8::from(at <= span.end && !stranger)))
        });
    }
    if name == "ALERTS_FOR_STATE" {
        return samples(out, span, name, one, |_| Some((span.end - 4000) as f64));
    }
    samples(out, span, name, one, |at| {
        money::gauge(name, one, span.end, at).or_else(|| match (one.quota, one.account) {
            (Some(quota), _) => of_quota(name, quota, span.end, at),
            (None, Some(account)) => of_account(name, one, account, span.end, at),
            (None, None) => Some(of_exporter(name, one, at)),
        })
    });
}
