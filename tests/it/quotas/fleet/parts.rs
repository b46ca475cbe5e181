//! The program's parts with an accelerated clock.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use cpa_exporter::accounts::{self, Directory, ErrorsChannel, ErrorsParts, Watcher, WatcherParts};
use cpa_exporter::app::quota_file::QuotaFile;
use cpa_exporter::clock::Clock;
use cpa_exporter::cpa::{Access, KeyReader};
use cpa_exporter::decode::{Decoder, HashKey, Secrets};
use cpa_exporter::history::Inbox;
use cpa_exporter::http_client::{self, Proxy, Timeouts};
use cpa_exporter::ingest::{self, Ingest, LimitParts, Listener, MoneyParts, WakeUp};
use cpa_exporter::metrics::{
    AccountNames, BuildInfo, Counters, CountersConfig, Dialect, Exposition, Form, Handles,
};
use cpa_exporter::model::{IngestMode, LocalQuota, UnixNanos};
use cpa_exporter::poller::{self, History, Poller, Quotas, refresh_channel};
use cpa_exporter::pricing::{Billing, CacheWrites, Layer, PriceTable, built_in};
use cpa_exporter::quota::passive::QuotaSign;
use cpa_exporter::simulator::{self, Simulator};
use cpa_exporter::source::{self, Inlet, ModeSetting, Source};
use cpa_exporter::spool::{self, SegmentId};
use cpa_exporter::store::WriteQueue;
use reqwest::Client;
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::super::files::quota_file;
use crate::harness::{self, DEADLINE, Samples, samples};

/// Speed of the simulated time: an hour takes 90 seconds.
pub(super) const SCALE: u32 = 40;

/// Events of the ingest thread for the poller.
struct Wire(mpsc::Sender<Vec<QuotaSign>>);

impl Listener for Wire {
    fn quota_signs(&self, signs: Vec<QuotaSign>) {
        self.0.try_send(signs).ok();
    }

    fn local_quotas(&self, _: Vec<LocalQuota>) {}

    fn accounts_changed(&self) {}
}

pub(super) struct Fleet {
    pub(super) simulator: Simulator,
    exposition: Exposition,
    slow: Even,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    ingest: Ingest,
    _directory: TempDir,
}

/// Based on the monotonic clock, as the poller's timers are, so that both measure the same spans;
/// the system's time may be set or slewed. Stands still once stopped.
#[derive(Clone)]
struct Even {
    started: (UnixNanos, Instant),
    stopped_at: Arc<AtomicI64>,
}

impl Even {
    fn new() -> Self {
        Self {
            started: (simulator::Clock::system().now(), Instant::now()),
            stopped_at: Arc::default(),
        }
    }

    fn now(&self) -> UnixNanos {
        let (start, began) = self.started;
        match self.stopped_at.load(Ordering::SeqCst) {
            0 => start.saturating_add(began.elapsed()),
            at => UnixNanos::new(at),
        }
    }

    fn clock(&self) -> simulator::Clock {
        let this = self.clone();
        simulator::Clock::new(move || this.now())
    }

    fn stop(&self) {
        self.stopped_at.store(self.now().get(), Ordering::SeqCst);
    }
}

/// State shared by all tasks.
struct Common {
    url: Url,
    client: Client,
    access: Arc<Access>,
    clock: Clock,
    handles: Handles,
    names: AccountNames,
    writes: WriteQueue,
    stop: CancellationToken,
}

impl Fleet {
    pub(super) async fn start(accounts: usize, rate: u32, interval: Duration) -> Self {
        let slow = Even::new();
        let simulator = harness::simulator(|config| {
            config.clock = slow.clock();
            config.time_scale = SCALE;
            config.traffic.accounts = accounts;
            config.traffic.rate = Some(f64::from(rate));
            config.traffic.records = Some(u64::from(rate * 3600 / SCALE));
        })
        .await;
        let directory = tempfile::tempdir().unwrap();
        let mut tasks = JoinSet::new();
        let hurried = simulator.clock();
        let (clock, hand) = Clock::manual(hurried.now());
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(2));
            loop {
                ticks.tick().await;
                hand.set(hurried.now());
            }
        });

        let build = BuildInfo {
            version: "0",
            revision: "0",
            rustc: "0",
        };
        let handles = Handles::new(build, Arc::new(Vec::new));
        let exposition = Exposition::new(handles.clone(), 4);
        let key = simulator.management_key().to_owned();
        let reader = Box::new(move || Ok(key.clone().into()));
        let signal = WakeUp::default();
        let common = Common {
            url: Url::parse(&format!("http://{}", simulator.addr())).unwrap(),
            client: http_client::build(Timeouts::default(), Proxy::Never, None).unwrap(),
            access: access(reader, &handles),
            clock,
            handles,
            names: AccountNames::default(),
            writes: write_queue(signal.clone()),
            stop: CancellationToken::new(),
        };
        let (wire, signs) = mpsc::channel(64);
        let (ingest, writer) = common.ingest(&directory, &exposition, &signal, Wire(wire));
        let source = common.source(Inlet::new(writer, Arc::new(move || signal.wake())));
        let seen = Directory::new();
        tasks.spawn(common.watcher(&source, &seen).run());
        tasks.spawn(source.run());
        let file = QuotaFile::read(&quota_file(&simulator, directory.path())).unwrap();
        let poller = common.poller(&directory, seen, signs, interval, file);
        tasks.spawn(poller.run());
        Self {
            simulator,
            exposition,
            slow,
            stop: common.stop,
            tasks,
            ingest,
            _directory: directory,
        }
    }

    /// Stops the simulated time.
    pub(super) fn stop_the_clock(&self) {
        self.slow.stop();
    }

    pub(super) async fn page(&self) -> Samples {
        let page = self
            .exposition
            .page(Form::scraper(Dialect::Text))
            .await
            .unwrap();
        self.exposition
            .mark_seen(page.version, Clock::system().now());
        samples(std::str::from_utf8(&page.body).unwrap())
    }

    pub(super) async fn when(&self, what: &str, condition: impl Fn(&Samples) -> bool) -> Samples {
        let begin = Instant::now();
        loop {
            let page = self.page().await;
            if condition(&page) {
                return page;
            }
            let wrong = || super::truth::differences(&page, &self.simulator.quotas());
            assert!(begin.elapsed() < DEADLINE, "{what}: never\n{:#?}", wrong());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        self.tasks.shutdown().await;
        let ingest = self.ingest;
        tokio::task::spawn_blocking(move || ingest.finish())
            .await
            .unwrap()
            .unwrap();
    }
}

/// Shows refusals as the program does.
fn access(reader: KeyReader, handles: &Handles) -> Arc<Access> {
    let metrics = handles.source.clone();
    let report = Box::new(move |reason| metrics.set_refused(reason));
    Arc::new(Access::new(reader, report))
}

fn write_queue(signal: WakeUp) -> WriteQueue {
    WriteQueue::new(move || signal.wake())
}

impl Common {
    fn ingest(
        &self,
        directory: &TempDir,
        exposition: &Exposition,
        signal: &WakeUp,
        listener: Wire,
    ) -> (Ingest, spool::Writer) {
        let mut next = 0;
        let ids = Box::new(move || {
            next += 1;
            SegmentId(next)
        });
        let (writer, reader) = spool::open(directory.path().join("spool"), 1 << 30, ids).unwrap();
        let config = CountersConfig {
            zero_hold: Duration::ZERO,
            ..CountersConfig::default()
        };
        let (ready, is_ready) = std_mpsc::channel();
        let parts = ingest::Parts {
            directory: directory.path().to_owned(),
            reader,
            decoder: Decoder::new(HashKey([7; 16])),
            counters: Counters::new(config, exposition.clone(), self.names.clone()),
            metrics: self.handles.store.clone(),
            losses: self.handles.losses.clone(),
            clock: self.clock.clone(),
            commit_interval: Duration::from_millis(250),
            ready: Box::new(move || ready.send(()).unwrap()),
            writes: self.writes.clone(),
            imports: Box::new(Inbox::new(directory.path(), self.clock.now())),
            listener: Box::new(listener),
        };
        let table = PriceTable::new(&[(Layer::BuiltIn, built_in().unwrap())], CacheWrites::Short);
        let money = MoneyParts {
            prices: Arc::new(ArcSwap::from_pointee(table.unwrap())),
            billing: Billing::default(),
            references: Vec::new(),
        };
        let limits = LimitParts {
            rules: Arc::default(),
            page: self.handles.budgets.clone(),
        };
        let ended = CancellationToken::new();
        let ingest = Ingest::start(parts, money, limits, signal.clone(), ended).unwrap();
        is_ready.recv_timeout(DEADLINE).unwrap();
        (ingest, writer)
    }

    fn source(&self, inlet: Inlet) -> Source {
        Source::new(source::Parts {
            settings: source::Settings {
                url: self.url.clone(),
                setting: ModeSetting::Forced(IngestMode::Pop),
                poll_interval: Duration::from_millis(200),
                http_poll_interval: Duration::from_secs(1),
                check_interval: Duration::from_mins(1),
                pop_bytes: 1 << 20,
                manage_usage_statistics: false,
                tls: None,
            },
            inlet,
            access: Arc::clone(&self.access),
            client: self.client.clone(),
            metrics: self.handles.source.clone(),
            clock: self.clock.clone(),
            soft: self.stop.clone(),
            hard: self.stop.clone(),
        })
    }

    fn watcher(&self, source: &Source, directory: &Directory) -> Watcher {
        let secrets = Secrets::new(HashKey([7; 16]));
        let (_channel, events) = ErrorsChannel::new(ErrorsParts {
            url: self.url.clone(),
            tls: None,
            access: Arc::clone(&self.access),
            secrets: secrets.clone(),
            stop: self.stop.clone(),
        });
        Watcher::new(WatcherParts {
            settings: accounts::Settings {
                url: self.url.clone(),
                interval: Duration::from_secs(2),
                show_email: false,
            },
            client: self.client.clone(),
            access: Arc::clone(&self.access),
            clock: self.clock.clone(),
            secrets,
            success_count: source.shared().success_count(),
            directory: directory.clone(),
            names: self.names.clone(),
            writes: self.writes.clone(),
            gauges: self.handles.accounts.clone(),
            errors: self.handles.account_errors.clone(),
            changed: Arc::new(Notify::new()),
            events,
            stop: self.stop.clone(),
        })
    }

    fn poller(
        &self,
        directory: &TempDir,
        seen: Directory,
        signs: mpsc::Receiver<Vec<QuotaSign>>,
        interval: Duration,
        file: QuotaFile,
    ) -> Poller {
        let ready = CancellationToken::new();
        ready.cancel();
        let (_handle, refreshes) = refresh_channel();
        Poller::new(poller::Parts {
            poller_config: poller::PollerConfig {
                settings: poller::Settings {
                    enabled: true,
                    url: self.url.clone(),
                    interval,
                    concurrency: 4,
                    timeout: Duration::from_secs(20),
                    max_limits: 100,
                    own: file.accounts,
                    time_scale: NonZeroU32::new(SCALE).unwrap(),
                },
                configured: file.providers,
                client: self.client.clone(),
                direct: self.client.clone(),
                access: Arc::clone(&self.access),
                clock: self.clock.clone(),
            },
            directory: seen,
            names: self.names.clone(),
            writes: self.writes.clone(),
            signs,
            local: watch::channel(Vec::new()).1,
            history: History {
                directory: directory.path().to_owned(),
                ready,
            },
            page: self.handles.quotas.clone(),
            polls: self.handles.polls.clone(),
            quotas: Quotas::default(),
            refreshes,
            stop: self.stop.clone(),
        })
    }
}
