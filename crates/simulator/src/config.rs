//! Configuration of a simulator.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::clock::Clock;
use super::faults::QuotaFault;
use super::gate::Management;
use super::version::CpaVersion;

/// The default management key.
pub const DEFAULT_KEY: &str = "mgmt-fixture-key";

/// Configuration of the simulated CPA: its address, access and features.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Port 0 selects a free port.
    pub listen: SocketAddr,
    pub management_key: String,
    pub management: Management,
    pub allow_remote: bool,
    pub version: CpaVersion,
    /// Text of the version header if it is not the version itself, as in own builds (`dev`).
    pub version_text: Option<String>,
    pub usage_statistics: bool,
    pub retention: Duration,
    /// Time-out for the first byte of a connection.
    pub sniff_timeout: Duration,
    /// Delay of each HTTP management request; CPA spends about 62 ms on its key hash.
    pub management_delay: Duration,
    /// How long connections stay open after a graceful stop has started.
    pub shutdown_grace: Duration,
    pub traffic: TrafficConfig,
    pub clock: Clock,
    /// Speed of the simulated time, relative to the real time. Applies to timestamps of records,
    /// quota windows, resets and responses; retention and bans use the real time.
    pub time_scale: u32,
    /// Whether accounts beyond the first sixteen get all possible states.
    pub states: bool,
    /// Initial faults of quota responses, by provider, host, account, or `*`.
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

/// Options of the synthetic traffic.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct TrafficConfig {
    /// Seed of the traffic; equal seeds give equal traffic
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    pub seed: u64,
    /// Mean records per second, such as 0.3; 0 for none [default: 5]
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    pub rate: Option<f64>,
    /// Vary the rate by the time of day
    #[arg(long)]
    pub rhythm: bool,
    /// Stop after this number of records
    #[arg(long, value_name = "N")]
    pub records: Option<u64>,
    /// Number of records in the queue at the start
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub backlog: usize,
    /// Time span of those records; 0s gives all the same time
    #[arg(long, default_value = "0s", value_name = "SPAN", value_parser = humantime::parse_duration)]
    pub backlog_span: Duration,
    /// Produce records on demand, so that the queue is never empty
    #[arg(long)]
    pub endless: bool,
    /// Pad records to about this size
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub size: usize,
    /// Number of accounts
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub accounts: usize,
    /// Simulate only accounts of these providers, such as codex,gemini; unknown names match none
    #[arg(long, value_delimiter = ',', value_name = "PROVIDER")]
    pub providers: Vec<String>,
    /// Models per account; 0 for the provider's own list
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub models: usize,
    /// Number of client keys
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub clients: usize,
    /// UTC offset of the server, in minutes
    #[arg(
        long = "utc-offset",
        default_value_t = 0,
        value_name = "MINUTES",
        allow_negative_numbers = true
    )]
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

/// Parses a rate: a number of records per second, fractions allowed.
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

/// The integer part of a number; negative numbers become 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, as intended"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}
