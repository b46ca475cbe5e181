//! The command line of the simulator.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{QuotaFaultMode, SimulatorConfig};

/// Default records per second of a server.
const USUAL_RATE: f64 = 5.0;

/// Simulate a CLIProxyAPI.
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    #[command(flatten)]
    config: SimulatorConfig,

    /// Write records of this time span instead of serving; their number follows --records or
    /// --rate, else 10000 per day
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    pub history: Option<Duration>,

    /// Output file of --history, one record per line; - for stdout
    #[arg(long, value_name = "FILE", requires = "history", default_value = "-")]
    pub out: PathBuf,

    #[arg(
        long,
        value_name = "PROVIDER=FAULT",
        value_parser = quota_fault,
        help = "Fault of quota responses, such as claude=rate_limited; * for all providers; repeatable"
    )]
    pub quota_fault: Vec<(String, QuotaFaultMode)>,
}

impl SimulateArgs {
    pub fn into_config(self) -> SimulatorConfig {
        let mut config = self.config;
        let usual = Some(USUAL_RATE).filter(|_| self.history.is_none());
        let rate = config.traffic.rate.or(usual);
        config.traffic.rate = rate.filter(|&rate| rate > 0.0);
        let faults = self.quota_fault.into_iter();
        config.quota_faults = faults.map(|(of, mode)| (of, mode.into())).collect();
        config
    }
}

fn quota_fault(text: &str) -> Result<(String, QuotaFaultMode), String> {
    let (of, mode) = text.split_once('=').ok_or("expected PROVIDER=FAULT")?;
    Ok((of.to_owned(), mode.parse()?))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::CpaVersion;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        simulate: SimulateArgs,
    }

    #[test]
    fn options_are_converted_to_a_configuration() {
        Cli::command().debug_assert();
        let words = "sim --cpa-version v8.0.10 --rate 0 --bcrypt-delay 62ms --providers codex,gemini \
                     --utc-offset -90 --statistics-off --time-scale 60 --states \
                     --quota-fault claude=rate_limited --quota-fault *=hang";
        let cli = Cli::parse_from(words.split_whitespace());
        let config = cli.simulate.into_config();
        assert_eq!(config.version, CpaVersion::new(8, 0, 10));
        assert_eq!(config.management_delay, Duration::from_millis(62));
        assert_eq!(config.traffic.rate, None);
        assert_eq!(config.traffic.providers, ["codex", "gemini"]);
        assert_eq!(config.traffic.utc_offset_minutes, -90);
        assert!(!config.usage_statistics);
        assert_eq!((config.time_scale, config.states), (60, true));
        let mode = |of: &str| config.quota_faults.get(of).map(|fault| fault.mode);
        assert_eq!(mode("claude"), Some(QuotaFaultMode::RateLimited));
        assert_eq!(mode("*"), Some(QuotaFaultMode::Hang));
        assert!(Cli::try_parse_from(["sim", "--quota-fault", "claude=sulks"]).is_err());
        assert!(Cli::try_parse_from(["sim", "--rate", "NaN"]).is_err());
    }

    #[test]
    fn rate_is_a_number_with_a_default() {
        let rate = |words: &str| {
            let words = format!("sim {words}");
            let cli = Cli::parse_from(words.split_whitespace());
            cli.simulate.into_config().traffic.rate
        };
        assert_eq!(rate(""), Some(5.0));
        assert_eq!(rate("--rate 0.3"), Some(0.3));
        assert_eq!(rate("--history 7d"), None);
        assert_eq!(rate("--history 7d --rate 0.3"), Some(0.3));
    }
}
