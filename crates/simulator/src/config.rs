//! How a simulator is set up.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use super::faults::QuotaFault;
use super::gate::Management;
use super::version::CpaVersion;

/// The made-up key that opens a simulator when nothing else is said.
pub const DEFAULT_KEY: &str = "mgmt-fixture-key";

/// The stand-in CPA: where it listens, who may enter and what it can do.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub management_key: String,
    pub management: Management,
    pub allow_remote: bool,
    pub version: CpaVersion,
    /// Text of the version header where it is not the version itself, as in own builds (`dev`).
    pub version_text: Option<String>,
    pub usage_statistics: bool,
    pub retention: Duration,
    /// Time a connection may stay without its first byte.
    pub sniff_timeout: Duration,
    /// What each HTTP management call costs; CPA spends about 62 ms on its key hash.
    pub management_delay: Duration,
    /// How long connections live on after a graceful stop has begun.
    pub shutdown_grace: Duration,
    pub traffic: TrafficConfig,
    pub clock: Clock,
    /// How many times as fast as the clock the simulated time goes: in records' timestamps, quota
    /// windows, resets and every answer. Retention and bans keep to the clock itself.
    pub time_scale: u32,
    /// Put accounts beyond the first sixteen into every state that an account can be in.
    pub states: bool,
    /// What goes wrong with quota answers from the start, by provider, host, account, or `*`.
    pub quota_faults: BTreeMap<String, QuotaFault>,
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            management_key: DEFAULT_KEY.to_owned(),
            management: Management::Enabled,
            allow_remote: false,
            version: CpaVersion::CAPTURED,
            version_text: None,
            usage_statistics: true,
            retention: Duration::from_mins(1),
            sniff_timeout: Duration::from_secs(10),
            management_delay: Duration::ZERO,
            shutdown_grace: Duration::from_millis(20),
            traffic: TrafficConfig::default(),
            clock: Clock::system(),
            time_scale: 1,
            states: false,
            quota_faults: BTreeMap::new(),
            tls: None,
        }
    }
}

/// The made-up traffic behind the records.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficConfig {
    pub seed: u64,
    /// Mean records per second; `None` for none of its own accord.
    pub rate: Option<f64>,
    /// Let the rate follow the time of day.
    pub rhythm: bool,
    /// Stop after so many records.
    pub records: Option<u64>,
    /// Records that wait in the queue from the start.
    pub backlog: usize,
    /// Time over which the backlog was made; zero puts all of it into one instant.
    pub backlog_span: Duration,
    /// Make records as they are asked for, so that the queue is never empty. For benchmarks.
    pub endless: bool,
    /// Pad records to about so many bytes; 0 for none.
    pub size: usize,
    pub accounts: usize,
    /// Only accounts of these providers, such as `codex`; empty for all. Unknown names match none.
    pub providers: Vec<String>,
    /// Models per account; 0 keeps each provider's own list.
    pub models: usize,
    pub clients: usize,
    /// The server's zone, seen in the records' timestamps.
    pub utc_offset_minutes: i16,
}

impl Default for TrafficConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            rate: None,
            rhythm: false,
            records: None,
            backlog: 0,
            backlog_span: Duration::ZERO,
            endless: false,
            size: 0,
            accounts: 16,
            providers: Vec::new(),
            models: 0,
            clients: 4,
            utc_offset_minutes: 0,
        }
    }
}

/// Reads a rate from the command line: a number of records per second, fractions allowed.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text
        .parse()
        .map_err(|_none| "expected a number".to_owned())?;
    if rate.is_finite() && rate >= 0.0 {
        Ok(rate)
    } else {
        Err("expected a number that is not negative".to_owned())
    }
}

/// The whole part of a number; negative ones become 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted here"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}
