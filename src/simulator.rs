//! A strict stand-in for CPA, in this process: RESP and HTTP on one port, with made-up traffic.
//!
//! It behaves as a real CPA was seen to behave, bans, limits and quirks included; transcripts of a
//! real one are replayed against it. What it hands out it counts from its own knowledge, so that an
//! exporter's figures can be compared with the truth. It holds no real account and calls nobody.

mod clock;
mod config;
mod core;
mod faults;
mod gate;
mod generator;
mod http;
mod queue;
mod resp;
mod rewind;
mod server;
mod totals;
mod traffic;
mod version;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;

pub use self::clock::Clock;
pub use self::config::{DEFAULT_KEY, SimulatorConfig, TrafficConfig};
pub use self::faults::{FaultChange, Faults};
pub use self::gate::Management;
pub use self::totals::{ClientTotal, Counts, Flow, SeriesTotal, Totals};
pub use self::version::{CpaVersion, ParseVersionError};

use self::core::Core;
use self::server::Life;

/// A running simulator. Dropping it ends its tasks and connections at once.
#[derive(Debug)]
pub struct Simulator {
    core: Arc<Core>,
    addr: SocketAddr,
    life: Mutex<Life>,
}

impl Simulator {
    /// Binds the port, fills the backlog and lets the traffic flow.
    pub async fn start(config: SimulatorConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let addr = listener.local_addr()?;
        let core = Arc::new(Core::new(config));
        core.generate(core.config.traffic.backlog);
        let life = Life::new();
        life.tasks.spawn(server::listen(
            Some(listener),
            addr,
            Arc::clone(&core),
            life.clone(),
        ));
        let (flowing, stop) = (Arc::clone(&core), life.listening.clone());
        life.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = traffic::flow(flowing) => {}
            }
        });
        Ok(Self {
            core,
            addr,
            life: Mutex::new(life),
        })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn management_key(&self) -> &str {
        &self.core.config.management_key
    }

    /// Publishes a payload as it is, as if a request had just ended.
    pub fn push(&self, payload: impl Into<Bytes>) {
        self.core.push(payload.into());
    }

    pub fn push_many<P: Into<Bytes>>(&self, payloads: impl IntoIterator<Item = P>) {
        for payload in payloads {
            self.push(payload);
        }
    }

    /// Serves `n` made-up requests now.
    pub fn generate(&self, n: usize) {
        self.core.generate(n);
    }

    /// Sends an event to the subscribers of `errors`.
    pub fn push_error(&self, event: impl Into<Bytes>) {
        self.core.queue().publish_error(&event.into());
    }

    /// Tells subscribers of `usage` that accounts or configuration changed.
    pub fn refresh(&self) {
        self.core.queue().refresh();
    }

    /// Drops all that is queued, as retention would.
    pub fn expire_queue(&self) {
        self.core.queue().expire_all();
    }

    pub fn totals(&self) -> Totals {
        self.core.totals()
    }

    pub fn faults(&self) -> &Faults {
        &self.core.faults
    }

    pub fn set_usage_statistics(&self, on: bool) {
        self.core.set_statistics(on);
    }

    pub fn set_retention(&self, to: Duration) {
        self.core.queue().retention = to;
    }

    pub fn set_management(&self, to: Management) {
        self.core.set_management(to);
    }

    fn life(&self) -> Life {
        let life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        life.clone()
    }

    /// Stops as CPA does on SIGTERM: the port closes first, connections live a little longer.
    pub async fn shutdown(self) {
        let life = self.life();
        life.listening.cancel();
        tokio::time::sleep(self.core.config.shutdown_grace).await;
        life.connected.cancel();
        life.tasks.close();
        life.tasks.wait().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let life = self.life();
        life.listening.cancel();
        life.connected.cancel();
    }
}
