//! Configuration of a simulator.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args, Command};

use super::clock::Clock;
use super::faults::QuotaFault;
use super::gate::Management;
use super::version::CpaVersion;

/// The default management key.
pub const DEFAULT_KEY: &str = "mgmt-fixture-key";

/// Configuration of the simulated CPA: its address, access and features.
#[derive(Args, Clone, Debug)]
pub struct SimulatorConfig {
    /// Address to listen on, for RESP and HTTP
    #[arg(long, default_value = "127.0.0.1:8317", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// Management key
    #[arg(long, default_value = DEFAULT_KEY, value_name = "KEY")]
    pub management_key: String,

    #[arg(skip)]
    pub management: Management,

    /// CPA version to simulate, from 7.2.74; older ones differ in RESP only
    #[arg(long = "cpa-version", default_value_t = CpaVersion::CAPTURED, value_name = "VERSION")]
    pub version: CpaVersion,

    /// Text of the version header if it is not the version itself, as in own builds (`dev`).
    #[arg(skip)]
    pub version_text: Option<String>,

    /// Allow management requests from other machines
    #[arg(long)]
    pub allow_remote: bool,

    /// Start with usage statistics off, as CPA does by default
    #[arg(long = "statistics-off", action = ArgAction::SetFalse)]
    pub usage_statistics: bool,

    /// Retention of records in the queue
    #[arg(long, default_value = "60s", value_name = "SPAN", value_parser = humantime::parse_duration)]
    pub retention: Duration,

    /// Delay of each HTTP management call; a real CPA hashes the key in about 62ms
    #[arg(
        long = "bcrypt-delay",
        default_value = "0s",
        value_name = "SPAN",
        value_parser = humantime::parse_duration
    )]
    pub management_delay: Duration,

    /// Time-out for the first byte of a connection.
    #[arg(skip = Duration::from_secs(10))]
    pub sniff_timeout: Duration,

    /// How long connections stay open after a graceful stop has started.
    #[arg(skip = Duration::from_millis(20))]
    pub shutdown_grace: Duration,

    #[command(flatten)]
    pub traffic: TrafficConfig,

    /// Give accounts after the sixteenth all states in turn: disabled, expired, pending and so on
    #[arg(long)]
    pub states: bool,

    /// Speed of the simulated time, quota windows included
    // Applies to timestamps of records, quota windows, resets and responses; retention and bans use
    // the real time.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub time_scale: u32,

    #[arg(skip)]
    pub clock: Clock,

    /// Initial faults of quota responses, by provider, host, account, or `*`.
    #[arg(skip)]
    pub quota_faults: BTreeMap<String, QuotaFault>,

    #[arg(skip)]
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// The defaults of the command line, on a free port.
impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ..without_arguments()
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
        without_arguments()
    }
}

#[expect(
    clippy::expect_used,
    reason = "no option is required, and each default is valid"
)]
fn without_arguments<T: Args>() -> T {
    let command = T::augment_args(Command::new("simulate"));
    let matches = command.try_get_matches_from(["simulate"]);
    let options = matches.and_then(|matches| T::from_arg_matches(&matches));
    options.expect("options that are all optional")
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
