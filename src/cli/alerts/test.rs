//! `alerts test`: sends one alert through Alertmanager.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use jiff::Timestamp;
use reqwest::Url;
use url::Host;

use super::alertmanager::{Alertmanager, Held, NewAlert, shown};
use super::notifications::Notifications;
use crate::cli::{Exit, print};
use crate::clock::Clock;
use crate::http_client::{self, Proxy, Timeouts};

/// Interval between two polls of Alertmanager.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// A receiver notifies all its channels at once, so polling ends after this time without a new one.
const QUIET: Duration = Duration::from_secs(2);
/// Lifetime of the test alert.
const LASTS: Duration = Duration::from_mins(1);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// URL of Alertmanager; with basic authentication `http://user:password@host`
    #[arg(long = "alertmanager.url", value_name = "URL", default_value = "http://127.0.0.1:9093", value_parser = web_url)]
    url: Url,
    /// Severity of the test alert, for routes that match it
    #[arg(long, value_enum, default_value_t = Severity::Warning)]
    severity: Severity,
    /// Time to wait for a channel to send the alert
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = humantime::parse_duration)]
    wait: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Severity {
    Critical,
    Warning,
    Info,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("{other} is neither http nor https")),
    }
}

pub(super) async fn execute(args: &Args) -> anyhow::Result<Exit> {
    let client = http_client::build(Timeouts::default(), proxy(&args.url), None)?;
    let alertmanager = Alertmanager::new(client, args.url.clone());
    let version = alertmanager.version().await?;
    let before = alertmanager.notifications().await?;
    let now = Clock::system().now();
    // Distinguishes this test from others.
    let test = format!("{:08x}", now.as_millis() & 0xffff_ffff);
    push(&alertmanager, args.severity, &test, now.as_millis()).await?;
    let url = shown(&args.url);
    let severity = args.severity.as_str();
    print(
        format!(
            "accepted by Alertmanager {version} at {url}: CPATest, severity {severity}, test {test}\n"
        )
        .as_bytes(),
    )?;
    let held = held(&alertmanager, &test, args.wait).await?;
    print(routes(&held).as_bytes())?;
    let sent = sent(&alertmanager, &before, args.wait).await?;
    let (found, exit) = outcome(&held, &sent, args.wait);
    print(found.as_bytes())?;
    Ok(exit)
}

/// A proxy cannot reach this machine's loopback address.
fn proxy(url: &Url) -> Proxy {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if loopback {
        Proxy::Never
    } else {
        Proxy::FromEnvironment
    }
}

async fn push(
    alertmanager: &Alertmanager,
    severity: Severity,
    test: &str,
    now_millis: i64,
) -> anyhow::Result<()> {
    let ends_at = Timestamp::from_millisecond(now_millis)
        .and_then(|now| now.checked_add(LASTS))
        .context("this machine's clock is out of range")?;
    let labels = [
        ("alertname", "CPATest"),
        ("severity", severity.as_str()),
        ("test", test),
    ];
    let annotations = [
        ("summary", "A test of cpa-exporter: alerts reach you."),
        (
            "description",
            "Sent by `cpa-exporter alerts test`; it ends by itself after a minute.",
        ),
        ("runbook_url", "docs/alerting.md"),
    ];
    let alert = NewAlert {
        labels: &labels,
        annotations: &annotations,
        ends_at: ends_at.to_string(),
    };
    alertmanager.push(&alert).await?;
    Ok(())
}

/// Waits until Alertmanager lists the alert, which takes it a moment.
async fn held(alertmanager: &Alertmanager, test: &str, wait: Duration) -> anyhow::Result<Held> {
    let begin = Instant::now();
    loop {
        if let Some(held) = alertmanager.held("test", test).await? {
            return Ok(held);
        }
        if begin.elapsed() >= wait {
            anyhow::bail!(
                "Alertmanager accepted the alert but does not list it: compare its clock with this machine's"
            );
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Counts all channels' attempts until no new outcome appears.
async fn sent(
    alertmanager: &Alertmanager,
    before: &Notifications,
    wait: Duration,
) -> anyhow::Result<Notifications> {
    let begin = Instant::now();
    let mut changed = begin;
    let mut last = Notifications::default();
    loop {
        let now = alertmanager.notifications().await?.since(before);
        // Retries of a failing channel are no new outcome.
        if now.outcomes().ne(last.outcomes()) {
            changed = Instant::now();
        }
        last = now;
        let quiet = !last.is_empty() && changed.elapsed() >= QUIET;
        if quiet || begin.elapsed() >= wait {
            return Ok(last);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn routes(held: &Held) -> String {
    let names: Vec<&str> = held.receivers.iter().map(|r| r.name.as_str()).collect();
    let mut text = format!("routed to: {}\n", names.join(", "));
    if !held.status.silenced_by.is_empty() {
        text.push_str("a silence suppresses it\n");
    }
    if !held.status.inhibited_by.is_empty() {
        text.push_str("another alert inhibits it\n");
    }
    text
}

/// The result, as far as Alertmanager reports it.
fn outcome(held: &Held, sent: &Notifications, wait: Duration) -> (String, Exit) {
    let status = &held.status;
    if sent.is_empty() && !(status.silenced_by.is_empty() && status.inhibited_by.is_empty()) {
        return ("nothing was sent\n".to_owned(), Exit::Failed);
    }
    if sent.is_empty() {
        let wait = humantime::format_duration(wait);
        let names: Vec<&str> = held.receivers.iter().map(|r| r.name.as_str()).collect();
        let text = format!(
            "nothing was sent within {wait}: either receiver {} has no channel, or its route waits or is muted at this \
             hour\n",
            names.join(", ")
        );
        return (text, Exit::Failed);
    }
    let mut text = String::new();
    let mut exit = Exit::Success;
    for (channel, attempts) in sent.iter() {
        // Writing to a string cannot fail.
        if attempts.sent() > 0 {
            writeln!(text, "sent: {channel}, {} message(s)", attempts.sent()).ok();
        }
        if attempts.failed > 0 {
            let failed = attempts.failed;
            writeln!(
                text,
                "FAILED: {channel}, {failed} attempt(s); Alertmanager's log says why"
            )
            .ok();
            exit = Exit::Failed;
        }
    }
    text.push_str("(the count includes all messages in that time; check that yours arrived)\n");
    (text, exit)
}
