//! The exporter in this process, with the simulator's clock.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use cpa_exporter::app::{App, Deps, Setup};
use cpa_exporter::clock::Clock;
use cpa_exporter::config::{self, Env, Flags};
use cpa_exporter::http_client::{self, Proxy, Timeouts};
use cpa_exporter::lifecycle::{Cause, Drain};
use cpa_exporter::model::UnixNanos;
use cpa_exporter::platform::Signal;
use cpa_exporter::simulator::{self, Simulator};
use cpa_exporter::telemetry::Telemetry;
use reqwest::Client;
use tempfile::TempDir;

use super::super::files::quota_file;
use crate::harness::{self, DEADLINE, Samples, samples};

/// Speed of the simulated time: an hour takes 90 seconds.
pub(super) const SCALE: u32 = 40;

pub(super) struct Fleet {
    pub(super) simulator: Simulator,
    slow: Even,
    app: App,
    client: Client,
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
        let quota_file = quota_file(&simulator, directory.path());
        let storage = directory.path().join("data");
        let mut flags = Flags::default();
        for (key, value) in [
            ("cpa.url", format!("http://{}", simulator.addr())),
            ("cpa.mode", "pop".to_owned()),
            ("accounts.interval", "2s".to_owned()),
            ("quota.interval", format!("{}s", interval.as_secs())),
            ("quota.concurrency", "4".to_owned()),
            ("quota.file", quota_file.display().to_string()),
            ("metrics.zero_hold", "0s".to_owned()),
            ("storage.path", storage.display().to_string()),
            ("web.listen_address", "127.0.0.1:0".to_owned()),
        ] {
            flags.set(key, value);
        }
        let env = Env::from([("CPA_MANAGEMENT_KEY", simulator.management_key())]);
        let setup = Setup {
            config: config::load(&flags, &env).unwrap().value,
            flags,
            env,
            telemetry: Telemetry::disabled(),
        };
        let simulated = simulator.clock();
        let speed = NonZeroU32::new(SCALE).unwrap();
        let deps = Deps {
            clock: Clock::scaled(speed, move || simulated.now()),
            listener: None,
        };
        Self {
            app: App::build(setup, deps).await.unwrap(),
            client: http_client::build(Timeouts::default(), Proxy::Never, None).unwrap(),
            simulator,
            slow,
            _directory: directory,
        }
    }

    /// Stops the simulated time.
    pub(super) fn stop_the_clock(&self) {
        self.slow.stop();
    }

    pub(super) async fn page(&self) -> Samples {
        let url = format!("http://{}/metrics", self.app.address());
        let page = self.client.get(url).send().await.unwrap();
        samples(&page.text().await.unwrap())
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

    pub(super) async fn stop(self) {
        let mut signals = Some(Signal::Stop).into_iter();
        let next_signal = async || match signals.next() {
            Some(signal) => signal,
            None => std::future::pending().await,
        };
        let ended = self.app.run(next_signal).await;
        assert_eq!(
            (ended.cause, ended.drain),
            (Cause::StopSignal, Drain::Complete)
        );
    }
}
