//! A strict in-process simulator of CPA: RESP and HTTP on one port, with synthetic traffic.
//!
//! It reproduces the observed behaviour of a real CPA, including bans, limits and quirks; tests
//! replay transcripts of a real one. It counts what it delivers independently, so that an
//! exporter's values can be compared with the true ones. It holds no real account and contacts no
//! server.

mod clock;
mod config;
mod core;
mod faults;
mod gate;
mod gateway;
mod generator;
mod history;
mod http;
mod options;
mod queue;
mod quota;
mod resp;
mod results;
mod server;
mod totals;
mod traffic;
mod upstream;
mod version;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::TcpListener;

pub use self::clock::Clock;
pub use self::config::{DEFAULT_KEY, SimulatorConfig, TrafficConfig, parse_rate};
pub use self::faults::{FaultState, Faults, QuotaFault, QuotaFaultMode};
pub use self::gate::Management;
pub use self::gateway::{GatewayDatabase, GatewaySimulator, GatewayTotals};
pub use self::history::History;
pub use self::options::SimulateArgs;
pub use self::quota::Unit;
pub use self::quota::truth::{AccountQuotas, Calls, LimitQuota, Quotas};
pub use self::totals::{ClientTotal, Counts, Flow, SeriesTotal, Totals};
pub use self::version::{CpaVersion, ParseVersionError};

use self::core::Core;
use self::queue::Channel;
use self::server::Life;

/// A running simulator. Dropping it ends its tasks and connections at once.
#[derive(Debug)]
pub struct Simulator {
    inner: Arc<Inner>,
    /// The task that restarts the simulator when a fault requests it.
    supervisor: Life,
}

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    addr: SocketAddr,
    /// Of the current run; a restart replaces it.
    life: Mutex<Life>,
}

impl Simulator {
    /// Binds the port, fills the backlog and starts the traffic.
    pub async fn start(config: SimulatorConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let addr = listener.local_addr()?;
        let core = Arc::new(Core::new(config));
        core.fill();
        let inner = Arc::new(Inner {
            core,
            addr,
            life: Mutex::new(Life::new()),
        });
        inner.run(listener);
        let supervisor = Life::new();
        let (watched, stop) = (Arc::clone(&inner), supervisor.listening.clone());
        supervisor.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = watched.supervise() => {}
            }
        });
        Ok(Self { inner, supervisor })
    }

    pub fn addr(&self) -> SocketAddr {
        self.inner.addr
    }

    /// The management key of the initial configuration.
    pub fn management_key(&self) -> &str {
        &self.core().config.management_key
    }

    /// Changes the secret as an edit of CPA's configuration does: existing logins stay valid.
    pub fn change_management_key(&self, key: &str) {
        self.core().change_key(key.to_owned());
    }

    /// Failed logins over HTTP and RESP since the start; five in a row ban a client.
    pub fn failed_logins(&self) -> u64 {
        self.core().failed_logins()
    }

    /// Publishes a raw payload as if a request had just ended.
    pub fn push(&self, payload: impl Into<Bytes>) {
        self.core().push(payload.into());
    }

    pub fn push_many<P: Into<Bytes>>(&self, payloads: impl IntoIterator<Item = P>) {
        for payload in payloads {
            self.push(payload);
        }
    }

    /// Serves `n` synthetic requests now.
    pub fn generate(&self, n: usize) {
        self.core().generate(n);
    }

    /// Serves `n` requests that CPA counts without a record, such as token counting.
    pub fn count_without_record(&self, n: usize) {
        let core = self.core();
        let now = core.now();
        for _ in 0..n {
            core.queue().oracle.count_without_record(now);
        }
    }

    /// Sends an event to the subscribers of `errors`.
    pub fn push_error(&self, event: impl Into<Bytes>) {
        self.core().queue().publish_error(&event.into());
    }

    /// Notifies subscribers of `usage` of a change of accounts or configuration.
    pub fn refresh(&self) {
        self.core().queue().refresh();
    }

    /// Drops the queue, as retention would.
    pub fn expire_queue(&self) {
        self.core().queue().expire_all();
    }

    pub fn totals(&self) -> Totals {
        self.core().totals()
    }

    /// The true state of every quota, and the number of requests for it.
    pub fn quotas(&self) -> Quotas {
        self.core().quotas()
    }

    /// The simulated clock, for components that must share it.
    pub fn clock(&self) -> Clock {
        self.core().clock()
    }

    /// Sets or ends a fault of quota responses of a provider, a host, an account or `*`.
    pub fn set_quota_fault(&self, of: &str, to: Option<QuotaFault>) {
        self.faults().set(|state| {
            match to {
                Some(fault) => state.quota.insert(of.to_owned(), fault),
                None => state.quota.remove(of),
            };
        });
    }

    /// Live subscribers of `usage`, for tests that wait for them.
    pub fn subscribers(&self) -> usize {
        self.core().queue().subscribers(Channel::Usage)
    }

    /// Live subscribers of `errors`.
    pub fn error_subscribers(&self) -> usize {
        self.core().queue().subscribers(Channel::Errors)
    }

    pub fn faults(&self) -> &Faults {
        &self.core().faults
    }

    pub fn set_usage_statistics(&self, on: bool) {
        self.core().set_statistics(on);
    }

    pub fn set_retention(&self, to: Duration) {
        self.core().queue().retention = to;
    }

    pub fn set_management(&self, to: Management) {
        self.core().set_management(to);
    }

    /// Restarts on the same port: queue, bans and counters are lost.
    pub async fn restart(&self) -> io::Result<()> {
        self.inner.restart().await
    }

    /// Whether the traffic has made all its records.
    pub fn is_traffic_over(&self) -> bool {
        self.core().left.load(Ordering::Relaxed) == 0
    }

    /// Stops as CPA does on SIGTERM: the port closes first, connections stay open a little longer.
    pub async fn shutdown(self) {
        self.shutdown_with_in_flight(0, Duration::ZERO).await;
    }

    /// Stops while `requests` are still in flight, which end `after` the port has closed.
    ///
    /// Until then, and during the grace period after it, connected poppers are served.
    pub async fn shutdown_with_in_flight(self, requests: usize, after: Duration) {
        self.supervisor.end().await;
        let life = self.inner.life();
        life.listening.cancel();
        tokio::time::sleep(after).await;
        self.generate(requests);
        tokio::time::sleep(self.core().config.shutdown_grace).await;
        life.end().await;
    }

    fn core(&self) -> &Core {
        &self.inner.core
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.supervisor.cancel();
        self.inner.life().cancel();
    }
}

impl Inner {
    fn life(&self) -> Life {
        let life = self.life.lock();
        life.clone()
    }

    /// Serves the port and runs the traffic until the current life ends.
    fn run(&self, listener: TcpListener) {
        let life = self.life();
        let (core, addr) = (Arc::clone(&self.core), self.addr);
        let listening = server::listen(Some(listener), addr, core, life.clone());
        life.tasks.spawn(listening);
        let (core, stop) = (Arc::clone(&self.core), life.listening.clone());
        life.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = traffic::flow(core) => {}
            }
        });
    }

    async fn restart(&self) -> io::Result<()> {
        let old = self.life();
        old.listening.cancel();
        tokio::time::sleep(self.core.config.shutdown_grace).await;
        old.end().await;
        self.core.forget();
        let listener = TcpListener::bind(self.addr).await?;
        *self.life.lock() = Life::new();
        self.run(listener);
        Ok(())
    }

    async fn supervise(&self) {
        loop {
            self.core.restart.notified().await;
            if let Err(error) = self.restart().await {
                tracing::error!(%error, addr = %self.addr, "the simulator could not be restarted");
                return;
            }
        }
    }
}
