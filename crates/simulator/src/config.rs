//! How a simulator is set up.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

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

/// The made-up traffic behind the records, as the command line says it.
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
