//! Measures the whole path of a record from outside: a simulated CPA and the exporter, each in a
//! process of its own, on this machine.
//!
//! ```text
//! cargo bench                                  everything, several runs each
//! cargo bench -- drain scrape                  some of it
//! cargo bench -- drain records=1000000 runs=5  with other sizes, see `Options`
//! ```
//!
//! Figures depend on the machine: compare only results from the same one, best from the same hour.
//! Linux only, because processor time and memory are read from `/proc`.

mod figures;
mod rig;
mod scenarios;

use std::io::{self, Write};

use anyhow::{Context, Result, bail};

use figures::Figures;

/// Options of the command line, as `name=number`.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Runs of each scenario.
    runs: u64,
    /// Records of one drain.
    records: u64,
    /// Approximate size of a record in bytes.
    size: u64,
    /// Seconds of steady traffic.
    seconds: u64,
    /// Records per second of steady traffic.
    rate: u64,
    /// Scrapes of one run.
    scrapes: u64,
    /// Events in the database of a start.
    stored: u64,
    /// Events in the database of a reprice.
    repriced: u64,
}

type Scenario = fn(&Options, &mut Figures) -> Result<()>;

const SCENARIOS: [(&str, Scenario); 8] = [
    ("drain", scenarios::drain),
    ("endless", scenarios::endless),
    ("disk", scenarios::disk),
    ("steady", scenarios::steady),
    ("scrape", scenarios::scrape),
    ("start", scenarios::start),
    ("rules", scenarios::rules),
    ("reprice", scenarios::reprice),
];

fn main() -> Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let all = args.len();
    args.retain(|arg| arg != "--bench");
    if args.len() == all {
        // `cargo test --all-targets` runs benches too, and only needs them to compile.
        return Ok(());
    }
    let mut options = Options {
        runs: 3,
        records: 300_000,
        size: 1600,
        seconds: 30,
        rate: 1000,
        scrapes: 100,
        stored: 1_000_000,
        repriced: 3_000_000,
    };
    let mut chosen = Vec::new();
    for arg in &args {
        match arg.split_once('=') {
            Some((name, value)) => options.set(name, value)?,
            None => chosen.push(arg.as_str()),
        }
    }
    for name in &chosen {
        if !SCENARIOS.iter().any(|(known, _)| known == name) {
            bail!(
                "no scenario {name}; there are drain, endless, disk, steady, scrape, start, rules, reprice"
            );
        }
    }
    let mut figures = Figures::default();
    let mut out = io::stderr();
    for run in 1..=options.runs {
        for (name, scenario) in SCENARIOS {
            if chosen.is_empty() || chosen.contains(&name) {
                writeln!(out, "{name}, run {run} of {}", options.runs)?;
                scenario(&options, &mut figures).with_context(|| format!("in {name}"))?;
            }
        }
    }
    figures.print()?;
    Ok(())
}

impl Options {
    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let place = match name {
            "runs" => &mut self.runs,
            "records" => &mut self.records,
            "size" => &mut self.size,
            "seconds" => &mut self.seconds,
            "rate" => &mut self.rate,
            "scrapes" => &mut self.scrapes,
            "stored" => &mut self.stored,
            "repriced" => &mut self.repriced,
            _ => bail!("no option {name}"),
        };
        *place = value.parse().with_context(|| format!("{name}={value}"))?;
        Ok(())
    }
}
