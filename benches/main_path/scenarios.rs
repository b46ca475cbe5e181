//! The measured scenarios.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;

use crate::Options;
use crate::figures::{Bar, Figures, quantile};
use crate::rig::{Cpa, Exporter, Http};

mod captured;
mod money;

pub(crate) use money::{reprice, rules};

/// Deadline of every wait.
const LIMIT: Duration = Duration::from_mins(5);
/// Interval between two samples of a process: short enough for a percent of the shortest drain.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

const SCRAPER: &str = "Accept: application/openmetrics-text;version=1.0.0\r\n\
                       X-Prometheus-Scrape-Timeout-Seconds: 10\r\n\
                       Accept-Encoding: gzip\r\n";

/// A full queue from the start.
pub(crate) fn drain(options: &Options, figures: &mut Figures) -> Result<()> {
    let backlog = format!(
        "--rate 0 --backlog {} --backlog-span 60s --size {}",
        options.records, options.size
    );
    taken("drain", &backlog, options, figures)
}

/// A queue that is refilled during the drain.
pub(crate) fn endless(options: &Options, figures: &mut Figures) -> Result<()> {
    let endless = format!("--rate 0 --endless --size {}", options.size);
    taken("endless", &endless, options, figures)
}

fn taken(name: &str, traffic: &str, options: &Options, figures: &mut Figures) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cpa = Cpa::start(traffic)?;
    let cpa_before = cpa.cpu()?;
    let exporter = Exporter::start(cpa.address, directory.path())?;
    until(|| exporter.has_received())?;
    let began = Instant::now();
    let mut events = exporter.events();
    let mut count = 0;
    until(|| {
        count = events.count()?;
        Ok(count >= options.records)
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let (cpu, ingest, cpa_cpu) = (
        exporter.cpu()?,
        exporter.ingest_cpu()?,
        cpa.cpu()? - cpa_before,
    );
    let count = number(count);
    let per = 100_000.0 / count;
    figures.add(
        format!("{name}: durable records"),
        "1/s",
        Bar::AtLeast(100_000.0),
        count / seconds,
    );
    figures.add(
        format!("{name}: CPU per 100,000"),
        "s",
        Bar::Below(1.0),
        cpu * per,
    );
    figures.add(
        format!("{name}: of it in the ingest thread"),
        "s",
        Bar::None,
        ingest * per,
    );
    figures.add(
        format!("{name}: CPU of the source per 100,000"),
        "s",
        Bar::None,
        cpa_cpu * per,
    );
    figures.add(
        format!("{name}: most memory"),
        "MiB",
        Bar::Below(64.0),
        exporter.memory("VmHWM:")?,
    );
    drop(events);
    exporter.stop()
}

/// Bytes of the database per event, with simulated records and with captured ones.
pub(crate) fn disk(options: &Options, figures: &mut Figures) -> Result<()> {
    let cpa = Cpa::start(&format!(
        "--rate 0 --backlog {} --backlog-span 60s",
        options.records
    ))?;
    let bytes = stored_bytes(cpa.address, options.records)?;
    figures.add("disk: made-up records", "B/event", Bar::Below(100.0), bytes);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records");
    if let Some(cpa) = captured::Captured::start(&fixtures, options.records)? {
        let bytes = stored_bytes(cpa.address(), cpa.records())?;
        figures.add(
            "disk: captured records",
            "B/event",
            Bar::Below(100.0),
            bytes,
        );
    }
    Ok(())
}

fn stored_bytes(cpa: std::net::SocketAddr, records: u64) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let exporter = Exporter::start(cpa, directory.path())?;
    fill(&exporter, records)?;
    let database = exporter.database();
    exporter.stop()?;
    Ok(number(fs::metadata(database)?.len()) / number(records))
}

/// Traffic of a busy CPA with its many series.
pub(crate) fn steady(options: &Options, figures: &mut Figures) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let traffic = format!(
        "{} --rate {} --size {}",
        TEN_THOUSAND, options.rate, options.size
    );
    let cpa = Cpa::start(&traffic)?;
    let exporter = Exporter::start(cpa.address, directory.path())?;
    let mut http = Http::connect(exporter.address)?;
    // New series have been scraped at zero, and the queued records are stored.
    let warm_up = options.seconds / 3;
    watch(&mut http, warm_up)?;
    let (before, cpu) = (page(&mut http)?, exporter.cpu()?);
    watch(&mut http, options.seconds)?;
    let (after, cpu) = (page(&mut http)?, exporter.cpu()? - cpu);
    let lags = Lags::between(&before, &after)?;
    figures.add("steady: series", "", Bar::None, number(samples(&after)));
    figures.add(
        "steady: lag at commit, p50",
        "s",
        Bar::None,
        lags.quantile(0.5),
    );
    figures.add(
        "steady: lag at commit, p99",
        "s",
        Bar::Below(0.5),
        lags.quantile(0.99),
    );
    figures.add(
        "steady: CPU",
        "cores",
        Bar::None,
        cpu / number(options.seconds),
    );
    figures.add(
        "steady: memory",
        "MiB",
        Bar::Below(40.0),
        exporter.memory("VmRSS:")?,
    );
    figures.add(
        "steady: most memory",
        "MiB",
        Bar::None,
        exporter.memory("VmHWM:")?,
    );
    exporter.stop()
}

/// Scrapes once a second.
fn watch(http: &mut Http, seconds: u64) -> Result<()> {
    for _ in 0..seconds {
        sleep(Duration::from_secs(1));
        page(http)?;
    }
    Ok(())
}

/// Options for about this number of series.
const THOUSAND: &str = "--accounts 8 --models 2 --clients 4";
const TEN_THOUSAND: &str = "--accounts 40 --models 8 --clients 12";

/// Scrapes during ingest, each of a new state, and repeated scrapes of one state.
pub(crate) fn scrape(options: &Options, figures: &mut Figures) -> Result<()> {
    scraped("scrape, thousand", THOUSAND, 2.0, options, figures)?;
    scraped("scrape, ten thousand", TEN_THOUSAND, 10.0, options, figures)
}

fn scraped(
    name: &str,
    world: &str,
    millis: f64,
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cpa = Cpa::start(&format!("{world} --rate {} --backlog 50000", options.rate))?;
    let exporter = Exporter::start(cpa.address, directory.path())?;
    fill(&exporter, 50_000)?;
    let mut http = Http::connect(exporter.address)?;
    page(&mut http)?;
    sleep(Duration::from_secs(1));
    let mut fresh = Vec::new();
    let mut again = Vec::new();
    for _ in 0..options.scrapes {
        // A little more than the interval between two publications.
        sleep(Duration::from_millis(310));
        fresh.push(timed(&mut http)?);
        again.push(timed(&mut http)?);
    }
    let lines = samples(&page(&mut http)?);
    figures.add(format!("{name}: series"), "", Bar::None, number(lines));
    for (what, times, bar) in [
        ("new state", &mut fresh, Bar::Below(millis)),
        ("same state", &mut again, Bar::None),
    ] {
        times.sort_by(f64::total_cmp);
        figures.add(
            format!("{name}: {what}, p50"),
            "ms",
            Bar::None,
            quantile(times, 0.5),
        );
        figures.add(
            format!("{name}: {what}, p99"),
            "ms",
            bar,
            quantile(times, 0.99),
        );
    }
    exporter.stop()
}

fn timed(http: &mut Http) -> Result<f64> {
    let began = Instant::now();
    let (status, _body) = http.get("/metrics", SCRAPER)?;
    if status != 200 {
        bail!("scrape answered with {status}");
    }
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

/// From the start of the process to ready, with a large database.
pub(crate) fn start(options: &Options, figures: &mut Figures) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let traffic = format!(
        "{TEN_THOUSAND} --rate 0 --backlog {} --backlog-span 10m",
        options.stored
    );
    let cpa = Cpa::start(&traffic)?;
    let exporter = Exporter::start(cpa.address, directory.path())?;
    fill(&exporter, options.stored)?;
    exporter.stop()?;
    for _ in 0..5 {
        let exporter = Exporter::start(cpa.address, directory.path())?;
        let mut http = Http::connect(exporter.address)?;
        until(|| Ok(http.get("/-/ready", "")?.0 == 200))?;
        let seconds = exporter.began.elapsed().as_secs_f64();
        figures.add("start: until ready", "s", Bar::Below(0.5), seconds);
        exporter.stop()?;
    }
    Ok(())
}

/// Waits until this number of events is stored.
fn fill(exporter: &Exporter, records: u64) -> Result<()> {
    until(|| exporter.has_received())?;
    let mut events = exporter.events();
    until(|| Ok(events.count()? >= records))
}

fn until(mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !done()? {
        if began.elapsed() > LIMIT {
            bail!("nothing more happened within {LIMIT:?}");
        }
        sleep(POLL_INTERVAL);
    }
    Ok(())
}

fn page(http: &mut Http) -> Result<String> {
    let (status, body) = http.get("/metrics", SCRAPER)?;
    if status != 200 {
        bail!("scrape answered with {status}");
    }
    let mut text = String::new();
    GzDecoder::new(body.as_slice()).read_to_string(&mut text)?;
    Ok(text)
}

fn samples(page: &str) -> u64 {
    page.lines().filter(|line| !line.starts_with('#')).count() as u64
}

/// Observations of the lag by upper bound, not cumulative.
#[derive(Debug)]
struct Lags(Vec<(f64, f64)>);

impl Lags {
    fn between(before: &str, after: &str) -> Result<Self> {
        let (before, after) = (Self::cumulative(before)?, Self::cumulative(after)?);
        let mut below = 0.0;
        let mut lags = Vec::new();
        for ((bound, new), (_, old)) in after.into_iter().zip(before) {
            lags.push((bound, new - old - below));
            below = new - old;
        }
        Ok(Self(lags))
    }

    fn cumulative(page: &str) -> Result<Vec<(f64, f64)>> {
        let buckets = page
            .lines()
            .filter_map(|line| line.strip_prefix("cpa_ingest_lag_seconds_bucket{le=\""))
            .map(|rest| {
                let (bound, rest) = rest.split_once("\"}").context("a bucket")?;
                let count = rest.split_whitespace().next().context("a count")?;
                Ok((bound.parse()?, count.parse()?))
            });
        buckets.collect()
    }

    /// Interpolated within a bucket, as Prometheus does.
    fn quantile(&self, q: f64) -> f64 {
        let all: f64 = self.0.iter().map(|(_, count)| count).sum();
        let (mut rank, mut lower) = (q * all, 0.0);
        for (bound, count) in &self.0 {
            if *count >= rank && *count > 0.0 && bound.is_finite() {
                return lower + (bound - lower) * rank / count;
            }
            rank -= count;
            if bound.is_finite() {
                lower = *bound;
            }
        }
        lower
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and sizes far below 2^53"
)]
fn number(n: u64) -> f64 {
    n as f64
}
