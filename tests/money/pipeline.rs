//! Spool, decoder, database and counters as the program connects them, without a network.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use cpa_exporter::clock::Clock;
use cpa_exporter::decode::{Decoder, HashKey};
use cpa_exporter::ingest::{
    AccountingParts, Ingest, LimitParts, Listener, MoneyParts, Parts, WakeUp, job_channel,
};
use cpa_exporter::metrics::{
    AccountNames, Aliases, BuildInfo, Counters, CountersConfig, Dialect, Exposition, Form, Handles,
};
use cpa_exporter::model::{Batch, IngestMode, LocalQuota, UnixNanos, WindowSpan, WindowUsage};
use cpa_exporter::pricing::{Billing, CacheWrites, Layer, PriceTable, built_in};
use cpa_exporter::quota::passive::QuotaSign;
use cpa_exporter::spool::{self, SegmentId};
use cpa_exporter::store::WriteQueue;
use tokio_util::sync::CancellationToken;

/// Price settings of the records.
pub(crate) struct Money {
    pub(crate) billing: Billing,
    pub(crate) references: Vec<(String, String)>,
}

/// An event sink without subscribers.
struct Deaf;

impl Listener for Deaf {
    fn quota_signs(&self, _: Vec<QuotaSign>) {}

    fn local_quotas(&self, _: Vec<LocalQuota>) {}

    fn window_usage(&self, _: HashMap<WindowSpan, WindowUsage>) {}

    fn accounts_changed(&self) {}
}

/// Time of receipt in Unix milliseconds.
pub(crate) const RECEIVED: i64 = 1_795_323_690_000;

/// Ingests all records and returns the page.
pub(crate) fn run(directory: &Path, records: &[String], money: Money) -> BTreeMap<String, String> {
    run_as(directory, records, money, Aliases::default())
}

/// The same with aliases of accounts and clients.
pub(crate) fn run_as(
    directory: &Path,
    records: &[String],
    money: Money,
    aliases: Aliases,
) -> BTreeMap<String, String> {
    let mut next = 0;
    let ids = Box::new(move || {
        next += 1;
        SegmentId(next)
    });
    let (mut writer, reader) = spool::open(directory.join("spool"), 1 << 30, ids).unwrap();
    let payloads = records.iter().map(|r| Bytes::from(r.clone())).collect();
    writer
        .append(&Batch {
            mode: IngestMode::Pop,
            received: UnixNanos::from_millis(RECEIVED),
            records: payloads,
        })
        .unwrap();
    let build = BuildInfo {
        version: "0",
        revision: "0",
        rustc: "0",
    };
    let handles = Handles::new(build, Arc::new(Vec::new));
    let exposition = Exposition::new(handles.clone(), 1);
    let config = CountersConfig {
        zero_hold: Duration::ZERO,
        aliases,
        ..CountersConfig::default()
    };
    let (ready, is_ready) = mpsc::channel();
    let signal = WakeUp::default();
    let ingest_signal = signal.clone();
    let (_jobs, jobs) = job_channel(signal.clone());
    let parts = Parts {
        directory: directory.to_owned(),
        reader,
        decoder: Decoder::new(HashKey([7; 16])),
        metrics: handles.store.clone(),
        losses: handles.losses.clone(),
        clock: Clock::system(),
        commit_interval: Duration::from_millis(250),
        ready: Box::new(move || ready.send(()).unwrap()),
        writes: WriteQueue::new(move || ingest_signal.wake()),
        jobs,
        listener: Box::new(Deaf),
    };
    let ended = CancellationToken::new();
    let counters = Counters::new(config, exposition.clone(), AccountNames::default());
    let accounting = accounting(counters, money, &handles);
    let ingest = Ingest::start(parts, accounting, signal, ended).unwrap();
    is_ready.recv_timeout(Duration::from_mins(1)).unwrap();
    let page = settled(&exposition);
    ingest.finish().unwrap();
    page
}

fn accounting(counters: Counters, money: Money, handles: &Handles) -> AccountingParts {
    let table = PriceTable::new(&[(Layer::BuiltIn, built_in().unwrap())], CacheWrites::Short);
    AccountingParts {
        counters,
        money: MoneyParts {
            prices: Arc::new(ArcSwap::from_pointee(table.unwrap())),
            billing: money.billing,
            references: money.references,
        },
        limits: LimitParts {
            rules: Arc::default(),
            gauges: handles.budgets.clone(),
            windows: tokio::sync::watch::channel(Arc::default()).1,
        },
    }
}

/// The page once no new series is held at zero.
fn settled(exposition: &Exposition) -> BTreeMap<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let scrape = async || {
            let page = exposition.page(Form::scraper(Dialect::Text)).await.unwrap();
            exposition.mark_seen(page.version, Clock::system().now());
            let text = String::from_utf8(page.body.to_vec()).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let samples = lines.map(|line| line.rsplit_once(' ').unwrap());
            samples
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        let shown = async || loop {
            let samples: BTreeMap<String, String> = scrape().await;
            let held = |(name, value): (&String, &String)| {
                name.starts_with("cpa_requests_total{") && value == "0"
            };
            if samples.contains_key("cpa_ingest_records_total") && !samples.iter().any(held) {
                break samples;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::time::timeout(Duration::from_mins(1), shown())
            .await
            .unwrap()
    })
}
